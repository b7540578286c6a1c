"""MiniLM over SciFact: Strata beside sentence-transformers, fp32 and bf16, two threads, in turn.

Usage: python embeddings.py [--documents 1024] [--rounds 5] [--model folder]
STRATA names the binary, STRATA_HOME and STRATA_DATA where models and data are. Speeds are medians over rounds, without
loading; sentence-transformers gets the batch size that suits it best on the first 64 documents.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import torch
from sentence_transformers import SentenceTransformer

THREADS = 2
home = pathlib.Path(os.environ.get("STRATA_HOME", pathlib.Path.home() / ".local/share/strata"))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--documents", type=int, default=1024)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--model", default=os.environ.get("MINILM", str(home / "models/all-minilm-l6-v2")))
options = parser.parse_args()
torch.set_num_threads(THREADS)

data = pathlib.Path(os.environ.get("STRATA_DATA", "../shared/data")) / "retrieval/scifact/corpus.jsonl"
texts = []
for line in data.open():
    row = json.loads(line)
    texts.append((row.get("title", "") + ". " + row["text"]).replace("\n", " "))
    if len(texts) == options.documents:
        break


def strata(precision):
    command = [os.environ.get("STRATA", ".build/release/strata"), "embed", "--json", "--threads", str(THREADS),
               "--precision", precision]
    output = subprocess.run(command, input="\n".join(texts), text=True, capture_output=True, check=True).stdout
    answer = json.loads(output)
    return torch.tensor([entry["embedding"] for entry in answer["data"]]), answer["seconds"]


class Reference:
    def __init__(self, dtype):
        self.model = SentenceTransformer(options.model, device="cpu", model_kwargs={"torch_dtype": dtype})
        self.model.max_seq_length = 256
        self.batch = 8
        self.batch = min((8, 16, 32, 64), key=lambda size: min(self.run(texts[:64], size)[1] for _ in range(2)))

    def run(self, texts, batch=None):
        start = time.perf_counter()
        vectors = self.model.encode(texts, normalize_embeddings=True, batch_size=batch or self.batch)
        return torch.tensor(vectors).float(), time.perf_counter() - start


references = {"fp32": Reference(torch.float32), "bf16": Reference(torch.bfloat16)}
runs = {"strata int8": lambda: strata("int8"), "strata float32": lambda: strata("float32")}
for name, reference in references.items():
    runs[f"sentence-transformers {name}, batch {reference.batch}"] = lambda reference=reference: reference.run(texts)
seconds = {name: [] for name in runs}
vectors = {}
for _ in range(options.rounds):
    for name, run in runs.items():
        vectors[name], took = run()
        seconds[name].append(took)

exact = vectors[next(name for name in runs if " fp32" in name)]
speed = {name: len(texts) / statistics.median(times) for name, times in seconds.items()}
print(f"{len(texts)} documents, medians of {options.rounds} in turn, {THREADS} threads")
for name in runs:
    cosine = torch.nn.functional.cosine_similarity(vectors[name], exact)
    print(f"{name:38} {speed[name]:7.1f} documents/s   cosine to fp32: minimum {cosine.min():.6f} mean {cosine.mean():.6f}")
ours, fp32, bf16 = (next(speed[name] for name in runs if key in name) for key in ("strata int8", " fp32", " bf16"))
print(f"strata int8: {ours / fp32:.2f}x fp32, {ours / bf16:.2f}x bf16")
least = torch.nn.functional.cosine_similarity(vectors["strata int8"], exact).min()
sys.exit(not (least >= 0.999 and ours >= 5 * fp32 and ours >= 2 * bf16))
