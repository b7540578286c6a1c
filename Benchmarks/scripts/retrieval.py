#!/usr/bin/env python3
"""Ranking quality of `strata eval retrieval` beside the usual parts in Python: bm25s, sentence-transformers
(all-MiniLM-L6-v2), and reciprocal rank fusion (k = 60) of the two, as LlamaIndex and Haystack do it.

  RIVALS_PYTHON Benchmarks/scripts/retrieval.py [scifact] [cranfield] [hotpotqa-100]

Needs bm25s, PyStemmer, sentence-transformers and numpy; STRATA (the binary, default .build/release/strata), STRATA_DATA
as for the tests, STRATA_MINILM (folder of the model; default: downloaded). Rivals' document vectors are kept in the
temporary folder, since encoding SciFact takes minutes.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import bm25s
import numpy as np
import Stemmer
from sentence_transformers import SentenceTransformer

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
strata = os.environ.get("STRATA", os.path.join(root, ".build/release/strata"))
data = os.path.join(os.environ.get("STRATA_DATA", os.path.join(root, "../shared/data")), "retrieval")
model = os.environ.get("STRATA_MINILM", "sentence-transformers/all-MiniLM-L6-v2")


def beir(folder):
    with open(f"{folder}/corpus.jsonl", encoding="utf-8") as lines:
        documents = [(r["_id"], (r.get("title", "") + " " + r["text"]).strip()) for r in map(json.loads, lines)]
    grades = {}
    with open(f"{folder}/qrels_test.tsv", encoding="utf-8") as lines:
        for fields in (line.split("\t") for line in lines):
            if fields[-1].strip().lstrip("-").isdigit():
                grades.setdefault(fields[0], {})[fields[-2]] = int(fields[-1])
    with open(f"{folder}/queries.jsonl", encoding="utf-8") as lines:
        queries = [(r["_id"], r["text"]) for r in map(json.loads, lines) if r["_id"] in grades]
    return documents, queries, grades


def cranfield(folder):
    def records(name):
        found, field = [], None
        for line in open(f"{folder}/{name}", encoding="utf-8"):
            if line.startswith(".I "):
                found.append({"id": line.split()[1]})
            elif len(line.strip()) == 2 and line[0] == ".":
                field = line[1]
            elif found:
                found[-1][field] = found[-1].get(field, "") + " " + " ".join(line.split())
        return found

    documents = [(r["id"], " ".join((r.get("T", "") + " " + r.get("W", "")).split())) for r in records("cran.all.1400")]
    grades = {}
    for fields in (line.split() for line in open(f"{folder}/cranqrel", encoding="utf-8")):
        if len(fields) >= 3 and 1 <= int(fields[2]) <= 4:
            grades.setdefault(fields[0], {})[fields[1]] = 5 - int(fields[2])
    queries = [(str(n + 1), " ".join(r["W"].split())) for n, r in enumerate(records("cran.qry"))]
    return documents, [q for q in queries if q[0] in grades], grades


def hotpot(folder):
    corpus = json.load(open(f"{folder}/hotpotqa_train_corpus.json", encoding="utf-8"))
    questions = json.load(open(f"{folder}/hotpotqa_train.json", encoding="utf-8"))
    documents = [(title, title + " " + "".join(sentences)) for title, sentences in corpus.items()]
    grades = {str(n): {title: 1 for title, _ in q["supporting_facts"]} for n, q in enumerate(questions)}
    return documents, [(str(n), q["question"]) for n, q in enumerate(questions)], grades


READERS = {"scifact": beir, "cranfield": cranfield, "hotpotqa-100": hotpot}


def score(rankings, queries, grades):
    ndcg, recall = [], []
    for ranking, (query, _) in zip(rankings, queries):
        judged = grades[query]
        ideal = sum(g / math.log2(n + 2) for n, g in enumerate(sorted(judged.values(), reverse=True)[:10]))
        ndcg.append(sum(judged.get(d, 0) / math.log2(n + 2) for n, d in enumerate(ranking[:10])) / ideal if ideal else 0)
        relevant = {d for d, g in judged.items() if g > 0}
        recall.append(len(relevant & set(ranking[:5])) / len(relevant) if relevant else 0)
    return sum(ndcg) / len(ndcg), sum(recall) / len(recall)


def rivals(name, documents, queries, grades):
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index(bm25s.tokenize([t for _, t in documents], stopwords="en", stemmer=stemmer, show_progress=False),
                show_progress=False)
    tokens = bm25s.tokenize([t for _, t in queries], stopwords="en", stemmer=stemmer, show_progress=False)
    words = index.retrieve(tokens, k=100, show_progress=False)[0].tolist()
    encoder = SentenceTransformer(model, device="cpu")
    kept = os.path.join(tempfile.gettempdir(), f"strata-rivals-{name}.npy")
    if os.path.exists(kept):
        vectors = np.load(kept)
    else:
        vectors = encoder.encode([t for _, t in documents], normalize_embeddings=True, show_progress_bar=False)
        np.save(kept, vectors)
    asked = encoder.encode([t for _, t in queries], normalize_embeddings=True, show_progress_bar=False)
    meaning = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :100].tolist()
    fused = []
    for one, other in zip(words, meaning):
        points = {}
        for ranking in (one, other):
            for rank, document in enumerate(ranking):
                points[document] = points.get(document, 0) + 1 / (61 + rank)
        fused.append(sorted(points, key=lambda d: -points[d]))
    names = [document for document, _ in documents]
    return {label: score([[names[d] for d in ranking] for ranking in rankings], queries, grades)
            for label, rankings in [("bm25s", words), ("sentence-transformers", meaning), ("RRF of the two", fused)]}


for name in sys.argv[1:] or list(READERS):
    folder = os.path.join(data, name)
    rows = rivals(name, *READERS[name](folder))
    mine = json.loads(subprocess.run([strata, "eval", "retrieval", folder, "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    print(f"{name:<24}{'nDCG@10':>9}{'R@5':>8}")
    for label, (ndcg, recall) in rows.items():
        print(f"  {label:<22}{ndcg:>9.4f}{recall:>8.3f}")
    for label, ndcg in mine["ndcg@10"].items():
        low, high = (mine["intervals"][label]["ndcg@10"][end] for end in ("low", "high"))
        print(f"  strata {label:<15}{ndcg:>9.4f}{mine['recall@5'][label]:>8.3f}   95% {low:.3f}-{high:.3f}")
