#!/usr/bin/env bash
# Strata and llama.cpp on the same GGUF, alternating, two threads: prefill 512, decode 64, perplexity of 8,192 tokens.
set -euo pipefail
: "${LLAMA_BIN:?folder with llama-bench}" "${STRATA:=.build/release/strata}" "${STRATA_DATA:=../shared/data}"
home="${STRATA_HOME:-$HOME/.local/share/strata}"
for name in ${MODELS:-smollm2-135m-instruct qwen2.5-coder-0.5b-instruct}; do
  file="$home/models/$name/model.gguf"
  for round in 1 2 3; do
    printf '%s round %s strata    ' "$name" "$round"
    "$STRATA" model bench "file:$file" --threads 2 --prompt 512 --generate 64 --repeat 5 --json |
      python3 -c 'import json,sys; r=json.load(sys.stdin); print("pp512 %.1f tg64 %.1f" % (r["prefill_tokens_per_second"], r["decode_tokens_per_second"]))'
    printf '%s round %s llama.cpp ' "$name" "$round"
    "$LLAMA_BIN/llama-bench" -m "$file" -t 2 -p 512 -n 64 -r 5 -o json 2>/dev/null |
      python3 -c 'import json,sys,statistics as s; r=json.load(sys.stdin); print("pp512 %.1f tg64 %.1f" % tuple(s.median(x["samples_ts"]) for x in r))'
  done
  if [ -z "${SKIP_PERPLEXITY:-}" ]; then
    "$STRATA" model perplexity "file:$file" "$STRATA_DATA/models/wikitext-2/valid.txt" --tokens 8192 --json
    "$LLAMA_BIN/llama-perplexity" -m "$file" -f "$STRATA_DATA/models/wikitext-2/valid.txt" -c 512 --chunks 16 -t 2 2>&1 |
      grep 'Final estimate'
  fi
done
