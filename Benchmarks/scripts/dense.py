#!/usr/bin/env python3
"""Exact vector search beside numpy (float32, one thread) in one run: 10 best of 50,000 vectors of 384 components.

  RIVALS_PYTHON Benchmarks/scripts/dense.py        needs numpy
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
import subprocess
import time

import numpy

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
generator = numpy.random.default_rng(1)
rows = generator.standard_normal((50_000, 384), dtype=numpy.float32)
queries = generator.standard_normal((200, 384), dtype=numpy.float32)
start = time.perf_counter()
for query in queries:
    scores = rows @ query
    best = numpy.argpartition(scores, -10)[-10:]
    best = best[numpy.argsort(-scores[best])]
print(f"numpy   50000 x 384: {len(queries) / (time.perf_counter() - start):7.0f} queries/s", flush=True)
result = subprocess.run(
    ["swift", "test", "-c", "release", "--filter", "DenseSpeedTests"], cwd=root, text=True, stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT, env={**os.environ, "STRATA_BENCH_VECTORS": "50000"})
lines = [line for line in result.stdout.splitlines() if line.startswith("strata  ")]
print("\n".join(lines) if lines else result.stdout)
