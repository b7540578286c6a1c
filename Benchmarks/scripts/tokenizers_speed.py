#!/usr/bin/env python3
"""Tokenizer speed on one thread, Strata and Hugging Face `tokenizers` on the same text, in turn; then adversarial texts of doubling size.

    python Benchmarks/scripts/tokenizers_speed.py TEXT --strata .build/release/strata --minilm FOLDER

Both sides start each repetition with empty caches and encode (a) the file as one text, (b) line by line; medians of five. The
vocabularies of the GGUF models are rebuilt as Hugging Face tokenizers from the metadata (vocabulary, merges, the models' published
pre-tokenizer expressions); ids are compared before anything is timed. Needs `tokenizers` and `gguf`.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def from_gguf(path):
    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields[name].contents()
    tokens, merges = field("tokenizer.ggml.tokens"), [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    if field("tokenizer.ggml.pre") == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def from_vocabulary(folder):
    tokens = open(os.path.join(folder, "vocab.txt"), encoding="utf-8").read().split("\n")[:-1]
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def ours(args, model, path, lines, repeat=5):
    command = [args.strata, "tokenizer", "bench", model, "--file", path, "--repeat", str(repeat), "--json"]
    return json.loads(subprocess.check_output(command + (["--lines"] if lines else [])))


def theirs(make, text, lines, repeat=5):
    texts = [line for line in text.split("\n") if line] if lines else [text]
    seconds, count = [], 0
    for _ in range(repeat):
        tokenizer = make()
        start = time.perf_counter()
        if lines:
            count = sum(len(item) for item in tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        else:
            count = len(tokenizer.encode(text, add_special_tokens=False))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--strata", default=".build/release/strata")
    parser.add_argument("--gguf", nargs="*", default=["/work/models/qwen2.5-coder-0.5b.gguf", "/work/models/smollm2-135m.gguf"])
    parser.add_argument("--minilm", default="/work/models/minilm")
    parser.add_argument("--limit", type=int, default=8_000_000, help="bytes of the text that are used")
    args = parser.parse_args()
    text = open(args.text, encoding="utf-8").read()[: args.limit]
    sides = [(f"file:{path}", os.path.basename(path), lambda path=path: from_gguf(path)) for path in args.gguf]
    sides.append(("all-minilm-l6-v2", "MiniLM WordPiece", lambda: from_vocabulary(args.minilm)))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text.txt")
        open(path, "w", encoding="utf-8").write(text)
        size = len(text.encode())
        for model, name, make in sides:
            for lines in (False, True):
                mine = ours(args, model, path, lines)
                seconds, count = theirs(make, text, lines)
                print(f"{name:28} {'lines' if lines else 'whole'}  strata {mine['megabytes_per_second']:7.2f} MB/s"
                      f"  tokenizers {size / 1e6 / seconds:6.2f} MB/s  ratio {mine['megabytes_per_second'] * seconds / (size / 1e6):5.1f}"
                      f"  tokens {mine['tokens']} {count}", flush=True)
        hostile = {"letters a": "a", "spaces": " ", "line ends": "\n", "apostrophes": "'", "emoji": "🙂", "combining marks": "a\u0301\u0323",
                   "marks only": "\u0301", "digits": "7", "open brackets": "<|", "random letters": None, "ideographs": "漢"}
        for model, name, make in sides:
            for title, unit in hostile.items():
                row = []
                for n in (250_000, 500_000, 1_000_000):
                    if unit is None:
                        state, out = 1, []
                        for _ in range(n):
                            state = (state * 1103515245 + 12345) % 2**31
                            out.append(chr(97 + (state >> 16) % 26))
                        body = "".join(out)
                    else:
                        body = unit * (n // len(unit.encode()))
                    open(path, "w", encoding="utf-8").write(body)
                    row.append(ours(args, model, path, False, 1)["seconds"])
                print(f"{name:28} {title:16} 0.25/0.5/1 MB: " + " ".join(f"{value * 1e3:8.1f} ms" for value in row)
                      + f"   1 MB over 0.25 MB: {row[2] / row[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
