#!/usr/bin/env bash
# Follow-up questions alone, with all turns and rewritten; multi-hop by decomposition; reranking by the model. Some minutes.
# Needs an ingested handbook (made here when the collection `conversations` is missing) and the public data.
set -euo pipefail
STRATA="${STRATA:-.build/release/strata}"
DATA="${STRATA_DATA:-../shared/data}/retrieval"
MODEL="${MODEL:-qwen2.5-coder-0.5b-instruct}"
SMALL="${SMALL:-smollm2-135m-instruct}"
"$STRATA" ingest Examples/handbook --collection conversations >/dev/null
"$STRATA" eval conversations Examples/handbook-conversations.yaml --collection conversations --model "$MODEL"
"$STRATA" eval conversations Examples/handbook-conversations.yaml --collection conversations --split held
"$STRATA" eval retrieval "$DATA/hotpotqa-100" --model "$MODEL" --queries "${QUERIES:-100}" \
  --method fused --method multi-hop --method decomposition
for model in "$SMALL" "$MODEL"; do
  "$STRATA" eval retrieval "$DATA/scifact" --model "$model" --queries "${SCIFACT:-40}" \
    --method fused --method likelihood --method "yes or no"
done
