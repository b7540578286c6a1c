#!/usr/bin/env bash
# Speculation off and on, in turn, medians of 5: cited answers (the handbook, SciFact quotes) and prose that repeats
# nothing. The handbook must be ingested: strata ingest Examples/handbook.
set -euo pipefail
: "${STRATA:=.build/release/strata}" "${STRATA_DATA:=../shared/data}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
here="$(dirname "$0")"
for kind in quotes prose; do
  python3 "$here/speculation_requests.py" "$STRATA_DATA" "$kind" >"$folder/$kind.json"
done
for model in ${MODELS:-smollm2-135m-instruct qwen2.5-coder-0.5b-instruct}; do
  echo "$model: the handbook's questions"
  "$STRATA" model speculation "$model" --questions Examples/handbook/questions.yaml --concurrency 1,4
  echo "$model: SciFact, quoting"
  "$STRATA" model speculation "$model" --requests "$folder/quotes.json" --concurrency 1,4
  echo "$model: WikiText-2, continued"
  "$STRATA" model speculation "$model" --requests "$folder/prose.json" --concurrency 1,4,8,16
done
