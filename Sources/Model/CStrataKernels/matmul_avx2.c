#include "matrix.h"
#if STRATA_X86
extern const strata_product_kernels strata_products_portable;
const strata_product_kernels strata_products_avx2;
#endif
