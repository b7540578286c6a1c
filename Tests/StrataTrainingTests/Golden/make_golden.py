#!/usr/bin/env python3
"""Writes mixes.json and errors.json beside this file.

mixes.json: which type llama-quantize gives each tensor, from `llama-quantize --dry-run` on two real models.
errors.json: the root mean square error of llama-quantize (all types) on a tensor that Swift can make too.

make_golden.py LLAMA_QUANTIZE MODEL_F16.gguf... (made with llama.cpp b11434, gguf 0.17)
"""
import json, os, re, subprocess, sys, tempfile
import numpy as np
import gguf

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = "Q8_0 Q6_K Q5_K_M Q5_K_S Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 F16 BF16".split()


def mixes(tool, path):
    reader = gguf.GGUFReader(path)
    architecture = reader.fields["general.architecture"].contents()
    layers = int(reader.fields[architecture + ".block_count"].contents())
    columns = {t.name: int(t.shape[0]) for t in reader.tensors if len(t.shape) == 2}
    # One letter per tensor, in the order of the file: what `letters` stands for is in the case.
    letters = {"Q8_0": "8", "Q6_K": "6", "Q5_K": "E", "Q5_1": "e", "Q5_0": "5", "Q4_K": "D", "Q4_1": "d", "Q4_0": "4",
               "F16": "h", "BF16": "b", "F32": "f"}
    names = list(columns)
    case = {"architecture": architecture, "layers": layers, "letters": letters, "names": names,
            "columns": [columns[n] for n in names], "types": {}}
    for kind in TYPES:
        out = subprocess.run([tool, "--dry-run", path, kind], capture_output=True, text=True)
        types = {}
        for line in (out.stdout + out.stderr).splitlines():
            found = re.search(r"\] +(\S+) +- \[.*\], type = +(\S+), size = .*?(?:\((\S+)\))?$", line)
            if found and found.group(1) in columns:
                types[found.group(1)] = (found.group(3) or found.group(2)).upper()
        case["types"][kind] = "".join(letters[types[n]] for n in names)
    return case


def values(count):
    """SplitMix64, four uniform parts per value, every 37th eight times as large."""
    state, out = 1, np.zeros(count, np.float32)
    mask = (1 << 64) - 1
    for i in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        total = np.float32(0)
        for part in range(4):
            total += np.float32((z >> (16 * part)) & 0xFFFF) / np.float32(65536) - np.float32(0.5)
        out[i] = total * np.float32(0.05) * (8 if i % 37 == 0 else 1)
    return out


def errors(tool):
    n, rows = 512, 64
    x = values(n * rows).reshape(rows, n)
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/tiny.gguf"
        w = gguf.GGUFWriter(path, "llama")
        w.add_block_count(8); w.add_context_length(64); w.add_embedding_length(n); w.add_feed_forward_length(rows)
        w.add_head_count(8); w.add_head_count_kv(8); w.add_layer_norm_rms_eps(1e-5); w.add_vocab_size(rows)
        w.add_tensor("token_embd.weight", x); w.add_tensor("output.weight", x)
        w.add_tensor("output_norm.weight", np.ones(n, np.float32))
        for layer in range(8):
            w.add_tensor(f"blk.{layer}.ffn_gate.weight", x)
        w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
        for kind in "Q8_0 Q6_K Q5_K_S Q5_1 Q5_0 Q4_K_S Q4_1 Q4_0".split():
            out = folder + "/out.gguf"
            done = subprocess.run([tool, path, out, kind], capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
            for t in gguf.GGUFReader(out).tensors:
                if t.name == "blk.4.ffn_gate.weight":
                    y = gguf.quants.dequantize(t.data, t.tensor_type)
                    result[t.tensor_type.name] = float(np.sqrt(np.mean((y - x) ** 2)))
    return {"columns": n, "rows": rows, "sum": float(x.astype(np.float64).sum()), "rms": result}


if __name__ == "__main__":
    tool = sys.argv[1]
    json.dump([mixes(tool, p) for p in sys.argv[2:]], open(HERE + "/mixes.json", "w"), separators=(",", ":"))
    json.dump(errors(tool), open(HERE + "/errors.json", "w"), indent=1)
