#!/usr/bin/env python3
"""Stems of frequent words of each language by the reference implementation, one `language<TAB>word<TAB>stem` a line.

  pip install wordfreq stopwordsiso snowballstemmer==2.2.0
  snowball_stems.py > /tmp/stems.tsv                  about 700,000 words; 2.2 is what Debian's libstemmer has
  STRATA_STEMS=/tmp/stems.tsv swift test -c release --filter Stemmer

With two such files, of snowballstemmer 2.2.0 and 3.1.1, prints the sample in Tests/StrataIndexTests/StemmerVectors.swift:
some words of each language whose stems both versions agree on, so that it holds for any libstemmer from 2.2 on.

  snowball_stems.py /tmp/stems-2.2.0.tsv /tmp/stems-3.1.1.tsv
"""
import sys
import unicodedata

codes = {
    "arabic": "ar", "armenian": "hy", "basque": "eu", "catalan": "ca", "danish": "da", "dutch": "nl", "english": "en",
    "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hindi": "hi", "hungarian": "hu",
    "indonesian": "id", "irish": "ga", "italian": "it", "lithuanian": "lt", "nepali": "ne", "norwegian": "nb",
    "portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sh", "spanish": "es", "swedish": "sv",
    "tamil": "ta", "turkish": "tr", "yiddish": "yi",
}


def words(code):
    import stopwordsiso
    import wordfreq

    found = set(stopwordsiso.stopwords(code))
    if code in wordfreq.available_languages("small"):
        found.update(wordfreq.top_n_list(code, 40_000, wordlist="small"))
    return sorted(
        w for w in {unicodedata.normalize("NFC", w) for w in found}
        if len(w) > 1 and all(unicodedata.category(c)[0] in "LM" for c in w))


def stems():
    import snowballstemmer

    for language, code in codes.items():
        stemmer = snowballstemmer.stemmer(language)
        for word in words(code):
            print(language, word, stemmer.stemWord(word), sep="\t")


def sample(first, second):
    both = set(open(first, encoding="utf-8")) & set(open(second, encoding="utf-8"))
    by_language = {}
    for line in sorted(both):
        language, word, stem = line.rstrip("\n").split("\t")
        by_language.setdefault(language, []).append((word, stem))
    for language, pairs in by_language.items():
        changed = [pair for pair in pairs if pair[0] != pair[1]] or pairs
        picked = changed[:: max(1, len(changed) // 40)][:40]
        print(language, " ".join(f"{word} {stem}" for word, stem in picked))


if len(sys.argv) == 3:
    sample(sys.argv[1], sys.argv[2])
else:
    stems()
