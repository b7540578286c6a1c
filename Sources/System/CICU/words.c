// See CICU.h.
#include "CICU.h"

#include <stdlib.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

struct strata_icu_words {
  UBreakIterator *iterator;
  UText *text;
};

strata_icu_words *strata_icu_words_create(void) {
  strata_icu_words *words = calloc(1, sizeof *words);
  if (!words) return NULL;
  UErrorCode status = U_ZERO_ERROR;
  words->iterator = ubrk_open(UBRK_WORD, "", NULL, 0, &status);
  if (U_SUCCESS(status) && words->iterator) return words;
  strata_icu_words_destroy(words);
  return NULL;
}

void strata_icu_words_destroy(strata_icu_words *words) {
  if (!words) return;
  if (words->iterator) ubrk_close(words->iterator);
  if (words->text) utext_close(words->text);
  free(words);
}

int32_t strata_icu_words_begin(strata_icu_words *words, const uint8_t *utf8, int64_t count) {
  UErrorCode status = U_ZERO_ERROR;
  words->text = utext_openUTF8(words->text, (const char *)utf8, count, &status);
  if (U_SUCCESS(status)) ubrk_setUText(words->iterator, words->text, &status);
  if (U_FAILURE(status)) return status;
  ubrk_first(words->iterator);
  return 0;
}

int64_t strata_icu_words_next(strata_icu_words *words, int32_t *status) {
  int32_t end = ubrk_next(words->iterator);
  *status = ubrk_getRuleStatus(words->iterator);
  return end == UBRK_DONE ? -1 : end;
}
