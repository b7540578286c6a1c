#!/usr/bin/env python3
"""Writes the golden file of greedy continuations: what llama.cpp's llama-server generates at temperature 0.

  greedy_reference.py LLAMA_SERVER MODEL.gguf OUT.json

For each of 20 prompts: the prompt's token ids, the 32 ids that follow, and the log-probabilities of the five most
likely first tokens. Needs nothing but the standard library.
"""
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    ",
    "Water boils at a temperature of",
    "The three laws of motion were formulated by",
    "To make a good cup of tea, first",
    "import numpy as np\n\ndef softmax(x):\n",
    "In 1969, the first humans",
    "Q: What is 12 times 12?\nA:",
    "The difference between a list and a tuple in Python is",
    "Dear Sir or Madam,\n\nI am writing to",
    "Photosynthesis is the process by which",
    "SELECT name, COUNT(*) FROM users",
    "Das Wetter ist heute",
    "The quick brown fox",
    "A binary search tree is a data structure",
    "Shakespeare wrote many plays, including",
    "#include <stdio.h>\n\nint main(",
    "The largest planet in the solar system is",
    "To be healthy, one should",
]
PORT = 18737


def call(path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=300))


def main():
    server, model, out = sys.argv[1:4]
    version = subprocess.run([server, "--version"], capture_output=True, text=True).stderr.split("\n")[0]
    process = subprocess.Popen(
        [server, "-m", model, "--port", str(PORT), "-t", "2", "-c", "2048", "-np", "1", "--no-webui", "-fa", "off",
         "--no-cache-prompt"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.2)
        cases = []
        for text in PROMPTS:
            ids = call("/tokenize", {"content": text, "add_special": True})["tokens"]
            reply = call("/completion", {
                "prompt": ids, "n_predict": 32, "temperature": 0, "top_k": 1, "ignore_eos": False,
                "return_tokens": True, "n_probs": 5, "cache_prompt": False})
            first = reply["completion_probabilities"][0]["top_logprobs"]
            cases.append({
                "prompt": text, "ids": ids, "continuation": reply["tokens"],
                "first": [[entry["id"], round(entry["logprob"], 5)] for entry in first]})
            print(len(cases), repr(reply["content"][:60]), file=sys.stderr)
        document = {
            "made_by": "Benchmarks/scripts/greedy_reference.py", "reference": f"llama.cpp {version}",
            "model": pathlib.Path(model).name, "cases": cases}
        lines = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in cases)
        head = json.dumps({**document, "cases": []}, ensure_ascii=False, indent=2)
        pathlib.Path(out).write_text(head.replace('"cases": []', '"cases": [\n' + lines + "\n  ]") + "\n")
    finally:
        process.terminate()
        process.wait()


main()
