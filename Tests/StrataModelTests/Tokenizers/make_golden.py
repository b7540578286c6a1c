"""Records the token ids that Hugging Face tokenizers and llama.cpp give.

    python make_golden.py DATA_FOLDER MODELS_FOLDER LLAMA_CPP_FOLDER OUT_FOLDER

Hugging Face tokenizers is the oracle for SmolLM2, Qwen2.5 and MiniLM, llama.cpp (built in its folder build/) for the gpt-2 and
llama-spm vocabularies and for the llama-bpe pre-tokenizer, which is put on the qwen2 vocabulary (llama-bpe.gguf, in a
temporary folder). Texts are written out where they are made here; of data sets only line numbers are.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

import gguf
import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# Ids for texts on standard input, each ended by a zero byte.
LLAMA_TOKENIZE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llama.h"

static void quiet(enum ggml_log_level level, const char *text, void *data) {
  (void)level, (void)text, (void)data;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  llama_log_set(quiet, NULL);
  struct llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  struct llama_model *model = llama_model_load_from_file(argv[1], params);
  if (!model) return 1;
  const struct llama_vocab *vocab = llama_model_get_vocab(model);
  static char text[1 << 24];
  static llama_token ids[1 << 22];
  size_t length = 0;
  for (int c; (c = getchar()) != EOF;) {
    if (c != 0) {
      text[length++] = (char)c;
      continue;
    }
    int count = llama_tokenize(vocab, text, (int)length, ids, 1 << 22, false, atoi(argv[2]) != 0);
    for (int i = 0; i < count; i++) printf(i ? " %d" : "%d", ids[i]);
    printf("\n");
    length = 0;
  }
  return 0;
}
"""


def compiled(llama_folder, folder):
    source, tool = folder + "/tokenize.c", folder + "/tokenize"
    pathlib.Path(source).write_text(LLAMA_TOKENIZE)
    library = llama_folder + "/build/bin"
    subprocess.run(
        ["clang", source, "-I", llama_folder + "/include", "-I", llama_folder + "/ggml/include", "-L", library, "-lllama",
         "-Wl,-rpath," + library, "-o", tool], check=True)
    return tool


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for byte in " ".join(map(str, ids)).encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def texts():
    """Strings that try the edges of every scanner."""
    source = random.Random(20260726)
    pools = [
        lambda: source.choice(["hello", "World", "naïve", "don't", "WE'LL", "it'S", "x'ſ", "I'm", "they've", "re'd", "'tis", "O'Re"]),
        lambda: source.choice([" ", "  ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u3000", "\u2028", "\x85", "\x1c", "   x", "\n  "]),
        lambda: str(source.randrange(10 ** source.randrange(1, 9))),
        lambda: "".join(source.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(source.randrange(1, 5))),
        lambda: source.choice(["日本語", "漢字とかな", "한국어", "안녕", "العربية", "हिन्दी", "ไทย", "Ελλάδας", "Русский", "עברית"]),
        lambda: source.choice(["😀", "👨‍👩‍👧‍👦", "🇨🇭", "👍🏽", "❤️", "e\u0301", "A\u030a", "\u1112\u1161\u11ab", "ﬁ", "①", "½", "Ⅷ", "²", "٣"]),
        lambda: source.choice(["\u0000", "\u0007", "\u200b", "\u200d", "\ufeff", "\ufffd", "\ue000", "\u00ad", "\U0001f9ff", "\u0378"]).replace("\u0000", "\u0001"),
        lambda: chr(source.choice([source.randrange(0x20, 0x250), source.randrange(0x370, 0x2000), source.randrange(0x2000, 0x3400), source.randrange(0x4E00, 0x9FFF), source.randrange(0xA000, 0xD7FF), source.randrange(0x10000, 0x1FFFF)])),
        lambda: source.choice(["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_", "<s>", "</s>", "[CLS]", "[MASK]", "<unk>", "<|", "[PAD151700]", "<tool_call>"]),
        lambda: source.choice("aAzZ0 .") * source.randrange(1, 120),
    ]
    result = ["", " ", "\n", "a", "'", "''s", " '", "▁", "▁▁a", "a▁b", "Ġ", "<0x0A>"]
    for _ in range(388):
        result.append("".join(source.choice(pools)() for _ in range(source.randrange(1, 12))))
    # Scalars that one side may not know yet are no fair question.
    return ["".join(c for c in t if unicodedata.category(c) != "Cn" or c == "\u0378") for t in result]


def byte_pair(path, digits_first):
    reader = gguf.GGUFReader(path)
    field = lambda name: reader.fields["tokenizer.ggml." + name].contents()
    tokens, kinds = field("tokens"), field("token_type")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = [tuple(line.split(" ")) for line in field("merges")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    if digits_first:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    else:
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    added = [(t, k) for t, k in zip(tokens, kinds) if k in (3, 4)]
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, normalized=False, special=True) for t, k in added])
    return tokenizer


def with_pre_tokenizer(path, name, target):
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, "llama")
    field = lambda key: reader.fields["tokenizer.ggml." + key].contents()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(field("tokens"))
    writer.add_token_types(field("token_type"))
    writer.add_token_merges(field("merges"))
    writer.add_bos_token_id(field("bos_token_id"))
    writer.add_eos_token_id(field("eos_token_id"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def llama(tool, path, inputs, special):
    data = b"".join(t.encode() + b"\0" for t in inputs)
    out = subprocess.run([tool, path, str(int(special))], input=data, stdout=subprocess.PIPE, check=True).stdout
    return [[int(i) for i in line.split()] for line in out.decode().split("\n")[:-1]]


def main():
    data, model_folder, llama_folder, out = sys.argv[1:]
    data, model_folder = pathlib.Path(data), pathlib.Path(model_folder)
    own = texts()
    wikitext = (data / "models/wikitext-2/valid.txt").read_text().split("\n")
    scifact = [json.loads(line) for line in (data / "retrieval/scifact/corpus.jsonl").open()]
    lines = {
        "wikitext": {i: wikitext[i] for i in range(0, min(len(wikitext), 3000), 10)},
        "scifact": {i: " ".join(scifact[i]["text"]) if isinstance(scifact[i]["text"], list) else scifact[i]["text"] for i in range(0, 3000, 10)},
    }
    minilm = Tokenizer.from_file(str(model_folder / "minilm/tokenizer.json"))
    minilm.no_truncation()
    minilm.no_padding()
    smollm = byte_pair(model_folder / "smollm2-135m.gguf", True)
    qwen = byte_pair(model_folder / "qwen2.5-coder-0.5b.gguf", False)
    vocabularies = data / "models/tokenizers"
    with tempfile.TemporaryDirectory() as folder:
        tool = compiled(llama_folder, folder)
        llama_bpe = folder + "/llama-bpe.gguf"
        with_pre_tokenizer(vocabularies / "ggml-vocab-qwen2.gguf", "llama-bpe", llama_bpe)
        oracles = {
            "smollm2-135m.gguf": lambda inputs: [e.ids for e in smollm.encode_batch(inputs, add_special_tokens=False)],
            "qwen2.5-coder-0.5b.gguf": lambda inputs: [e.ids for e in qwen.encode_batch(inputs, add_special_tokens=False)],
            "minilm": lambda inputs: [e.ids for e in minilm.encode_batch(inputs, add_special_tokens=True)],
            "ggml-vocab-gpt-2.gguf": lambda inputs: llama(tool, vocabularies / "ggml-vocab-gpt-2.gguf", inputs, True),
            "ggml-vocab-llama-spm.gguf": lambda inputs: llama(tool, vocabularies / "ggml-vocab-llama-spm.gguf", inputs, True),
            "llama-bpe": lambda inputs: llama(tool, llama_bpe, inputs, False),
        }
        golden = {
            "made_with": f"tokenizers {tokenizers.__version__}, llama.cpp b11434, gguf-py",
            "texts": own,
            "lines": {name: list(map(str, of)) for name, of in lines.items()},
            "expected": {},
        }
        for name, oracle in oracles.items():
            golden["expected"][name] = {
                "texts": [" ".join(map(str, ids)) for ids in oracle(own)],
                **{source: [fnv1a(ids) for ids in oracle(list(of.values()))] for source, of in lines.items()},
            }
    pathlib.Path(out, "tokenizers.json").write_text(json.dumps(golden, indent=0, ensure_ascii=False) + "\n")
    text = (data / "models/wikitext-2/valid.txt").read_text()
    for name, tokenizer in [("SmolLM2", smollm), ("Qwen2.5", qwen), ("MiniLM", minilm)]:
        for label, inputs in [("whole file", [text]), ("by line", text.split("\n"))]:
            best = 1e9
            for _ in range(3):
                start = time.perf_counter()
                for part in inputs:
                    tokenizer.encode(part, add_special_tokens=False)
                best = min(best, time.perf_counter() - start)
            print(f"{name}, {label}: {len(text.encode()) / best / 1e6:.2f} MB/s")


main()
