#!/usr/bin/env python3
"""Proves that deleting is the exact inverse of inserting, with the process killed in between.

  python3 Benchmarks/scripts/index_cycles.py [--chunks 100000] [--kills 6] [--cycles 20] [--cycle-chunks 20000]

Loads a base collection, then inserts `chunks` documents and deletes them all, both in random order and with kill -9 at
random moments. After each kill, `strata index verify` has to be clean; at the end the logical state has to equal the
one before and the disk has to be back. Then one process loads and removes `cycle-chunks` documents `cycles` times and
tells its memory. Needs numpy, a built .build/release/strata, and no model.
"""
import argparse, base64, hashlib, json, os, random, shutil, signal, sqlite3, subprocess, tempfile, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--binary", default=".build/release/strata")
parser.add_argument("--chunks", type=int, default=100_000)
parser.add_argument("--base", type=int, default=5_000)
parser.add_argument("--kills", type=int, default=6)
parser.add_argument("--cycles", type=int, default=20)
parser.add_argument("--cycle-chunks", type=int, default=20_000)
parser.add_argument("--dimension", type=int, default=64)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()

folder = tempfile.mkdtemp(prefix="strata-cycles-")
home = os.path.join(folder, "home")
environment = dict(os.environ, STRATA_HOME=home)
rng, order = np.random.default_rng(args.seed), random.Random(args.seed)
words = [f"word{i}" for i in range(20_000)]


def lines(prefix, count):
    """Documents of 40 words, common ones more often, with vectors of length 1."""
    vectors = rng.standard_normal((count, args.dimension)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    picks = (rng.random((count, 40)) ** 3 * len(words)).astype(int)
    return [
        json.dumps({
            "path": f"{prefix}/{i}.txt", "text": f"{prefix} {i} " + " ".join(words[p] for p in picks[i]),
            "readers": ["everyone"] if i % 3 else [f"user:u{i % 50}"], "metadata": {"number": i},
            "vector": base64.b64encode(vectors[i].tobytes()).decode()})
        for i in range(count)
    ]


def write(name, content):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write("\n".join(content) + "\n")
    return path


def strata(*arguments, **options):
    return subprocess.run([args.binary, "index", *arguments, "--json"], env=environment, capture_output=True, text=True,
                          **options)


def must(*arguments):
    result = strata(*arguments)
    assert result.returncode == 0, (arguments, result.returncode, result.stdout[-2000:], result.stderr[-2000:])
    return json.loads(result.stdout)


def verify():
    verification = must("verify")
    assert verification["sound"], verification
    return verification["chunks"]


def state():
    """What the store says, without the ids that no two histories share."""
    db = sqlite3.connect(os.path.join(home, "strata.sqlite"))
    rows = db.execute("""
        SELECT documents.path, versions.number, versions.content_hash, versions.metadata, chunks.ordinal, chunks.text,
          (SELECT group_concat(reader) FROM readers WHERE document = documents.id),
          (SELECT vector FROM embeddings WHERE text_hash = chunks.input_hash)
        FROM chunks JOIN versions ON versions.id = chunks.version JOIN documents ON documents.id = versions.document
        ORDER BY documents.path, chunks.ordinal""").fetchall()
    db.close()
    return hashlib.sha256(repr(rows).encode()).hexdigest(), len(rows)


def disk():
    total = 0
    for root, _, names in os.walk(home):
        total += sum(os.lstat(os.path.join(root, name)).st_size for name in names)
    return total


def killed(*arguments):
    """Runs a command again and again, killing it at random moments, until it gets through."""
    kills, start = 0, time.monotonic()
    while True:
        process = subprocess.Popen([args.binary, "index", *arguments, "--json"], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            if kills < args.kills:
                process.wait(timeout=order.uniform(0.2, 4))
            _, error = process.communicate()
            assert process.returncode == 0, error
            return kills, time.monotonic() - start
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            kills += 1
            print(f"  killed after {time.monotonic() - start:5.1f} s: {verify():7d} chunks, verify clean", flush=True)


try:
    base, many = lines("base", args.base), lines("many", args.chunks)
    order.shuffle(many)
    insert = write("insert.jsonl", many)
    delete = [json.dumps({"path": json.loads(line)["path"]}) for line in many]
    order.shuffle(delete)
    remove = write("remove.jsonl", delete)
    must("load", write("base.jsonl", base))
    must("compact")
    verify()
    (before, rows), bytes_before = state(), disk()
    print(f"before: {rows} chunks, {bytes_before / 1e6:.1f} MB", flush=True)

    kills, seconds = killed("load", insert)
    assert verify() == args.base + args.chunks
    print(f"inserted {args.chunks}: {kills} kills, {seconds:.1f} s, {disk() / 1e6:.1f} MB, verify clean", flush=True)
    more_kills, seconds = killed("load", remove, "--remove")
    assert verify() == args.base
    (after, _), bytes_raw = state(), disk()
    print(f"deleted {args.chunks}: {more_kills} kills, {seconds:.1f} s, {bytes_raw / 1e6:.1f} MB, verify clean", flush=True)
    must("compact")
    verify()
    bytes_after = disk()
    assert after == before, "the logical state differs"
    print(f"after: logical state equal, {bytes_after / 1e6:.1f} MB ({bytes_after / bytes_before - 1:+.1%} of before; "
          f"{bytes_raw / bytes_before - 1:+.1%} without compacting)", flush=True)

    cycle = write("cycle.jsonl", lines("cycle", args.cycle_chunks))
    result = must("load", cycle, "--cycles", str(args.cycles))
    memory = [size / 1e6 for size in result["resident_bytes"]]
    verify()
    assert state()[0] == before
    print(f"memory over {args.cycles} cycles of {args.cycle_chunks}: " + " ".join(f"{size:.0f}" for size in memory) + " MB")
    half = memory[len(memory) // 2:]
    print(f"  first half at most {max(memory[:len(memory) // 2]):.0f} MB, second half at most {max(half):.0f} MB; "
          f"{result['seconds']:.0f} s; disk {disk() / bytes_before - 1:+.1%}")
finally:
    shutil.rmtree(folder, ignore_errors=True)
