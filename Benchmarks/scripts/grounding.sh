#!/bin/sh
# Chunking and faithfulness on the public data: recall, precision and IoU of marked answers by chunker, with vectors alone and with BM25;
# accuracy of the faithfulness score beside its baselines. A few minutes the first time, less when vectors are cached.
# Usage: Benchmarks/scripts/grounding.sh [DATA], after `swift build -c release --product strata`.
set -e
data=${1:-${STRATA_DATA:-../shared/data}}
strata=.build/release/strata
for legs in dense hybrid; do
  echo "legs: $legs"
  $strata eval chunking "$data/retrieval/chunking" --legs $legs \
    --chunker structural:230 --chunker fixed:164 --chunker structural:200 --chunker fixed:144 \
    --chunker structural:160 --chunker fixed:116 --chunker structural:120 --chunker fixed:87 \
    --chunker cluster:200 --chunker cluster:160 \
    --chunker semantic:200 --chunker late:200 --chunker sentence-window:200/1 --chunker fixed:200 --chunker fixed:200/100
done
# The language model's odds of yes beside it: some four minutes for the larger one on two idle processors.
for model in ${MODELS-smollm2-135m-instruct qwen2.5-coder-0.5b-instruct}; do
  echo "judge: $model"
  $strata eval faithfulness "$data/retrieval/wice-dev" --model "$model"
done
