#!/usr/bin/env python3
"""Makes tiny models of each architecture with random weights, and the logits that PyTorch gives for them.

  make_tiny_models.py OUT_FOLDER [LLAMA_SERVER]

Writes OUT_FOLDER/tiny-NAME.gguf and tiny-models.json (logits of every position). The models are Hugging Face
transformers' own classes; weights are rounded to half precision before, so that the files hold them exactly. With
LLAMA_SERVER, llama.cpp loads each file too, and the largest difference of its log-probabilities to PyTorch's is
printed and kept. Made with torch 2.13, transformers 5.23, gguf 0.19.
"""
import json
import math
import pathlib
import subprocess
import sys
import time
import urllib.request

import gguf
import numpy
import torch
import transformers

VOCABULARY = 64
SHAPE = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=128, pad_token_id=0, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
PORT = 18741
TOKENS = [(7 * i * i + 3 * i + 5) % (VOCABULARY - 5) + 5 for i in range(40)]


def rope(theta, **others):
    return {"rope_type": "default", "rope_theta": theta, **others}


def models():
    """name, GGUF architecture, configuration, extra metadata, whether llama.cpp computes the same."""
    c = transformers
    yield ("llama3", "llama", c.LlamaConfig(
        **SHAPE, num_hidden_layers=2, tie_word_embeddings=False, rms_norm_eps=1e-5,
        rope_parameters=rope(500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                             original_max_position_embeddings=32)), {}, True)
    # llama.cpp knows no window for this architecture: it is compared on prefixes that fit one.
    yield ("mistral", "llama", c.MistralConfig(
        **SHAPE, num_hidden_layers=2, tie_word_embeddings=False, sliding_window=8, rms_norm_eps=1e-5,
        rope_parameters=rope(10000.0)), {"attention.sliding_window": 8}, "window")
    yield ("smollm3", "smollm3", c.SmolLM3Config(
        **SHAPE, num_hidden_layers=5, tie_word_embeddings=True, no_rope_layer_interval=4, use_sliding_window=False,
        rms_norm_eps=1e-6, rope_parameters=rope(50000.0)), {}, True)
    yield ("qwen2", "qwen2", c.Qwen2Config(
        **SHAPE, num_hidden_layers=2, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_parameters=rope(1e6)), {}, True)
    yield ("qwen3", "qwen3", c.Qwen3Config(
        **SHAPE, num_hidden_layers=2, head_dim=16, tie_word_embeddings=False, rms_norm_eps=1e-6,
        rope_parameters=rope(1e6)), {}, True)
    gemma = dict(
        **SHAPE, head_dim=16, query_pre_attn_scalar=16, sliding_window=8, rms_norm_eps=1e-6,
        hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)
    yield ("gemma3", "gemma3", c.Gemma3TextConfig(
        **gemma, num_hidden_layers=7,
        layer_types=["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                         "sliding_attention": rope(10000.0)}),
        {"attention.sliding_window": 8, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0,
         "rope.freq_base_swa": 10000.0}, True)
    yield ("gemma2", "gemma2", c.Gemma2Config(
        **gemma, num_hidden_layers=2, attn_logit_softcapping=2.0, final_logit_softcapping=5.0,
        layer_types=["sliding_attention", "full_attention"], rope_parameters=rope(10000.0)),
        {"attention.sliding_window": 8, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0}, True)
    factors = [1.0 + 0.5 * i for i in range(4)]
    yield ("phi3", "phi3", c.Phi3Config(
        **SHAPE, num_hidden_layers=2, tie_word_embeddings=False, sliding_window=None, rms_norm_eps=1e-5,
        original_max_position_embeddings=32,
        rope_parameters=rope(10000.0, rope_type="longrope", short_factor=factors, long_factor=[3 * f for f in factors],
                             original_max_position_embeddings=32)),
        {"rope.scaling.original_context_length": 32,
         "rope.scaling.attn_factor": math.sqrt(1 + math.log(128 / 32) / math.log(32))}, True)


def build(configuration):
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(configuration, attn_implementation="eager").eval().float()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.rand(tensor.shape, generator=generator) * 2 - 1
            if tensor.dim() == 1:
                center = 0.0 if name.endswith("bias") or "gemma" in configuration.model_type else 1.0
                tensor.copy_((center + 0.3 * noise).half().float())
            else:
                tensor.copy_((noise * (1.0 if "embed" in name else 0.35)).half().float())
    return model


def permuted(weights, heads):
    """llama files rotate neighbours: rows of each head go from halves to pairs."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(
        weights.shape)


def write(path, architecture, model, extra):
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny {architecture}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    parameters = config.rope_parameters
    parameters = parameters.get("full_attention", parameters)
    writer.add_rope_freq_base(parameters["rope_theta"])
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if architecture in ("llama", "smollm3", "phi3"):
        writer.add_rope_dimension_count(head)
    else:
        writer.add_key_length(head)
        writer.add_value_length(head)
    for key, value in extra.items():
        key = f"{architecture}.{key}"
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    # A SentencePiece vocabulary of letters, so that llama.cpp loads the file; prompts are given as ids.
    writer.add_tokenizer_model("llama")
    known = ["<unk>", "<s>", "</s>", "<0x0A>", "<|endoftext|>"]  # what its loader looks up
    writer.add_token_list(known + [chr(0x100 + i) for i in range(VOCABULARY - len(known))])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([2, 3, 3, 6, 3] + [1] * (VOCABULARY - len(known)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    names = gguf.get_tensor_name_map(
        next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == architecture), config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        data = tensor.numpy()
        if architecture in ("llama", "smollm3"):
            if "q_proj" in name:
                data = permuted(data, config.num_attention_heads)
            if "k_proj" in name:
                data = permuted(data, config.num_key_value_heads)
        if "gemma" in architecture and name.endswith("norm.weight"):
            data = data + 1
        writer.add_tensor(target, data.astype(numpy.float16 if data.ndim > 1 else numpy.float32))
    if parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(parameters, head))
    if parameters["rope_type"] == "longrope":
        for kind in ("long", "short"):
            writer.add_tensor(f"rope_factors_{kind}.weight", numpy.array(parameters[f"{kind}_factor"], numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama3_divisors(p, head):
    """What the frequencies that transformers computes are smaller by."""
    config = transformers.LlamaConfig(
        hidden_size=head, num_attention_heads=1, head_dim=head, max_position_embeddings=128, rope_parameters=p)
    scaled, _ = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = p["rope_theta"] ** (-torch.arange(0, head, 2).float() / head)
    return (plain / scaled).numpy().astype(numpy.float32)


def compare(server, path, references, largest):
    """The largest difference of llama.cpp's log-probabilities at the end of some prefixes."""
    process = subprocess.Popen(
        [server, "-m", str(path), "--port", str(PORT), "-t", "1", "-c", "256", "-np", "1", "--no-webui", "-fa", "off",
         "-ctk", "f32", "-ctv", "f32", "--no-cache-prompt"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        worst = 0.0
        for count in [n for n in (1, 5, 8, 20, 33, 40) if n <= largest]:
            body = {"prompt": TOKENS[:count], "n_predict": 1, "n_probs": VOCABULARY, "temperature": 0}
            request = urllib.request.Request(
                f"http://127.0.0.1:{PORT}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
            answer = json.load(urllib.request.urlopen(request, timeout=60))
            expected = torch.log_softmax(references(TOKENS[:count])[-1], -1)
            for entry in answer["completion_probabilities"][0]["top_logprobs"]:
                worst = max(worst, abs(entry["logprob"] - float(expected[entry["id"]])))
        return worst
    finally:
        process.terminate()
        process.wait()


def main():
    folder = pathlib.Path(sys.argv[1])
    server = sys.argv[2] if len(sys.argv) > 2 else None
    cases = []
    for name, architecture, config, extra, same in models():
        model = build(config)
        path = folder / f"tiny-{name}.gguf"
        write(path, architecture, model, extra)

        def logits(tokens):
            with torch.no_grad():
                return model(torch.tensor([tokens])).logits[0]

        case = {"name": name, "architecture": architecture, "tokens": TOKENS}
        case["logits"] = [[round(float(x), 5) for x in row] for row in logits(TOKENS)]
        if name == "phi3":
            # Short texts take the short factors; the model is then opened for contexts up to 32.
            case["short_logits"] = [[round(float(x), 5) for x in row] for row in logits(TOKENS[:24])]
        if server:
            def references(tokens):
                # llama.cpp takes the long factors for every text of a large context.
                if name == "phi3":
                    return logits(TOKENS[:40])[:len(tokens)]
                return logits(tokens)
            case["llama_cpp_difference"] = round(
                compare(server, path, references, 8 if same == "window" else len(TOKENS)), 6)
        spread = torch.tensor(case["logits"]).std().item()
        print(f"{name:9} {path.stat().st_size:7} bytes, logits' deviation {spread:.2f}, "
              f"llama.cpp differs by {case.get('llama_cpp_difference')}")
        cases.append(case)
    text = ",\n".join(json.dumps(case) for case in cases)
    (folder / "tiny-models.json").write_text(
        '{"made_by": "Tests/StrataModelTests/Golden/architectures/make_tiny_models.py", "reference": "transformers '
        f'{transformers.__version__}, torch {torch.__version__}", "cases": [\n{text}\n]}}\n')


main()
