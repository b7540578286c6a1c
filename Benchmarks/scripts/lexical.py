#!/usr/bin/env python3
"""BM25 beside bm25s and tantivy in one run, one thread each: SciFact, and as many chunks of three random SciFact
sentences as the first argument says (default 100,000; 0 for SciFact alone).

  python3 -m venv .venv && .venv/bin/pip install bm25s numba PyStemmer tantivy
  .venv/bin/python Benchmarks/scripts/lexical.py [CHUNKS]        STRATA_DATA as for the tests

Three rounds, the sides taking turns in each; a side's figure is its best of all, and it searches equally often in each
round. Indexing is from text to searchable, tokenization and stemming included; a query is text to its ten best, parsing
included. bm25s runs with numpy and with numba, query by query and all queries as one batch, with its `Tokenizer`, which
remembers stems, as Strata does; tantivy with one writer thread, occurrences without places, its query parser. Both leave
out English stop words and stem with Snowball, as Strata does. Rates are by wall clock and by processor time of the whole
process; the last lines compare Strata's processor time with the best rival's, or its wall clock where that is better for
it. Strata's figures come from the test `LexicalSpeedTests`, run in release, so they include no process start.
"""
import collections
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
data = os.environ.get("STRATA_DATA", os.path.join(root, "../shared/data"))
folder = os.path.join(data, "retrieval/scifact")
ROUNDS = 3
SEARCHES = 5  # of all queries in a round; LexicalSpeedTests does the same


def texts(path):
    with open(path, encoding="utf-8") as lines:
        return [(record.get("title", "") + " " + record["text"]).strip() for record in map(json.loads, lines)]


def timed(body, repeat=1):
    """Best rates' seconds: wall clock and processor."""
    best = (math.inf, math.inf)
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        body()
        best = (min(best[0], time.perf_counter() - wall), min(best[1], time.process_time() - cpu))
    return best


def ndcg(results, queries, judgements, ids):
    total = 0.0
    for (query, _), found in zip(queries, results):
        grades = judgements[query]

        def gain(values):
            return sum(grade / math.log2(place + 2) for place, grade in enumerate(values[:10]))

        ideal = gain(sorted(grades.values(), reverse=True))
        total += gain([grades.get(ids[number], 0) for number in found]) / ideal if ideal else 0
    return total / len(queries)


def run_bm25s(name, path, queries, emit):
    import bm25s
    import Stemmer

    from bm25s.tokenization import Tokenizer

    corpus, stemmer = texts(path), Stemmer.Stemmer("english")
    words = [text for _, text in queries]
    best = None
    for backend in ("numpy", "numba"):
        def index():
            made[:] = [Tokenizer(stemmer=stemmer, stopwords="en"), bm25s.BM25(
                k1=1.2, b=0.75, method="lucene", backend=backend)]
            made[1].index(made[0].tokenize(corpus, return_as="tuple", show_progress=False), show_progress=False)

        def retrieve(batch):
            tokens = made[0].tokenize(batch, update_vocab=False, return_as="ids", show_progress=False)
            return made[1].retrieve(tokens, k=10, show_progress=False, n_threads=1 if backend == "numba" else 0)

        def one_by_one():
            for text in words:
                retrieve([text])

        made = []
        emit(f"{name} index", len(corpus), timed(index))
        best = retrieve(words).documents.tolist()
        timed(one_by_one)  # numba compiles
        emit(f"{name} search all", len(words), timed(one_by_one, SEARCHES))
        emit(f"{name} search batch", len(words), timed(lambda: retrieve(words), SEARCHES))
    return best


def run_tantivy(name, path, queries, emit):
    import tantivy

    corpus = texts(path)
    analyzer = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(255)).filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.stopword("english")).filter(tantivy.Filter.stemmer("english")).build())
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", stored=False, tokenizer_name="english", index_option="freq")
    schema = builder.build()
    made = []

    def build():
        index = tantivy.Index(schema)
        index.register_tokenizer("english", analyzer)
        writer = index.writer(heap_size=1_000_000_000, num_threads=1)
        for text in corpus:
            writer.add_document(tantivy.Document(text=text))
        writer.commit()
        made[:] = [index, writer]

    emit(f"{name} index", len(corpus), timed(build, 2))
    index, writer = made
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    # Signs that its query language would read are taken out before the clock runs.
    words = [re.sub(r"[^\w\s]", " ", text) for _, text in queries]

    def search():
        return [searcher.search(index.parse_query(text, ["text"]), 10, count=False).hits for text in words]

    found = [[address.doc for _, address in hits] for hits in search()]
    emit(f"{name} search all", len(words), timed(search, SEARCHES))
    return found if searcher.num_segments == 1 else None


def run_strata(mixed):
    result = subprocess.run(
        ["swift", "test", "-c", "release", "--skip-build", "--disable-testable-imports", "--filter", "LexicalSpeedTests"],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "STRATA_DATA": data, "STRATA_BENCH_CORPUS": mixed})
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("strata ")]
    return lines or sys.exit(result.stdout)


def rival(side, mixed):
    """In a process of its own, so that its processor time is its own."""
    judgements, queries = judged()
    ids = [json.loads(line)["_id"] for line in open(os.path.join(folder, "corpus.jsonl"), encoding="utf-8")]
    run = {"bm25s": run_bm25s, "tantivy": run_tantivy}[side]

    def emit(what, count, seconds):
        print(side, what, count / seconds[0], count / seconds[1], flush=True)

    found = run("scifact", os.path.join(folder, "corpus.jsonl"), queries, emit)
    if found:
        print(side, "scifact ndcg10", ndcg(found, queries, judgements, ids), flush=True)
    if os.path.getsize(mixed):
        run("mixed", mixed, queries, emit)


def judged():
    judgements = {}
    for line in list(open(os.path.join(folder, "qrels_test.tsv")))[1:]:
        query, document, grade = line.split()
        judgements.setdefault(query, {})[document] = int(grade)
    records = map(json.loads, open(os.path.join(folder, "queries.jsonl"), encoding="utf-8"))
    return judgements, [(r["_id"], r["text"]) for r in records if r["_id"] in judgements]


def main():
    chunks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    subprocess.run(
        ["swift", "build", "-c", "release", "--build-tests"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    rates = collections.defaultdict(lambda: [0.0, 0.0])
    quality = {}
    with tempfile.TemporaryDirectory() as temporary:
        sentences = [
            s for text in texts(os.path.join(folder, "corpus.jsonl")) for s in re.split(r"(?<=[.?!]) ", text) if s]
        generator = random.Random(1)
        mixed = os.path.join(temporary, "mixed.jsonl")
        with open(mixed, "w", encoding="utf-8") as out:
            for number in range(chunks):
                out.write(json.dumps({"_id": str(number), "text": " ".join(generator.choices(sentences, k=3))}) + "\n")
        for _ in range(ROUNDS):
            lines = run_strata(mixed)
            for side in ("bm25s", "tantivy"):
                output = subprocess.run(
                    [sys.executable, __file__, "--rival", side, mixed], text=True, stdout=subprocess.PIPE, check=True)
                lines += [line.split() for line in output.stdout.splitlines()]
            for line in lines:
                if line[2] == "ndcg10":
                    quality[line[0]] = float(line[3])
                    continue
                best = rates[line[0], " ".join(line[1:-2])]
                best[:] = [max(best[0], float(line[-2])), max(best[1], float(line[-1]))]
    print(f"{'':32}{'wall clock':>12}{'processor':>12}   per second; mixed: {chunks} chunks")
    for (side, what), (wall, cpu) in sorted(rates.items(), key=lambda item: (item[0][1], item[0][0])):
        print(f"{what:24}{side:8}{wall:12.0f}{cpu:12.0f}")
    for side, value in quality.items():
        print(f"nDCG@10 SciFact  {side:8} {value:.4f}")
    for collection in ("scifact", "mixed")[:1 + (chunks > 0)]:
        for what, names in (("index", ["index"]), ("search", ["search all"]), ("search, bm25s in one batch", ["search all", "search batch"])):
            rivals = [max(rates[s, f"{collection} {n}"]) for s in ("bm25s", "tantivy") for n in names]
            own = rates["strata", f"{collection} {names[0]}"]
            print(f"{collection} {what}: {own[1] / max(rivals):.2f} times the best rival")


if len(sys.argv) > 1 and sys.argv[1] == "--rival":
    rival(sys.argv[2], sys.argv[3])
else:
    main()
