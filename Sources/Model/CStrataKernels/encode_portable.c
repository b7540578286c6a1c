// The encoders of the portable family.
#define STRATA_FAMILY_ISA 0
#include "encode.h"
#include "lanes.h"
#include "encode_body.h"

const strata_encoders strata_encoders_portable = STRATA_ENCODERS_TABLE;
