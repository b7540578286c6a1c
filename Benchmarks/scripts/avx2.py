"""Prefill and decode beside a llama.cpp that has nothing beyond AVX2: the library in the wheel llama-cpp-py-sync.

Usage: AVX2_PYTHON Benchmarks/scripts/avx2.py MODEL.gguf [...] [--rounds 5] [--threads 2]
AVX2_PYTHON is a Python with `pip install llama-cpp-py-sync`; STRATA names our binary, run with STRATA_ISA=avx2.
As llama-bench does: random tokens, one unmeasured run, an emptied cache before each run, batches of at most 512 tokens.
Both sides take turns; medians of the rounds.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import time

from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib

PROMPTS, GENERATED, BATCH = (512, 2048), 64, 512
ffi, lib = get_ffi(), get_lib()


@ffi.callback("void(enum ggml_log_level, const char *, void *)")
def silence(level, text, context):
    pass


class Rival:
    def __init__(self, path, threads):
        model_parameters = lib.llama_model_default_params()
        model_parameters.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(path.encode(), model_parameters)
        if self.model == ffi.NULL:
            raise SystemExit(f"{path} could not be loaded")
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = max(PROMPTS) + GENERATED
        parameters.n_batch = parameters.n_ubatch = BATCH
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = lib.llama_init_from_model(self.model, parameters)
        self.vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))

    def decode(self, count):
        tokens = ffi.new("llama_token[]", [random.randrange(self.vocabulary) for _ in range(count)])
        if lib.llama_decode(self.context, lib.llama_batch_get_one(tokens, count)) != 0:
            raise SystemExit("llama_decode failed")
        lib.llama_synchronize(self.context)

    def speed(self, prompt, generated):
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        start = time.perf_counter()
        for first in range(0, prompt, BATCH):
            self.decode(min(BATCH, prompt - first))
        for _ in range(generated):
            self.decode(1)
        return (prompt + generated) / (time.perf_counter() - start)


def strata(path, threads, prompt, generated):
    command = [os.environ.get("STRATA", ".build/release/strata"), "model", "bench", path, "--threads", str(threads),
               "--prompt", str(prompt), "--generate", str(generated), "--repeat", "1", "--json"]
    answer = json.loads(subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "STRATA_ISA": "avx2"}).stdout)
    return answer["prefill_tokens_per_second"], answer["decode_tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    lib.llama_log_set(silence, ffi.NULL)
    lib.llama_backend_init()
    print("rival:", ffi.string(lib.llama_print_system_info()).decode())
    for path in options.models:
        rival = Rival(path, options.threads)
        tests = {f"pp{prompt}": (prompt, 0) for prompt in PROMPTS} | {f"tg{GENERATED}": (0, GENERATED)}
        theirs, ours = {name: [] for name in tests}, {name: [] for name in tests}
        for prompt, generated in tests.values():
            rival.speed(min(prompt, BATCH), min(generated, 4))
        for _ in range(options.rounds):
            for name, (prompt, generated) in tests.items():
                theirs[name].append(rival.speed(prompt, generated))
                prefill, decode = strata(path, options.threads, prompt or 1, generated)
                ours[name].append(prefill if prompt else decode)
        for name in tests:
            a, b = statistics.median(ours[name]), statistics.median(theirs[name])
            print(f"{os.path.basename(path):28} {name:7} strata {a:8.1f}  llama.cpp avx2 {b:8.1f} tokens/s  {a / b:.2f}x",
                  flush=True)
        lib.llama_free(rival.context)
        lib.llama_model_free(rival.model)


if __name__ == "__main__":
    main()
