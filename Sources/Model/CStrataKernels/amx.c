// Whether AMX can be used: what processor and system say, and whether its products are right.
#define _GNU_SOURCE
#include "amx.h"

#include <stdatomic.h>
#include <string.h>

#if STRATA_X86 && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static _Atomic bool strata_amx_software;

void strata_amx_allow_software(bool allow) { atomic_store(&strata_amx_software, allow); }
bool strata_amx_software_allowed(void) { return atomic_load(&strata_amx_software); }

#if STRATA_X86 && defined(__linux__)
/// The processor has tiles of bytes and bfloat16 (CPUID leaf 7: EDX 22, 24 and 25), the system saves them (XCR0 17 and
/// 18), and lets this process use them, which it must be asked for (Linux, "Using XSTATE features in user space").
static bool strata_amx_permitted(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  const uint32_t wanted = 1u << 22 | 1u << 24 | 1u << 25;
  uint32_t a, b, c, d;
  if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || !(c & 1u << 27)) return false;  // OSXSAVE
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & wanted) != wanted) return false;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & 0x60000) != 0x60000) return false;
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

/// A product of each kind of tile work, compared to the bit with software tiles.
static bool strata_amx_agrees(strata_type type) {
  enum { ROWS = 33, COLS = 256, M = 53 };
  static float weights[ROWS * COLS], x[M * COLS], expected[M * ROWS], got[M * ROWS];
  static uint8_t data[ROWS * COLS * 2];
  uint32_t state = 1;
  for (int i = 0; i < ROWS * COLS; i++) weights[i] = (float)(int32_t)(state = state * 1664525 + 1013904223) * 0x1p-31f;
  for (int i = 0; i < M * COLS; i++) x[i] = (float)(int32_t)(state = state * 1664525 + 1013904223) * 0x1p-31f;
  if (strata_quantize(type, weights, data, ROWS * COLS) != 0) return false;
  strata_matrix *matrix = strata_matrix_create(type, data, ROWS, COLS, NULL);
  if (!matrix) return false;
  strata_matmul_job job = {matrix, expected, ROWS, NULL, false};
  strata_matmul_with(&strata_products_amx_software, NULL, x, COLS, M, &job, 1);
  job.y = got;
  strata_matmul_with(&strata_products_amx, NULL, x, COLS, M, &job, 1);
  strata_matrix_destroy(matrix);
  return memcmp(expected, got, sizeof got) == 0;
}

static bool strata_amx_try(void) {
  if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bf16")) return false;
  if (!strata_amx_permitted()) return false;
  return strata_amx_agrees(STRATA_TYPE_Q8_0) && strata_amx_agrees(STRATA_TYPE_Q4_1) &&
      strata_amx_agrees(STRATA_TYPE_BF16);
}
#else
static bool strata_amx_try(void) { return false; }
#endif

bool strata_amx_works(void) {
  enum { UNKNOWN, ASKING, YES, NO };
  static _Atomic int answer = UNKNOWN;
  int known = atomic_load(&answer);
  if (known == UNKNOWN && atomic_compare_exchange_strong(&answer, &known, ASKING)) {
    atomic_store(&answer, strata_amx_try() ? YES : NO);
  }
  while ((known = atomic_load(&answer)) == ASKING) continue;  // another thread is trying, for about a millisecond
  return known == YES;
}

const strata_product_kernels *strata_amx_products(void) {
#if STRATA_X86
  if (!strata_amx_software_allowed()) return &strata_products_amx;
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16")) return &strata_products_amx_checked;
#endif
  return &strata_products_amx_software;
}
