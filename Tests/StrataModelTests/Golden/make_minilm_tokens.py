#!/usr/bin/env python3
"""Writes minilm-tokens.json: what transformers gives for each token of a few texts (first 16 components of each state
of length 1, and its length). Usage: make_minilm_tokens.py FOLDER_OF_ALL-MINILM-L6-V2 (transformers 5.23, torch 2.13)."""
import json, os, sys
import torch
from transformers import AutoModel, AutoTokenizer

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder).eval()
entries = []
for text in ["Zaroxolyn lowers blood pressure.", "Grüße an die Wellenkanäle, 42 mm!", "a"]:
    inputs = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state[0, 1:-1]
    lengths = states.norm(dim=1)
    entries.append({
        "text": text, "tokens": inputs["input_ids"][0, 1:-1].tolist(),
        "lengths": [round(float(v), 5) for v in lengths],
        "values": [[round(float(v), 6) for v in row[:16]] for row in states / lengths[:, None]]})
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "minilm-tokens.json")
with open(path, "w") as file:
    json.dump(entries, file, ensure_ascii=False)
    file.write("\n")
