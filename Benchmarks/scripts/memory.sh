#!/usr/bin/env bash
# Recall over what is remembered: how often the fact that answers comes first or among five (60 questions, MiniLM),
# what a recall costs among 100,000 facts of 1,000 users, and random worlds against an oracle (leaks, missing, not full
# must be 0). Needs a release build of strata and of the tests, and the encoder (strata model pull all-minilm-l6-v2).
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$work" <<'PYTHON'
import json, subprocess, sys
set = json.load(open("Tests/StrataRetrievalTests/Golden/memory-questions.json"))
texts = [fact["text"] for fact in set["facts"]] + [question["text"] for question in set["questions"]] + set["unrelated"]
out = subprocess.run([".build/release/strata", "embed", "--json"], input="\n".join(texts) + "\n", text=True,
                     stdout=subprocess.PIPE, check=True).stdout
vectors = {texts[row["index"]]: row["embedding"] for row in json.loads(out)["data"]}
json.dump(vectors, open(sys.argv[1] + "/vectors.json", "w"))
PYTHON
export STRATA_MEMORY_VECTORS="$work/vectors.json" STRATA_MEMORY_FACTS="${1:-100000}" STRATA_MEMORY_WORLDS="${2:-20}"
swift test -c release --skip-build --disable-testable-imports --filter 'MemoryMeasurements|MemoryIndexTests' 2>&1 |
  grep -E '^memory|✔ Suite|✘'
