#!/usr/bin/env python3
"""BM25 beside bm25s and tantivy in one run, one thread each: SciFact, as many chunks of three random SciFact sentences as
the first argument says (default 100,000; 0 for none), and as many chunks of random words as the second says (default 0;
1,000,000 are 64 million postings and take some minutes).

  python3 -m venv .venv && .venv/bin/pip install bm25s numba PyStemmer tantivy
  .venv/bin/python Benchmarks/scripts/lexical.py [CHUNKS [RANDOM]]        STRATA_DATA as for the tests, ROUNDS (3)

Three rounds, the sides taking turns in each; a side's figure is its best of all, and it searches equally often in each
round. Indexing is from text to searchable, tokenization and stemming included; a query is text to its ten best, parsing
included. bm25s runs with numpy and with numba, query by query and all queries as one batch, with its `Tokenizer`, which
remembers stems, as Strata does; tantivy with one writer thread, occurrences without places, its query parser, and with
places for phrases. All leave out English stop words and stem with Snowball. "first" is a fresh process that opens an
index from a folder and asks each query once, with and without the time to open it; "phrases" are 300 runs of two or
three words of the text, each asked as a phrase (bm25s has none). Rates are by wall clock and by processor time of the
whole process; the last lines compare Strata's processor time with the best rival's, or its wall clock where that is
better for it. Strata's figures come from the tests `LexicalSpeedTests`, run in release, so they include no process start.
"""
import collections
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
data = os.environ.get("STRATA_DATA", os.path.join(root, "../shared/data"))
folder = os.path.join(data, "retrieval/scifact")
ROUNDS = int(os.environ.get("ROUNDS", 3))
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


def run_bm25s(folder, corpus, words, emit):
    import bm25s
    import Stemmer

    from bm25s.tokenization import Tokenizer

    stemmer = Stemmer.Stemmer("english")
    best = None
    for backend in ("numpy", "numba"):
        def index():
            made[:] = [Tokenizer(stemmer=stemmer, stopwords="en"), bm25s.BM25(
                k1=1.2, b=0.75, method="lucene", backend=backend)]
            made[1].index(made[0].tokenize(corpus, return_as="tuple", show_progress=False), show_progress=False)

        def load():
            made[:] = [Tokenizer(stemmer=stemmer, stopwords="en"), bm25s.BM25.load(folder)]
            made[0].load_vocab(folder)
            made[1].backend = backend

        def retrieve(batch):
            tokens = made[0].tokenize(batch, update_vocab=False, return_as="ids", show_progress=False)
            return made[1].retrieve(tokens, k=10, show_progress=False, n_threads=1 if backend == "numba" else 0)

        def one_by_one():
            for text in words:
                retrieve([text])

        made = []
        if corpus:
            emit("index", len(corpus), timed(index))
            best = retrieve(words).documents.tolist()
            timed(one_by_one)  # numba compiles
            emit("search all", len(words), timed(one_by_one, SEARCHES))
            emit("search batch", len(words), timed(lambda: retrieve(words), SEARCHES))
            made[1].save(folder, show_progress=False)
            made[0].save_vocab(folder)
        elif backend == "numpy":
            emit_first(emit, load, one_by_one, len(words))
    return best


def emit_first(emit, load, search, count):
    loading, searching = timed(load), timed(search)
    emit("first", count, searching)
    emit("first and open", count, [sum(seconds) for seconds in zip(loading, searching)])


def run_tantivy(folder, corpus, words, emit, phrases=None):
    import tantivy

    analyzer = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(255)).filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.stopword("english")).filter(tantivy.Filter.stemmer("english")).build())
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(
        "text", stored=False, tokenizer_name="english", index_option="position" if phrases else "freq")
    schema = builder.build()
    made = []
    path = os.path.join(folder, "phrases" if phrases else "words")

    def build():
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        index = tantivy.Index(schema, path=path)
        index.register_tokenizer("english", analyzer)
        writer = index.writer(heap_size=1_000_000_000, num_threads=1)
        for text in corpus:
            writer.add_document(tantivy.Document(text=text))
        writer.commit()
        made[:] = [index, writer]

    def load():
        index = tantivy.Index.open(path)
        index.register_tokenizer("english", analyzer)
        index.reload()
        made[:] = [index, index.searcher()]

    def search(count=False):
        index, searcher = made
        return [searcher.search(index.parse_query(text, ["text"]), 10, count=count) for text in words]

    # Signs that its query language would read are taken out before the clock runs.
    words = [f'"{text}"' for text in phrases] if phrases else [re.sub(r"[^\w\s]", " ", text) for text in words]
    if not corpus:
        emit_first(emit, load, search, len(words))
        return None
    if phrases:
        build()
    else:
        emit("index", len(corpus), timed(build, 2 if len(corpus) < 500_000 else 1))
    made[1].wait_merging_threads()
    load()
    emit("phrases" if phrases else "search all", len(words), timed(search, SEARCHES))
    if phrases:
        emit.note("phrase hits", sum(result.count for result in search(count=True)))
        return None
    return [[address.doc for _, address in result.hits] for result in search()] if made[1].num_segments == 1 else None


def run_strata(test, **environment):
    result = subprocess.run(
        ["swift", "test", "-c", "release", "--skip-build", "--disable-testable-imports", "--filter",
         f"LexicalSpeedTests/{test}"],
        cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "STRATA_DATA": data, **{"STRATA_BENCH_" + k.upper(): v for k, v in environment.items()}})
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("strata ")]
    return lines or sys.exit(result.stdout)


def lines_of(path):
    with open(path, encoding="utf-8") as lines:
        return lines.read().splitlines()


class Emit:
    """Prints a side's figures for the process that compares."""

    def __init__(self, side, name):
        self.side, self.name = side, name

    def __call__(self, what, count, seconds):
        print(self.side, self.name, what, count / seconds[0], count / seconds[1], flush=True)

    def note(self, what, value):
        print(self.side, self.name, what, value, flush=True)


def rival(side, name, temporary, task):
    """In a process of its own, so that its processor time is its own."""
    base = os.path.join(temporary, name)
    target = f"{base}.{side}"
    os.makedirs(target, exist_ok=True)
    emit = Emit(side, name)
    words = lines_of(base + ".queries")
    corpus = [] if task == "first" else lines_of(base + ".txt")
    if task == "phrases":
        run_tantivy(target, corpus, words, emit, phrases=lines_of(base + ".phrases"))
        return
    found = (run_bm25s if side == "bm25s" else run_tantivy)(target, corpus, words, emit)
    if found and name == "scifact":
        judgements, queries = judged()
        ids = [json.loads(line)["_id"] for line in open(os.path.join(folder, "corpus.jsonl"), encoding="utf-8")]
        emit.note("ndcg10", ndcg(found, queries, judgements, ids))


def judged():
    judgements = {}
    for line in list(open(os.path.join(folder, "qrels_test.tsv")))[1:]:
        query, document, grade = line.split()
        judgements.setdefault(query, {})[document] = int(grade)
    records = map(json.loads, open(os.path.join(folder, "queries.jsonl"), encoding="utf-8"))
    return judgements, [(r["_id"], r["text"]) for r in records if r["_id"] in judgements]


def phrases_of(chunks, generator):
    """Runs of two or three words of the text without a stop word among them."""
    common = set("and are but for into not such that the their then there these they this was will with".split())
    found = []
    while len(found) < 300:
        words = generator.choice(chunks).split()
        start = generator.randrange(max(1, len(words) - 3))
        run = words[start:start + 2 + len(found) % 2]
        if len(run) > 1 and all(re.fullmatch(r"[a-z0-9]{3,}", word) and word not in common for word in run):
            found.append(" ".join(run))
    return found


def random_chunks(count):
    """Words by Zipf's law as Mandelbrot changed it: the commonest is in a third of the chunks, as when stop words are out."""
    import numpy

    generator = numpy.random.default_rng(7)
    size = 300_000
    weights = numpy.cumsum(1 / (numpy.arange(size) + 20.0))
    words = numpy.array([f"{'bdfgkmprtz'[i % 10]}{'aou'[i // 10 % 3]}{i // 30}x" for i in range(size)], dtype=object)
    for start in range(0, count, 50_000):
        lengths = numpy.clip(generator.lognormal(4.2, 0.4, min(50_000, count - start)), 8, 400).astype(int)
        drawn = words[numpy.searchsorted(weights / weights[-1], generator.random(lengths.sum()))]
        for end, length in zip(numpy.cumsum(lengths), lengths):
            yield " ".join(drawn[end - length:end])


def write(temporary, name, chunks, queries=None):
    generator = random.Random(2)
    if not queries:
        queries = []
        for chunk in generator.sample(chunks, 300):
            words = chunk.split()
            queries.append(" ".join(generator.sample(words, min(len(words), generator.randint(3, 9)))))
    for kind, lines in (("txt", chunks), ("queries", queries), ("phrases", phrases_of(chunks, generator))):
        with open(os.path.join(temporary, f"{name}.{kind}"), "w", encoding="utf-8") as out:
            out.write("\n".join(" ".join(line.split()) for line in lines) + "\n")
    with open(os.path.join(temporary, f"{name}.quoted"), "w", encoding="utf-8") as out:
        out.writelines(f'"{line}"\n' for line in lines_of(os.path.join(temporary, f"{name}.phrases")))


def main():
    counts = [int(value) for value in sys.argv[1:3]] + [100_000, 0][len(sys.argv[1:3]):]
    subprocess.run(
        ["swift", "build", "-c", "release", "--build-tests"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    rates = collections.defaultdict(lambda: [0.0, 0.0])
    notes = {}
    queries = [text for _, text in judged()[1]]
    names = [name for name, count in (("scifact", 1), ("mixed", counts[0]), ("random", counts[1])) if count]
    with tempfile.TemporaryDirectory(dir=os.environ.get("STRATA_BENCH_TMP")) as temporary:
        corpus = texts(os.path.join(folder, "corpus.jsonl"))
        write(temporary, "scifact", corpus, queries)
        if counts[0]:
            sentences = [s for text in corpus for s in re.split(r"(?<=[.?!]) ", text) if s]
            generator = random.Random(1)
            write(temporary, "mixed", [" ".join(generator.choices(sentences, k=3)) for _ in range(counts[0])], queries)
        if counts[1]:
            write(temporary, "random", list(random_chunks(counts[1])))
        lines = run_strata("speed", corpus=os.path.join(temporary, "mixed.txt") if counts[0] else os.devnull)
        for number in range(ROUNDS):
            for name in names:
                base = os.path.join(temporary, name)
                where = dict(index=base + ".strata")
                if number == 0:
                    lines += labelled(name, run_strata("build", text=base + ".txt", **where), {"index": "index to folder"})
                lines += labelled(
                    name, run_strata("open", queries=base + ".queries", **where),
                    {"open": "open", "cold": "first", "warm": "search folder"})
                lines += labelled(
                    name, run_strata("open", queries=base + ".quoted", **where), {"warm": "phrases", "hits": "phrase hits"})
                for side in ("bm25s", "tantivy"):
                    tasks = ["search", "first"] + (["phrases"] if side == "tantivy" else [])
                    for task in tasks if number < 1 or name != "random" else tasks[1:2]:
                        output = subprocess.run(
                            [sys.executable, __file__, "--rival", side, name, temporary, task], text=True,
                            stdout=subprocess.PIPE, check=True)
                        lines += [line.split() for line in output.stdout.splitlines()]
            if number + 1 < ROUNDS:
                lines += run_strata("speed", corpus=os.path.join(temporary, "mixed.txt") if counts[0] else os.devnull)
    for line in lines:
        if line[-2] in ("ndcg10", "hits"):
            notes[line[0], " ".join(line[1:-1])] = line[-1]
            continue
        best = rates[line[0], " ".join(line[1:-2])]
        best[:] = [max(best[0], float(line[-2])), max(best[1], float(line[-1]))]
    for name in names:
        count = len(queries) if name != "random" else 300
        opened, first = rates["strata", f"{name} open"], rates["strata", f"{name} first"]
        rates["strata", f"{name} first and open"][:] = [count / (1 / o + count / f) for o, f in zip(opened, first)]
    report(names, counts, rates, notes)


def labelled(name, lines, labels):
    return [[line[0], *name.split(), *labels[line[1]].split(), *line[2:]] for line in lines if line[1] in labels]


def report(names, counts, rates, notes):
    print(f"{'':32}{'wall clock':>12}{'processor':>12}   per second; mixed: {counts[0]} chunks, random: {counts[1]}")
    for (side, what), (wall, cpu) in sorted(rates.items(), key=lambda item: (item[0][1], item[0][0])):
        print(f"{what:24}{side:8}{wall:12.0f}{cpu:12.0f}")
    for (side, what), value in sorted(notes.items(), key=lambda item: (item[0][1], item[0][0])):
        print(f"{what:24}{side:8} {value}")
    for name in names:
        for what, kinds in (
            ("index", ["index"]), ("search", ["search all"]), ("search, bm25s in one batch", ["search all", "search batch"]),
            ("first", ["first"]), ("first and open", ["first and open"]), ("phrases", ["phrases"])
        ):
            rivals = [max(rates[s, f"{name} {kind}"]) for s in ("bm25s", "tantivy") for kind in kinds]
            kind = kinds[0]
            if name == "random":
                kind = {"index": "index to folder", "search all": "search folder"}.get(kind, kind)
            own = rates["strata", f"{name} {kind}"]
            if max(rivals) > 0:
                print(f"{name} {what}: {own[1] / max(rivals):.2f} times the best rival")


if len(sys.argv) > 1 and sys.argv[1] == "--rival":
    rival(*sys.argv[2:])
else:
    main()
