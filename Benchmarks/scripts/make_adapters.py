#!/usr/bin/env python3
"""Makes random LoRA adapters for a GGUF model, each as a PEFT folder and as a GGUF file with the same values.

    python make_adapters.py MODEL.gguf OUT_FOLDER [--count 8] [--ranks 16] [--strength 0.02] [--modules all|attention]

Needs numpy, gguf and safetensors. Adapter i is OUT_FOLDER/adapter-i/ and OUT_FOLDER/adapter-i.gguf; `--ranks 8,16`
gives the adapters these ranks in turn. The values are random, so answers are no better for them: they are for
measuring speed and for comparing engines. llama-server takes them as --lora OUT_FOLDER/adapter-0.gguf, and so on.
"""
import argparse
import json
import os

import gguf
import numpy as np
import safetensors.numpy

MODULES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj"}


def permute(rows, heads):
    """The order of rows of query and key matrices in llama GGUF files, from that of PyTorch models."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--ranks", default="16")
    parser.add_argument("--strength", type=float, default=0.02)
    parser.add_argument("--modules", choices=["all", "attention"], default="all")
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.model)
    architecture = bytes(reader.fields["general.architecture"].parts[-1]).decode()

    def number(key):
        return int(reader.fields[f"{architecture}.{key}"].parts[-1][0])

    heads = {"attn_q": number("attention.head_count"), "attn_k": number("attention.head_count_kv")}
    names = [name for name in MODULES if options.modules == "all" or name.startswith("attn")]
    shapes = {
        tensor.name: [int(size) for size in tensor.shape] for tensor in reader.tensors
        if tensor.name.startswith("blk.") and tensor.name.split(".")[2] in names and tensor.name.endswith(".weight")}
    ranks = [int(rank) for rank in options.ranks.split(",")]
    for index in range(options.count):
        rank = ranks[index % len(ranks)]
        write(f"{options.out}/adapter-{index}", architecture, shapes, heads, rank, options.strength, seed=index)


def write(path, architecture, shapes, heads, rank, strength, seed):
    random = np.random.default_rng(seed)
    os.makedirs(path, exist_ok=True)
    writer = gguf.GGUFWriter(path + ".gguf", architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(2 * rank))
    tensors = {}
    for name, (inputs, outputs) in shapes.items():
        layer, module = name.split(".")[1:3]
        a = (random.standard_normal((rank, inputs)) / np.sqrt(inputs)).astype(np.float32)
        b = (random.standard_normal((outputs, rank)) * strength / np.sqrt(rank)).astype(np.float32)
        prefix = f"base_model.model.model.layers.{layer}.{MODULES[module]}"
        tensors[prefix + ".lora_A.weight"], tensors[prefix + ".lora_B.weight"] = a, b
        ordered = permute(b, heads[module]) if architecture == "llama" and module in heads else b
        writer.add_tensor(name + ".lora_a", a)
        writer.add_tensor(name + ".lora_b", np.ascontiguousarray(ordered))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    safetensors.numpy.save_file(tensors, path + "/adapter_model.safetensors", metadata={"format": "pt"})
    settings = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "", "r": rank, "lora_alpha": 2 * rank,
        "target_modules": sorted({MODULES[name.split(".")[2]].split(".")[1] for name in shapes}), "bias": "none",
        "lora_dropout": 0.0, "use_rslora": False, "use_dora": False, "inference_mode": True}
    with open(path + "/adapter_config.json", "w") as out:
        json.dump(settings, out, indent=2)


main()
