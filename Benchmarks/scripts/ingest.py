"""Ingest of SciFact and of Markdown files: documents/s by stage, a second run, kill -9 in between, and a rival.

Usage: ingest.py [--scifact N] [--markdown N] [--kills N] [--rival PYTHON] [--rival-documents N]
STRATA is the binary, STRATA_HOME holds the models, STRATA_DATA the public data. Works in folders of its own.
The rival is LlamaIndex's IngestionPipeline (document store and cache on disk, MiniLM through sentence-transformers),
which also skips unchanged documents; it is measured on fewer documents where --rival-documents says so.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("--scifact", type=int, default=5183)
parser.add_argument("--markdown", type=int, default=10000)
parser.add_argument("--kills", type=int, default=10)
parser.add_argument("--rival", default=os.environ.get("RIVALS_PYTHON", ""))
parser.add_argument("--rival-documents", type=int, default=1000)
options = parser.parse_args()
strata = os.path.abspath(os.environ.get("STRATA", ".build/release/strata"))
models = pathlib.Path(os.environ.get("STRATA_HOME", pathlib.Path.home() / ".local/share/strata")) / "models"
data = pathlib.Path(os.environ.get("STRATA_DATA", "../shared/data"))
root = pathlib.Path(tempfile.mkdtemp(prefix="strata-ingest-"))
words = (
    "system record policy budget review meeting customer archive network cluster schedule training laboratory sample "
    "estimate contract delivery measure quality transport energy surface pressure module interface protocol storage "
    "session account library document version chapter summary appendix request answer device signal channel filter"
).split()


def scifact(folder, count):
    folder.mkdir()
    with open(data / "retrieval/scifact/corpus.jsonl") as lines:
        for _, line in zip(range(count), lines):
            item = json.loads(line)
            (folder / f"{item['_id']}.md").write_text(f"# {item['title']}\n\n{item['text']}\n")


def markdown(folder, count):
    """Notes with front matter, three sections and a list, about 900 bytes each, always the same."""
    rng = random.Random(11)
    for index in range(count):
        path = folder / f"{index % 100:02}" / f"note-{index:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"---\nnumber: {index}\nteam: {rng.choice(words)}\n---\n# Note {index}: {' '.join(rng.sample(words, 3))}\n"
        for section in range(3):
            text += f"\n## {' '.join(rng.sample(words, 2)).title()}\n\n"
            text += " ".join(
                f"The {rng.choice(words)} {rng.choice(words)} has {rng.randrange(10**4)} {rng.choice(words)} items."
                for _ in range(4)) + "\n"
        path.write_text(text)


def home(name):
    folder = root / name
    folder.mkdir()
    (folder / "models").symlink_to(models)
    return dict(os.environ, STRATA_HOME=str(folder))


def ingest(env, folder):
    start = time.time()
    done = subprocess.run([strata, "ingest", str(folder), "--json"], capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads(done.stdout), time.time() - start


def database(env):
    return sqlite3.connect(f"file:{env['STRATA_HOME']}/strata.sqlite?mode=ro", uri=True)


def measure(name, make, count):
    folder = root / f"{name}-docs"
    make(folder, count)
    env = home(name)
    report, wall = ingest(env, folder)
    assert report["counts"]["added"] == count and not report["failed"], report["failed"][:3]
    print(f"\n{name}: {count} documents, {report['chunks']} chunks, {report['bytes'] / 1e6:.1f} MB")
    print(f"  {'stage':<8} {'seconds':>8} {'documents/s':>12}")
    for stage, seconds in report["stages"].items():
        print(f"  {stage:<8} {seconds:8.2f} {count / max(seconds, 1e-9):12,.0f}")
    print(f"  {'all':<8} {wall:8.2f} {count / wall:12,.1f}   ({report['embedded'] / wall:,.1f} vectors/s)")
    runs = [ingest(env, folder) for _ in range(3)]
    again, wall = min(runs, key=lambda run: run[1])
    assert again["counts"]["unchanged"] == count and again["embedded"] == 0, again["counts"]
    print(f"  second run: {again['seconds'] * 1e4 / count * 1000:.0f} ms per 10,000 documents ({wall * 1000:.0f} ms with start)")
    return folder


def crash(folder, kills):
    """Kills the ingest at random moments; the state at the end is that of an ingest that nobody killed."""
    documents = root / "crash-docs"
    documents.mkdir()
    for path in sorted(folder.rglob("*.md"))[:600]:
        shutil.copy(path, documents / path.name)
    whole = home("whole")
    _, seconds = ingest(whole, documents)
    env = home("crash")
    rng = random.Random(3)
    hits, saved = 0, []
    for _ in range(kills):
        process = subprocess.Popen(
            [strata, "ingest", str(documents), "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        time.sleep(rng.uniform(0.1, max(0.4, seconds * 0.7)))
        hits += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        saved.append(database(env).execute("SELECT count(*) FROM embeddings").fetchone()[0] if os.path.exists(
            env["STRATA_HOME"] + "/strata.sqlite") and database(env).execute(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'embeddings'").fetchone()[0] else 0)
    report, _ = ingest(env, documents)
    query = ("SELECT path, content_hash, start_byte, end_byte, input_hash, hex(vector) FROM chunks "
             "JOIN versions ON versions.id = chunks.version JOIN documents ON documents.id = versions.document "
             "LEFT JOIN embeddings ON text_hash = input_hash ORDER BY path, start_byte")
    expected, found = (database(e).execute(query).fetchall() for e in (whole, env))
    assert [row[:5] for row in expected] == [row[:5] for row in found], "documents or chunks differ"
    assert all(row[5] for row in found), "chunks without a vector"
    versions = database(env).execute("SELECT max(number) FROM versions").fetchone()[0]
    total = database(env).execute("SELECT count(*) FROM embeddings").fetchone()[0]
    assert versions == 1 and saved == sorted(saved) and total == saved[-1] + report["embedded"], (versions, saved, total)
    switching(env, kills, rng, seconds)
    print(f"\nkill -9: {hits} of {kills} hit a running ingest; vectors on disk after each: {saved}; the last run made "
          f"{report['embedded']} of {total}; documents, chunks and vectors are those of a run that nobody killed")


def switching(env, kills, rng, seconds):
    """The same while another embedder (the same weights under another name) takes over."""
    model = "file:" + str((models / "all-minilm-l6-v2").resolve())
    query = "SELECT count(DISTINCT text_hash) FROM embeddings WHERE embedder LIKE 'file:%'"
    command = [strata, "collection", "embedder", "default", "--model", model, "--json"]
    saved = []
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        time.sleep(rng.uniform(0.3, max(0.6, seconds * 0.7)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        saved.append(database(env).execute(query).fetchone()[0])
        found = subprocess.run(
            [strata, "search", "network policy", "--legs", "dense", "--json"], capture_output=True, text=True, env=env)
        assert json.loads(found.stdout)["hits"], found
    done = json.loads(subprocess.run(command, capture_output=True, text=True, env=env).stdout)
    shown = json.loads(subprocess.run([strata, "collection", "show", "--json"], capture_output=True, text=True, env=env).stdout)
    assert shown["embedder"].startswith("file:") and shown["next_embedder"] is None and not any(shown["waiting"].values())
    assert saved == sorted(saved) and database(env).execute(query).fetchone()[0] == saved[-1] + done["embedded"]
    assert database(env).execute("SELECT count(*) FROM embeddings WHERE embedder NOT LIKE 'file:%'").fetchone()[0] == 0
    print(f"\nkill -9 while the embedder changes: vectors on disk after each: {saved}; the last run made {done['embedded']}; "
          "every search in between found something")


RIVAL = r'''
import pathlib, sys, time
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline, DocstoreStrategy
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.core.vector_stores import SimpleVectorStore
folder, store, model = sys.argv[1:4]
start = time.time()
embed = HuggingFaceEmbedding(model_name=model, embed_batch_size=64)
loaded = time.time()
kept = pathlib.Path(store)
docstore = SimpleDocumentStore.from_persist_path(store + "/docstore.json") if kept.exists() else SimpleDocumentStore()
pipeline = IngestionPipeline(
    transformations=[SentenceSplitter(chunk_size=256, chunk_overlap=0), embed], docstore=docstore,
    vector_store=SimpleVectorStore(), docstore_strategy=DocstoreStrategy.UPSERTS)
if kept.exists():
    pipeline.load(store)
documents = [Document(text=path.read_text(), doc_id=str(path)) for path in sorted(pathlib.Path(folder).rglob("*.md"))]
read = time.time()
nodes = pipeline.run(documents=documents)
pipeline.persist(store)
print(len(documents), len(nodes), time.time() - start, loaded - start, read - loaded)
'''


def rival(name, folder, count):
    documents = root / f"rival-{name}"
    documents.mkdir()
    for path in sorted(folder.rglob("*.md"))[:count]:
        shutil.copy(path, documents / path.name)
    count = len(list(documents.iterdir()))
    env = home(f"beside-{name}")
    report, own = ingest(env, documents)
    _, own_again = ingest(env, documents)
    lines = []
    for _ in range(2):
        done = subprocess.run(
            [options.rival, "-c", RIVAL, str(documents), str(root / f"store-{name}"), os.environ.get(
                "RIVAL_MODEL", str(models / "all-minilm-l6-v2"))], capture_output=True, text=True)
        if done.returncode != 0:
            print("rival failed:", done.stderr[-600:])
            return
        lines.append([float(word) for word in done.stdout.split()])
    print(f"\n{name}, {count} documents:      first run                second run")
    print(f"  strata          {own:8.1f} s {count / own:8.1f} documents/s {own_again * 1000:8.0f} ms   ({report['chunks']} chunks)")
    first, second = lines[0][2], lines[1][2]
    print(f"  LlamaIndex      {first:8.1f} s {count / first:8.1f} documents/s {second * 1000:8.0f} ms   ({lines[0][1]:.0f} chunks,"
          f" of it {lines[0][3]:.1f} s loading)")


try:
    folders = {}
    if options.scifact:
        folders["scifact"] = measure("scifact", scifact, options.scifact)
    if options.markdown:
        folders["markdown"] = measure("markdown", markdown, options.markdown)
    if options.kills and folders:
        crash(list(folders.values())[-1], options.kills)
    if options.rival:
        for name, folder in folders.items():
            rival(name, folder, options.rival_documents)
finally:
    shutil.rmtree(root, ignore_errors=True)
