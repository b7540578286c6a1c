#!/usr/bin/env python3
"""Makes a tiny random BERT encoder and a tiny cross-encoder, and what transformers computes with them.

  make_tiny_encoders.py OUT_FOLDER

Writes OUT_FOLDER/encoder/ and OUT_FOLDER/cross-encoder/ (config.json, model.safetensors, vocab.txt), encoder.gguf with
the encoder's weights, and encoders.json: vectors of texts by mean and by first token, scores of pairs. Made with torch
2.13, transformers 5.23, gguf 0.19.
"""
import json
import pathlib
import sys

import gguf
import numpy
import torch
import transformers

WORDS = """the a cat dog sat on mat bird flew over sea who may read what answer question engine page key value token
##s ##ing ##ed run walk . , ?""".split()
TEXTS = ["The cat sat on a mat.", "a bird flew over the sea", "who may read what?", "", "unknownword runs, walking",
         "the dog " * 40]
PAIRS = [("who may read?", ["The cat may read.", "a bird flew over the sea, over the sea", "", "keys walked " * 40]),
         ("what question " * 20, ["answer", "the answer sat on a page " * 12])]
CONTEXT = 64


def fill(model):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.rand(tensor.shape, generator=generator) * 2 - 1
            center = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            tensor.copy_((center + noise * 0.3).half().float())
    return model.eval()


def save(model, folder):
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    model.float()
    for extra in folder.iterdir():
        if extra.name not in ("config.json", "model.safetensors"):
            extra.unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")


def vocabulary():
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS


def write_gguf(path, model):
    config = model.config
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    writer.add_token_type_count(config.type_vocab_size)
    writer.add_tokenizer_model("bert")
    writer.add_token_list([t if t[0] == "[" else t[2:] if t.startswith("##") else "\u2581" + t for t in vocabulary()])
    writer.add_token_types([3] * 5 + [1] * len(WORDS))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if "position_ids" in name or "pooler" in name:
            continue
        data = tensor.numpy()
        matrix = data.ndim > 1 and "embeddings" not in name
        writer.add_tensor(
            names.get_name(name, try_suffixes=(".weight", ".bias")),
            data.astype(numpy.float16 if matrix else numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder = pathlib.Path(sys.argv[1])
    config = transformers.BertConfig(
        vocab_size=len(vocabulary()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=CONTEXT, type_vocab_size=2, num_labels=1, hidden_act="gelu")
    encoder = fill(transformers.BertModel(config))
    save(encoder, folder / "encoder")
    cross = fill(transformers.BertForSequenceClassification(config))
    save(cross, folder / "cross-encoder")
    write_gguf(folder / "encoder.gguf", encoder)
    tokenizer = transformers.BertTokenizer(str(folder / "encoder" / "vocab.txt"), model_max_length=CONTEXT)

    def rounded(values):
        return [round(float(x), 6) for x in values]

    result = {"made_by": "Tests/StrataModelTests/Golden/encoders/make_tiny_encoders.py",
              "reference": f"transformers {transformers.__version__}, torch {torch.__version__}", "texts": [], "pairs": []}
    with torch.no_grad():
        for text in TEXTS:
            inputs = tokenizer(text, return_tensors="pt", truncation=True)
            states = encoder(**inputs).last_hidden_state[0]
            normalize = torch.nn.functional.normalize
            result["texts"].append({
                "text": text, "ids": inputs["input_ids"][0].tolist(),
                "mean": rounded(normalize(states.mean(0), dim=0)), "first": rounded(normalize(states[0], dim=0))})
        for query, documents in PAIRS:
            scores, ids = [], []
            for document in documents:
                inputs = tokenizer([query], [document], return_tensors="pt", truncation=True)
                scores.append(float(cross(**inputs).logits[0, 0]))
                ids.append(inputs["input_ids"][0].tolist())
            result["pairs"].append({"query": query, "documents": documents, "scores": rounded(scores), "ids": ids})
    (folder / "encoders.json").write_text(json.dumps(result) + "\n")


main()
