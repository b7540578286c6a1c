// The portable family of kernels over 16 lanes.
#define STRATA_FAMILY_ISA 0
#include "lanes.h"
#define STRATA_SCORE_VECTORS(T) 1
#define STRATA_VALUE_ROWS 1
#include "rows_body.h"
#include "attention_body.h"

const strata_family strata_family_portable = STRATA_FAMILY_TABLE;
