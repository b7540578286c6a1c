#!/bin/bash
# Builds the kernels with the flags that SwiftPM uses for release and runs a benchmark: run.sh [products] [threads].
set -e
cd "$(dirname "$0")"
name=${1:-products}
${CC:-clang} -std=gnu11 -O2 -I ../../Sources/Model/CStrataKernels/include -Wno-nullability-completeness \
  "$name.c" ../../Sources/Model/CStrataKernels/*.c -lm -lpthread -o "/tmp/strata-bench-$name"
"/tmp/strata-bench-$name" "${2:-2}"
