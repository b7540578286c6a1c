// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, as in RFC 3720 and SSE 4.2): by instruction where the processor
// has one, by eight tables elsewhere (Kounavis and Berry 2005, "slicing by 8").
#include "kernels.h"

#include <pthread.h>
#include <string.h>
#if STRATA_X86
#include <nmmintrin.h>
#elif STRATA_NEON
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static uint32_t strata_crc_tables[8][256];
static pthread_once_t strata_crc_once = PTHREAD_ONCE_INIT;

static void strata_crc_make_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
    strata_crc_tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (int k = 1; k < 8; k++) {
      uint32_t before = strata_crc_tables[k - 1][byte];
      strata_crc_tables[k][byte] = before >> 8 ^ strata_crc_tables[0][before & 255];
    }
  }
}

static uint32_t strata_crc_portable(uint32_t crc, const uint8_t *p, size_t n) {
  pthread_once(&strata_crc_once, strata_crc_make_tables);
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    crc = strata_crc_tables[7][low & 255] ^ strata_crc_tables[6][low >> 8 & 255] ^
        strata_crc_tables[5][low >> 16 & 255] ^ strata_crc_tables[4][low >> 24] ^ strata_crc_tables[3][p[4]] ^
        strata_crc_tables[2][p[5]] ^ strata_crc_tables[1][p[6]] ^ strata_crc_tables[0][p[7]];
  }
  for (; n > 0; n--, p++) crc = crc >> 8 ^ strata_crc_tables[0][(crc ^ *p) & 255];
  return crc;
}

#if STRATA_X86
__attribute__((target("sse4.2"))) static uint32_t strata_crc_sse42(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t state = crc;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    state = _mm_crc32_u64(state, word);
  }
  crc = (uint32_t)state;
  for (; n > 0; n--, p++) crc = _mm_crc32_u8(crc, *p);
  return crc;
}
#elif STRATA_NEON
__attribute__((target("+crc"))) static uint32_t strata_crc_armv8(uint32_t crc, const uint8_t *p, size_t n) {
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = __crc32cd(crc, word);
  }
  for (; n > 0; n--, p++) crc = __crc32cb(crc, *p);
  return crc;
}
#endif

uint32_t strata_crc32c(uint32_t crc, const void *bytes, size_t count) {
  const uint8_t *p = bytes;
  if (count == 0) return crc;
#if STRATA_X86
  // Each processor with AVX2 has SSE 4.2.
  if (strata_isa_current() != STRATA_ISA_PORTABLE) return ~strata_crc_sse42(~crc, p, count);
#elif STRATA_NEON
  if (strata_isa_current() != STRATA_ISA_PORTABLE && (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0) {
    return ~strata_crc_armv8(~crc, p, count);
  }
#endif
  return ~strata_crc_portable(~crc, p, count);
}
