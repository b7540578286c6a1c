#!/usr/bin/env python3
"""BM25 beside bm25s in one run, one thread each: SciFact, and as many chunks of three random SciFact sentences as the
first argument says (default 100,000).

  RIVALS_PYTHON Benchmarks/scripts/lexical.py [CHUNKS]        needs bm25s and PyStemmer; STRATA_DATA as for the tests

Strata's figures come from the test `LexicalSpeedTests`, run in release, so they include no process start.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import bm25s
import Stemmer

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
data = os.environ.get("STRATA_DATA", os.path.join(root, "../shared/data"))
folder = os.path.join(data, "retrieval/scifact")
chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000


def texts(path):
    with open(path, encoding="utf-8") as lines:
        return [(record.get("title", "") + " " + record["text"]).strip() for record in map(json.loads, lines)]


def measure(name, corpus_path, queries):
    corpus = texts(corpus_path)
    stemmer = Stemmer.Stemmer("english")
    start = time.perf_counter()
    tokens = bm25s.tokenize(corpus, stopwords="en", stemmer=stemmer, show_progress=False)
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index(tokens, show_progress=False)
    built = time.perf_counter()
    for query in queries:
        index.retrieve(
            bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False), k=10, show_progress=False)
    done = time.perf_counter()
    print(f"bm25s   {name}: {len(corpus) / (built - start):9.0f} documents/s {len(queries) / (done - built):9.0f} queries/s")


judged = {line.split("\t")[0] for line in open(os.path.join(folder, "qrels_test.tsv"))}
queries = [r["text"] for r in map(json.loads, open(os.path.join(folder, "queries.jsonl"))) if r["_id"] in judged]
scifact = os.path.join(folder, "corpus.jsonl")
print(f"bm25s {bm25s.__version__}, {len(queries)} queries, 10 results each", flush=True)
with tempfile.TemporaryDirectory() as temporary:
    sentences = [s for text in texts(scifact) for s in re.split(r"(?<=[.?!]) ", text) if s]
    generator = random.Random(1)
    mixed = os.path.join(temporary, "mixed.jsonl")
    with open(mixed, "w", encoding="utf-8") as out:
        for number in range(chunks):
            text = " ".join(generator.choices(sentences, k=3))
            out.write(json.dumps({"_id": str(number), "text": text}) + "\n")
    measure(f"{'SciFact':>15}", scifact, queries)
    measure(f"{chunks:8} chunks", mixed, queries)
    sys.stdout.flush()
    result = subprocess.run(
        ["swift", "test", "-c", "release", "--filter", "LexicalSpeedTests"], cwd=root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "STRATA_DATA": data, "STRATA_BENCH_CORPUS": mixed})
    lines = [line for line in result.stdout.splitlines() if line.startswith("strata")]
    print("\n".join(lines) if lines else result.stdout)
