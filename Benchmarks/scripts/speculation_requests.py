#!/usr/bin/env python3
"""speculation_requests.py DATA quotes|prose: requests for `strata model speculation` on standard output.

quotes: 16 SciFact claims with their abstract and two others; the model is told to quote.
prose:  16 articles of WikiText-2 to continue, drawn at temperature 1 (a fixed seed each), so that nothing loops."""
import json
import random
import re
import sys

data, kind = sys.argv[1:3]
requests = []
if kind == "quotes":
    folder = f"{data}/retrieval/scifact"
    corpus = {str(d["_id"]): d for d in map(json.loads, open(f"{folder}/corpus.jsonl"))}
    claims = {str(q["_id"]): q["text"] for q in map(json.loads, open(f"{folder}/queries.jsonl"))}
    pick = random.Random(1)
    seen = set()
    for line in list(open(f"{folder}/qrels_test.tsv"))[1:]:
        claim, document = line.split()[:2]
        if claim in seen or document not in corpus or len(requests) == 16:
            continue
        seen.add(claim)
        shown = [document] + pick.sample(sorted(corpus), 2)
        pick.shuffle(shown)
        text = "".join(f"[{n + 1}] {corpus[d]['title']}\n{corpus[d]['text'][:1100]}\n\n" for n, d in enumerate(shown))
        text += f"Claim: {claims[claim]}\nQuote word for word the sentences of the passages that speak of the claim."
        messages = [{"role": "system", "content": "You quote from passages."}, {"role": "user", "content": text}]
        requests.append({"messages": messages, "max_tokens": 64, "temperature": 0})
else:
    articles = re.split(r"\n = [^=]+ = \n", open(f"{data}/models/wikitext-2/valid.txt").read())
    for seed, article in enumerate([a.strip() for a in articles if len(a) > 3000][:16]):
        requests.append(
            {"prompt": article[:700], "max_tokens": 96, "temperature": 1, "top_k": 50, "seed": seed})
json.dump(requests, sys.stdout)
