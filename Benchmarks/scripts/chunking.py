#!/usr/bin/env python3
"""Strata's chunkers beside fixed windows, LangChain's RecursiveCharacterTextSplitter, and LlamaIndex's SentenceSplitter and
SemanticSplitterNodeParser: recall and IoU of marked answers, in one table.

    chunking.py [DATA] [--legs dense|hybrid] [--against langchain:200] [--corpus NAME ...] [--quick]        after `swift build -c release --product strata`

Every library cuts the same corpora with the same tokenizer (all-MiniLM-L6-v2's); `strata eval chunking` embeds, indexes and
searches all of them in the same way. --against adds paired differences, --corpus asks only about some of the corpora (settings were chosen on finance and
state_of_the_union; chatlogs, pubmed and wikitexts are held out), --quick leaves out the splitter that embeds. Needs langchain-text-splitters, llama-index-core, sentence-transformers.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_index.core import Document
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.node_parser import SemanticSplitterNodeParser, SentenceSplitter
from sentence_transformers import SentenceTransformer

root = pathlib.Path(__file__).resolve().parents[2]
data_default = pathlib.Path(os.environ.get("STRATA_DATA", root.parent / "shared/data")) / "retrieval/chunking"
parser = argparse.ArgumentParser()
parser.add_argument("data", nargs="?", default=str(data_default))
parser.add_argument("--legs", default="dense")
parser.add_argument("--against")
parser.add_argument("--corpus", nargs="*", default=[])
parser.add_argument("--quick", action="store_true")
parser.add_argument("--sizes", type=int, nargs="*", default=[200, 120])
parser.add_argument("--model", default=os.environ.get("MINILM", "/work/models/minilm"))
parser.add_argument("--chunker", nargs="*", default=["structural:200", "fixed:144", "structural:120", "fixed:87"])
options = parser.parse_args()

folder = sorted(path.parent for path in pathlib.Path(options.data).rglob("questions_df.csv"))[0]
corpora = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / "corpora").glob("*.md"))}
encoder = SentenceTransformer(options.model, device="cpu")
tokenizer = encoder.tokenizer


def tokens(text):
    return tokenizer.encode(text, add_special_tokens=False, verbose=False)


class Encoder(BaseEmbedding):
    def _get_text_embedding(self, text):
        return encoder.encode(text).tolist()

    def _get_text_embeddings(self, texts):
        return encoder.encode(texts, batch_size=64).tolist()

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


def langchain(size):
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=size, chunk_overlap=0, length_function=lambda text: len(tokens(text)), add_start_index=True)
    return lambda text: [piece.page_content for piece in splitter.create_documents([text])]


def llama(size):
    splitter = SentenceSplitter(chunk_size=size, chunk_overlap=0, tokenizer=tokens)
    return lambda text: splitter.split_text(text)


def semantic():
    splitter = SemanticSplitterNodeParser(embed_model=Encoder(model_name="minilm"), breakpoint_percentile_threshold=80)
    return lambda text: [node.text for node in splitter.get_nodes_from_documents([Document(text=text)])]


def spans(text, pieces):
    """Places of the pieces, in order. A library may have changed the white space: it is matched loosely then."""
    at = 0
    for piece in pieces:
        piece = piece.strip()
        if not piece:
            continue
        start = text.find(piece, at)
        if start < 0:
            words = piece.split()
            start = text.find(words[0], at)
            end = start
            for word in words:
                end = text.find(word, end) + len(word)
        else:
            end = start + len(piece)
        yield start, end
        at = max(at, start + 1)


splitters = {}
for size in options.sizes:
    splitters[f"langchain:{size}"] = langchain(size)
    splitters[f"llamaindex:{size}"] = llama(size)
if not options.quick:
    splitters["llamaidx-sem"] = semantic()
with tempfile.TemporaryDirectory() as temporary:
    arguments = []
    for name, split in splitters.items():
        path = pathlib.Path(temporary) / f"{name}.jsonl"
        with path.open("w") as file:
            for corpus, text in corpora.items():
                for start, end in spans(text, split(text)):
                    file.write(json.dumps({"corpus": corpus, "start": start, "end": end}) + "\n")
        arguments += ["--spans", str(path)]
    for name in options.chunker:
        arguments += ["--chunker", name]
    if options.against:
        arguments += ["--against", options.against]
    for name in options.corpus:
        arguments += ["--corpus", name]
    strata = root / ".build/release/strata"
    subprocess.run([strata, "eval", "chunking", options.data, "--legs", options.legs, *arguments], check=True)
