"""MiniLM vectors of Strata beside sentence-transformers (fp32, two threads) on 200 SciFact documents.

Usage: python embeddings.py [folder of the model]
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import torch
from sentence_transformers import SentenceTransformer

torch.set_num_threads(2)
data = pathlib.Path(os.environ.get("STRATA_DATA", "../shared/data")) / "retrieval/scifact/corpus.jsonl"
home = pathlib.Path(os.environ.get("STRATA_HOME", pathlib.Path.home() / ".local/share/strata"))
folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MINILM", str(home / "models/all-minilm-l6-v2"))
texts = []
for line in data.open():
    row = json.loads(line)
    texts.append((row.get("title", "") + ". " + row["text"]).replace("\n", " "))
    if len(texts) == 200:
        break
start = time.time()
out = subprocess.run(
    [os.environ.get("STRATA", ".build/release/strata"), "embed", "--json"], input="\n".join(texts), text=True,
    capture_output=True, check=True).stdout
ours_seconds = time.time() - start
ours = torch.tensor([e["embedding"] for e in json.loads(out)["data"]])
reference = SentenceTransformer(folder, device="cpu")
reference.max_seq_length = 256
reference.encode(texts[:8])
start = time.time()
theirs = torch.tensor(reference.encode(texts, normalize_embeddings=True, batch_size=32))
theirs_seconds = time.time() - start
cosine = (ours * theirs).sum(1)
print(f"minimum cosine {cosine.min():.6f}, mean {cosine.mean():.6f} over {len(texts)} documents")
print(f"documents/s: strata {len(texts) / ours_seconds:.1f} (with loading the model), "
      f"sentence-transformers fp32 {len(texts) / theirs_seconds:.1f}")
sys.exit(cosine.min() < 0.9995)
