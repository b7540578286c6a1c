// The portable family of kernels over 16 lanes.
#define STRATA_FAMILY_ISA 0
#include "lanes.h"
#include "lora.h"
#define STRATA_SCORE_ROWS 3
#define STRATA_SCORE_VECTORS(T) 1
#define STRATA_VALUE_ROWS 3
#define STRATA_VALUE_VECTORS(T) 1
#include "rows_body.h"
#include "attention_body.h"
#define STRATA_LORA_ROWS 1
#include "lora_body.h"

const strata_family strata_family_portable = STRATA_FAMILY_TABLE;
const strata_lora_kernel strata_lora_portable = family_lora;
