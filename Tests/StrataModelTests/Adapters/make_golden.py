#!/usr/bin/env python3
"""Makes the golden files of adapters: tiny random llama and qwen2 models of `transformers`, PEFT adapters on them,
and the logits that PyTorch computes. Needs torch, transformers, peft, gguf, safetensors.

    python make_golden.py ../Golden/adapters

Per architecture NAME it writes NAME.gguf (the base model, F32), NAME-KIND/ (a PEFT folder: adapter_config.json and
adapter_model.safetensors), NAME-KIND.gguf (the adapter as convert_lora_to_gguf lays it out) and NAME.json (tokens and
logits of the last positions, without and with each adapter).
"""
import json
import math
import os
import shutil
import sys

import gguf
import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

SHAPE = dict(
    vocab_size=48, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0)
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "r8": dict(r=8, lora_alpha=16, target_modules=ALL),
    "rs16": dict(r=16, lora_alpha=8, target_modules=ALL[:4], use_rslora=True),
    "pattern": dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={"v_proj": 6},
        alpha_pattern={"v_proj": 3, "layers.1.self_attn.q_proj": 5}),
}
TOKENS = [3, 41, 7, 7, 19, 30, 2, 11, 45, 8, 23, 1]
GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def randomize(model):
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.data = 1 + 0.2 * (torch.rand_like(parameter) * 2 - 1)
        else:
            parameter.data = 0.3 * (torch.rand_like(parameter) * 2 - 1)


def permute(rows, heads):
    """The order of rows of query and key matrices in llama GGUF files."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def heads_of(module, config):
    return config.num_attention_heads if "q_proj" in module else config.num_key_value_heads


def write_base(path, model, architecture):
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny-" + architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if name == "model.embed_tokens.weight":
            target = "token_embd.weight"
        elif name == "model.norm.weight":
            target = "output_norm.weight"
        elif name == "lm_head.weight":
            target = "output.weight"
        else:
            parts = name.split(".")
            module, kind = ".".join(parts[3:-1]), parts[-1]
            target = f"blk.{parts[2]}.{GGUF_NAMES[module]}.{kind}"
            if architecture == "llama" and module in ("self_attn.q_proj", "self_attn.k_proj"):
                values = permute(values, heads_of(module, config))
        writer.add_tensor(target, np.ascontiguousarray(values))
    finish(writer)


def write_adapter(path, tuned, config, architecture, alpha):
    """One alpha for the whole file, so only for adapters without patterns; rslora's root goes into alpha."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(alpha))
    for name, tensor in peft.get_peft_model_state_dict(tuned).items():
        parts = name.removeprefix("base_model.model.model.layers.").split(".")
        module, kind = ".".join(parts[1:3]), parts[3]
        values = tensor.float().numpy()
        if architecture == "llama" and kind == "lora_B" and module in ("self_attn.q_proj", "self_attn.k_proj"):
            values = permute(values, heads_of(module, config))
        writer.add_tensor(
            f"blk.{parts[0]}.{GGUF_NAMES[module]}.weight.{kind.lower()}", np.ascontiguousarray(values))
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def logits(model):
    with torch.no_grad():
        rows = model(torch.tensor([TOKENS])).logits[0, -3:].double().numpy()
    return [[round(float(value), 5) for value in row] for row in rows]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for architecture, config, kind in (
        ("llama", LlamaConfig(**SHAPE, tie_word_embeddings=False), LlamaForCausalLM),
        ("qwen2", Qwen2Config(**SHAPE, tie_word_embeddings=True), Qwen2ForCausalLM),
    ):
        torch.manual_seed(11)
        base = kind(config).eval()
        randomize(base)
        write_base(f"{folder}/{architecture}.gguf", base, architecture)
        cases = {"": logits(base)}
        for name, settings in ADAPTERS.items():
            torch.manual_seed(len(name) + settings["r"])
            tuned = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
            for key, parameter in tuned.named_parameters():
                if "lora_" in key:
                    parameter.data = 0.3 * (torch.rand_like(parameter) * 2 - 1)
            cases[name] = logits(tuned)
            target = f"{folder}/{architecture}-{name}"
            shutil.rmtree(target, ignore_errors=True)
            tuned.save_pretrained(target)
            os.remove(f"{target}/README.md")
            if name != "pattern":
                alpha = settings["lora_alpha"] * (
                    math.sqrt(settings["r"]) if settings.get("use_rslora") else 1)
                write_adapter(f"{folder}/{architecture}-{name}.gguf", tuned, config, architecture, alpha)
            base = tuned.unload()
        with open(f"{folder}/{architecture}.json", "w") as out:
            made = f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
            json.dump({"made_with": made, "tokens": TOKENS, "logits": cases}, out)


main(sys.argv[1])
