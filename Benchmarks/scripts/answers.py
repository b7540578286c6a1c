#!/usr/bin/env python3
"""Answers to the 100 questions of hotpotqa-100 by local models: right, cited, and how verdicts tell right from wrong.

    answers.py DATA WORK [--strata PATH] [--model NAME ...] [--plain]

DATA is ../shared/data; WORK gets the articles as Markdown files, a questions file and two collections of its own: all
articles, and all but those that hold an answer, where every answer is one too many. A right answer holds the expected
words; questions to be answered by yes or no are left out, since these words prove little.

--plain (needs sentence-transformers): the usual parts with the same model and prompt, for comparison: the three
articles whose vectors are nearest to the question's, and whatever the model says of them. Also with the two right
articles, which is the most that any search could get from the model.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

arguments = argparse.ArgumentParser()
arguments.add_argument("data", type=pathlib.Path)
arguments.add_argument("work", type=pathlib.Path)
arguments.add_argument("--strata", default=".build/release/strata")
arguments.add_argument("--model", nargs="+", default=["qwen2.5-coder-0.5b-instruct", "smollm2-135m-instruct"])
arguments.add_argument("--plain", action="store_true")
options = arguments.parse_args()

source = options.data / "retrieval" / "hotpotqa-100"
items = json.load(open(source / "hotpotqa_train.json"))
articles = {t: "".join(s).strip() for t, s in json.load(open(source / "hotpotqa_train_corpus.json")).items()}
gold = {title for item in items for title, _ in item["supporting_facts"]}
folders = {"default": options.work / "articles", "without": options.work / "without"}
names = {}
for folder in folders.values():
    folder.mkdir(parents=True, exist_ok=True)
for index, (title, text) in enumerate(articles.items()):
    names[title] = f"{index:04}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')[:60]}.md"
    for name, folder in folders.items():
        if name == "default" or title not in gold:
            (folder / names[title]).write_text(f"# {title}\n\n{text}\n")

questions = []
for index, item in enumerate(items):
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
for name, folder in folders.items():
    subprocess.run(
        [options.strata, "ingest", str(folder), "--collection", name], env=environment, check=True,
        stdout=subprocess.DEVNULL)


def evaluate(model, collection):
    """What `strata eval questions` says."""
    result = subprocess.run(
        [options.strata, "eval", "questions", str(file), "--model", model, "--collection", collection, "--json"],
        env=environment, check=True, stdout=subprocess.PIPE)
    (options.work / f"{model}-{collection}.json").write_bytes(result.stdout)
    return json.loads(result.stdout)


def plain(model):
    """Right answers of the model to the nearest three articles, and to the right ones."""
    from sentence_transformers import SentenceTransformer
    encoder = SentenceTransformer(os.environ.get("STRATA_MINILM", "sentence-transformers/all-MiniLM-L6-v2"))
    titles = list(articles)
    vectors = encoder.encode([f"{t}\n\n{articles[t]}" for t in titles], normalize_embeddings=True)
    port = 18_099
    server = subprocess.Popen(
        [options.strata, "serve", "--model", model, "--port", str(port)], env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            urllib.request.urlopen(url + "/healthz")
            break
        except OSError:
            time.sleep(0.2)

    def ask(question, chosen):
        text = "".join(f"[{n + 1}] {t}\n{articles[t]}\n\n" for n, t in enumerate(chosen))
        body = {
            "model": model, "temperature": 0, "max_tokens": 96, "messages": [
                {"role": "system", "content": "You answer questions from passages in one short sentence."},
                {"role": "user", "content": f"{text}Question: {question}\n"
                 "Answer in one short sentence, using only the passages."}]}
        request = urllib.request.Request(
            url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"].lower()

    right = {"nearest": 0, "gold": 0}
    by_id = {f"hotpot-{n:03}": item for n, item in enumerate(items)}
    for entry in questions:
        near = (vectors @ encoder.encode(entry["question"], normalize_embeddings=True)).argsort()[::-1][:3]
        supporting = list(dict.fromkeys(t for t, _ in by_id[entry["id"]]["supporting_facts"]))
        for name, chosen in (("nearest", [titles[n] for n in near]), ("gold", supporting)):
            right[name] += entry["expected"][0].lower() in ask(entry["question"], chosen)
    server.terminate()
    server.wait()
    print(f"{model}, usual parts: nearest three articles {right['nearest']}/{len(questions)}, "
          f"the right articles {right['gold']}/{len(questions)}", flush=True)


for model in options.model:
    report = evaluate(model, "default")
    without = evaluate(model, "without")
    false = sum(not result["refused"] for result in without["results"])
    verdicts = report["verdicts"]
    shares = "  ".join(f"{name} {v['right']}/{v['of']}" for name, v in verdicts.items() if name != "separation")
    area = verdicts["separation"]
    refused = sum(result["refused"] for result in report["results"])
    print(f"{model}: right {report['answered']['right']}/{report['answered']['of']}, refused {refused}; without the "
          f"articles answered {false}\n  right by verdict: {shares}"
          + (f"  AUC {area['mean']:.2f} ({area['low']:.2f}–{area['high']:.2f})" if area else ""), flush=True)
    if options.plain:
        plain(model)
