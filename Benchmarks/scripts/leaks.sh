#!/usr/bin/env bash
# One million random searches over all legs against a brute-force oracle: leaks, missing and misplaced hits (all must be
# 0). Needs built tests: swift build -c release --build-tests. STRATA_LEAK_SEED=N makes other worlds.
set -euo pipefail
cd "$(dirname "$0")/../.."
export STRATA_LEAK_QUERIES="${1:-1000000}"
swift test -c release --skip-build --disable-testable-imports --filter LeakTests 2>&1 | grep -E '^leaks:|world|✔ Suite|✘'
