#!/bin/bash
# Builds check.c with the kernels and runs it: check.sh [native|aarch64|asan]. aarch64 needs gcc-aarch64-linux-gnu,
# libc6-dev-arm64-cross and qemu-user; under qemu it also checks that NEON sources keep compiling and stay right.
set -e
cd "$(dirname "$0")"
kind=${1:-native}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=gnu11 -O2 -Wall -Wextra -I ../../Sources/Model/CStrataKernels/include"
files="check.c ../../Sources/Model/CStrataKernels/*.c"
case $kind in
  native) ${CC:-clang} $flags -Wno-nullability-completeness $files -lm -lpthread -o "$out/check" && "$out/check" ;;
  asan)
    ${CC:-clang} $flags -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-nullability-completeness \
      $files -lm -lpthread -o "$out/check" 2>/dev/null && "$out/check" ;;
  aarch64)
    aarch64-linux-gnu-gcc $flags -Wno-psabi -ffp-contract=off $files -lm -lpthread -static -o "$out/check"
    for cpu in cortex-a53 neoverse-n1; do echo "$cpu" && qemu-aarch64 -cpu "$cpu" "$out/check"; done ;;
  *) echo "unknown: $kind" >&2 && exit 2 ;;
esac
