#!/usr/bin/env bash
# The 25 handbook questions per model: answered, cited, refused correctly; restricted words that leaked (must be 0).
set -uo pipefail
STRATA="${STRATA:-.build/release/strata}"
for model in ${MODELS:-smollm2-135m-instruct qwen2.5-coder-0.5b-instruct}; do
  "$STRATA" eval questions Examples/handbook/questions.yaml --model "$model"
done
