// Word boundaries by ICU, behind functions that carry no version in their names and bring none of ICU's headers,
// which contradict those inside Foundation.
#ifndef CICU_H
#define CICU_H

#include <stdint.h>

/// A word iterator, for one thread at a time. The root locale's rules: UAX #29, with dictionaries for Chinese, Japanese,
/// Thai, Lao, Khmer and Burmese.
typedef struct strata_icu_words strata_icu_words;

/// NULL when ICU has no data.
strata_icu_words *_Nullable strata_icu_words_create(void);
void strata_icu_words_destroy(strata_icu_words *_Nullable words);

/// Begins with a text, which must stay where it is until the last `next`.
/// - Returns: 0, or ICU's error.
int32_t strata_icu_words_begin(strata_icu_words *_Nonnull words, const uint8_t *_Nonnull utf8, int64_t count);

/// Where the next segment ends, in bytes, or -1 after the last.
/// - Parameter status: below 100 for spaces and punctuation, from 100 numbers, 200 letters, 300 kana, 400 ideographs.
int64_t strata_icu_words_next(strata_icu_words *_Nonnull words, int32_t *_Nonnull status);

#endif
