#!/usr/bin/env python3
"""Stems of every word of a BEIR corpus by the reference implementation, one `word<TAB>stem` a line.

  pip install snowballstemmer==3.1.1
  snowball_stems.py shared/data/retrieval/scifact/corpus.jsonl > /tmp/stems.tsv
  STRATA_STEMS=/tmp/stems.tsv swift test -c release --filter EnglishStemmer
"""
import json
import re
import sys

import snowballstemmer

words = set()
for path in sys.argv[1:]:
    for line in open(path, encoding="utf-8"):
        record = json.loads(line)
        text = (record.get("title", "") + " " + record["text"]).lower()
        words.update(re.findall(r"[a-z][a-z0-9']*[a-z0-9]", text))
stemmer = snowballstemmer.stemmer("english")
for word in sorted(words):
    print(word, stemmer.stemWord(word), sep="\t")
