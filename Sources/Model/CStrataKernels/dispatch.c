// Chooses the family of kernels: once by what the processor has, lowered by STRATA_ISA or by `strata_isa_use`.
#include "amx.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if STRATA_NEON
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static _Atomic int strata_isa_chosen = -1;

static bool strata_isa_available(strata_isa isa) {
  switch (isa) {
    case STRATA_ISA_PORTABLE: return true;
#if STRATA_X86
    case STRATA_ISA_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case STRATA_ISA_AVX512:
      return strata_isa_available(STRATA_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#endif
    case STRATA_ISA_AMX: return strata_amx_works();
#if STRATA_NEON
    case STRATA_ISA_NEON: return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
    default: return false;
  }
}

const char *strata_isa_name(strata_isa isa) {
  switch (isa) {
    case STRATA_ISA_AVX2: return "avx2";
    case STRATA_ISA_AVX512: return "avx512";
    case STRATA_ISA_AMX: return "amx";
    case STRATA_ISA_NEON: return "neon";
    default: return "portable";
  }
}

static strata_isa strata_isa_choose(void) {
  const char *wanted = getenv("STRATA_ISA");
  strata_isa best = STRATA_ISA_PORTABLE;
  for (int isa = STRATA_ISA_PORTABLE; isa <= STRATA_ISA_NEON; isa++) {
    if (!strata_isa_available((strata_isa)isa)) continue;
    best = (strata_isa)isa;
    if (wanted && strcmp(wanted, strata_isa_name(best)) == 0) break;
  }
  return best;
}

strata_isa strata_isa_current(void) {
  int chosen = atomic_load_explicit(&strata_isa_chosen, memory_order_relaxed);
  if (chosen >= 0) return (strata_isa)chosen;
  strata_isa best = strata_isa_choose();
  atomic_store_explicit(&strata_isa_chosen, (int)best, memory_order_relaxed);
  return best;
}

bool strata_isa_use(strata_isa isa) {
  if (!strata_isa_available(isa) && !(isa == STRATA_ISA_AMX && strata_amx_software_allowed())) return false;
  atomic_store_explicit(&strata_isa_chosen, (int)isa, memory_order_relaxed);
  return true;
}
