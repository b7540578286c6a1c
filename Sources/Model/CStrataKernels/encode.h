// The table of encoders that search for good scales, one per instruction-set family (encode_body.h is the source of
// all). Not seen outside the target.
#ifndef STRATA_ENCODE_PRIVATE_H
#define STRATA_ENCODE_PRIVATE_H

#include "kernels.h"

typedef struct strata_encoders {
  /// Encodes `cols` values (whole blocks) of one row. `importance` [cols] weighs the squared error of each column, or
  /// is NULL. - Returns: false when a scale does not fit a half.
  bool (*row)(strata_type type, const float *x, const float *importance, int64_t cols, uint8_t *out);
  /// Index of the first infinity or NaN, or -1.
  int64_t (*first_not_finite)(const float *x, int64_t count);
} strata_encoders;

extern const strata_encoders strata_encoders_portable;
#if STRATA_X86
extern const strata_encoders strata_encoders_avx2;
extern const strata_encoders strata_encoders_avx512;
#endif

const strata_encoders *strata_encoders_current(void);

/// Whether `strata_encoders.row` knows the format: all quantized ones.
bool strata_encodes(strata_type type);

// Layouts of blocks that encoders fill (formats.c tells them).
void strata_put_half(uint8_t *bytes, uint16_t half);
/// Codes of a block of 32: 4 bits, and the fifth ones when `high` is not NULL.
void strata_put_codes(const uint8_t codes[32], uint8_t *nibbles, uint8_t *high);
/// Scales, minimums (0...63) and codes of a Q4_K or Q5_K block.
void strata_put_k(uint8_t *super, const uint8_t scales[8], const uint8_t minimums[8], const uint8_t codes[256],
                  bool five);
/// Codes (0...63) of a Q6_K block.
void strata_put_6k(uint8_t *super, const uint8_t codes[256]);

#endif
