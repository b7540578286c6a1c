#!/usr/bin/env python3
"""Answers to the 100 questions of hotpotqa-100 by local models: right, cited, and how verdicts tell right from wrong.

    answers.py DATA WORK [--strata PATH] [--model NAME ...] [--home FOLDER]

DATA is ../shared/data; WORK gets the articles as Markdown files, a questions file and a collection of its own. A right
answer holds the expected words; questions to be answered by yes or no are left out, since these words prove little.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess

arguments = argparse.ArgumentParser()
arguments.add_argument("data", type=pathlib.Path)
arguments.add_argument("work", type=pathlib.Path)
arguments.add_argument("--strata", default=".build/release/strata")
arguments.add_argument("--model", nargs="+", default=["qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"])
options = arguments.parse_args()

folder = options.work / "articles"
folder.mkdir(parents=True, exist_ok=True)
source = options.data / "retrieval" / "hotpotqa-100"
names = {}
for index, (title, sentences) in enumerate(json.load(open(source / "hotpotqa_train_corpus.json")).items()):
    names[title] = f"{index:04}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')[:60]}.md"
    (folder / names[title]).write_text(f"# {title}\n\n{''.join(sentences).strip()}\n")

questions = []
for index, item in enumerate(json.load(open(source / "hotpotqa_train.json"))):
    if item["answer"].lower() in ("yes", "no"):
        continue
    questions.append({
        "id": f"hotpot-{index:03}", "question": item["question"], "as": "reader", "expected": [item["answer"]],
        "source": names[item["supporting_facts"][-1][0]], "readers": ["everyone"],
    })
# JSON is YAML.
file = options.work / "questions.yaml"
file.write_text(json.dumps({"questions": questions}, ensure_ascii=False, indent=1))

environment = dict(os.environ, STRATA_HOME=str(options.work / "home"))
models = pathlib.Path(os.environ.get("STRATA_HOME", pathlib.Path.home() / ".local/share/strata")) / "models"
(options.work / "home").mkdir(exist_ok=True)
link = options.work / "home" / "models"
if models.is_dir() and not link.exists():
    link.symlink_to(models.resolve())
subprocess.run([options.strata, "ingest", str(folder)], env=environment, check=True, stdout=subprocess.DEVNULL)
for model in options.model:
    result = subprocess.run(
        [options.strata, "eval", "questions", str(file), "--model", model, "--json"], env=environment, check=True,
        stdout=subprocess.PIPE)
    report = json.loads(result.stdout)
    (options.work / f"{model}.json").write_bytes(result.stdout)
    verdicts = report["verdicts"]
    shares = "  ".join(f"{name} {v['right']}/{v['of']}" for name, v in verdicts.items() if name != "separation")
    area = verdicts["separation"]
    print(f"{model}: answered {report['answered']['right']}/{report['answered']['of']}  right by verdict: {shares}"
          + (f"  AUC {area['mean']:.2f} ({area['low']:.2f}–{area['high']:.2f})" if area else ""), flush=True)
