"""Greedy continuations of 32 tokens on 20 prompts: how many equal llama.cpp's on the same GGUF.

Usage: LLAMA_BIN=… python greedy.py MODEL.gguf
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

PROMPTS = [
    "The capital of France is", "Once upon a time, in a small village,", "def fibonacci(n):", "The three laws of motion are",
    "Water boils at", "In 1969, the first man", "import numpy as np\n\n", "The recipe for pancakes:", "Roses are red,",
    "A list of prime numbers: 2, 3, 5,", "The mitochondria is", "To be, or not to be,", "SELECT name FROM users WHERE",
    "Dear Sir or Madam,", "The largest planet in our solar system", "class Stack:\n    def __init__(self):",
    "Photosynthesis is the process by which", "The quick brown fox", "Question: What is 12 times 12?\nAnswer:",
    "Der schnellste Weg nach Berlin",
]

model = sys.argv[1]
strata = os.environ.get("STRATA", ".build/release/strata")
port = 18099
server = subprocess.Popen(
    [os.environ["LLAMA_BIN"] + "/llama-server", "-m", model, "-t", "2", "--port", str(port), "-np", "1", "-c", "2048"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
            break
        except Exception:
            time.sleep(0.1)
    equal, rows = 0, []
    for prompt in PROMPTS:
        body = {"prompt": prompt, "n_predict": 32, "temperature": 0, "cache_prompt": False, "samplers": ["temperature"]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
        theirs = json.load(urllib.request.urlopen(request))["content"]
        ours = json.loads(subprocess.check_output(
            [strata, "generate", prompt, "--model", "file:" + model, "--raw", "--max-tokens", "32", "--temperature", "0", "--json"]))["text"]
        same = ours == theirs
        equal += same
        if not same:
            common = len(os.path.commonprefix([ours, theirs]))
            rows.append((prompt, common, ours[common:common + 30], theirs[common:common + 30]))
    print(f"{os.path.basename(model)}: {equal} of {len(PROMPTS)} equal llama.cpp's")
    for row in rows:
        print("  differs:", row)
finally:
    server.terminate()
