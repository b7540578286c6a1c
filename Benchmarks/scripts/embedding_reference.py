#!/usr/bin/env python3
"""Vectors of all-MiniLM-L6-v2 by sentence-transformers, to compare Strata's encoder with.

  embedding_reference.py MODEL_DIR OUT.json

Writes the golden file of the unit tests: token ids and vectors of 20 short texts. `embeddings.py` compares 200 long ones.
"""
import json
import sys

import sentence_transformers

TEXTS = [
    "hello", "The cat sat on the mat.", "A dog barks.", "What is the capital of France?", "Paris",
    "Photosynthesis turns light into sugar.", "E = mc²", "naïve café", "日本語のテキスト", "1 + 1 = 2", "?",
    "SELECT * FROM users WHERE id = 7;", "Unbelievably supercalifragilisticexpialidocious words", "UPPER lower MiXeD",
    "A sentence that is somewhat longer than the others, so that several lengths occur in one batch of texts.",
    "New York", "new york", "one two three four five six seven eight nine ten", "🙂", "The end.",
]


def main():
    folder, out_path = sys.argv[1:3]
    model = sentence_transformers.SentenceTransformer(folder, device="cpu")
    model.max_seq_length = 256
    vectors = model.encode(TEXTS, normalize_embeddings=True, batch_size=8)
    encoded = model.tokenizer(TEXTS, truncation=True, max_length=256)["input_ids"]
    cases = [
        {"text": text, "ids": ids, "vector": [round(float(value), 6) for value in vector]}
        for text, ids, vector in zip(TEXTS, encoded, vectors)]
    head = {"made_by": "Benchmarks/scripts/embedding_reference.py",
            "reference": f"sentence-transformers {sentence_transformers.__version__}"}
    body = ",\n".join("    " + json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    with open(out_path, "w") as out:
        out.write(json.dumps({**head, "cases": []}, indent=2).replace("[]", "[\n" + body + "\n  ]") + "\n")


main()
