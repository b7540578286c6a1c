"""kill -9 at random moments during ingest and ask, then restart: no lost or doubled document, every run resumes or says why.

Usage: python crashes.py [ROUNDS] ; works in a STRATA_HOME of its own that shares the models.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
strata = os.path.abspath(os.environ.get("STRATA", ".build/release/strata"))
models = pathlib.Path(os.environ.get("STRATA_HOME", pathlib.Path.home() / ".local/share/strata")) / "models"
root = pathlib.Path(tempfile.mkdtemp(prefix="strata-crash-"))
home, docs = root / "home", root / "docs"
home.mkdir()
(home / "models").symlink_to(models)
os.environ["STRATA_HOME"] = str(home)
rng = random.Random(7)


def run(*args, check=True):
    done = subprocess.run([strata, *args], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"{args} failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else {}


def killed(delay, *args):
    process = subprocess.Popen([strata, *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


shutil.copytree("Examples/handbook", docs)
for index in range(120):
    (docs / f"note-{index:03}.md").write_text(
        f"# Note {index}\n\n" + " ".join(f"Fact {index}-{k} is about item {rng.randrange(9999)}." for k in range(60)))
start = time.time()
baseline_home = root / "baseline"
baseline_home.mkdir()
(baseline_home / "models").symlink_to(models)
os.environ["STRATA_HOME"] = str(baseline_home)
expected = run("ingest", str(docs), "--json")
seconds = time.time() - start
os.environ["STRATA_HOME"] = str(home)
print(f"whole ingest: {seconds:.1f} s, {len(expected['added'])} documents")

hits = 0
for index in range(rounds):
    hits += killed(rng.uniform(0.05, max(0.3, seconds / 2)), "ingest", str(docs))
report = run("ingest", str(docs), "--json")
documents = run("doctor", "--json")
print(f"ingest killed {hits} of {rounds} times while running; final run: {json.dumps(report)[:200]}")
print("doctor:", json.dumps(documents)[:400])
total = len(report["added"]) + report["unchanged"] + len(report["updated"])
assert total == len(expected["added"]), (total, expected)

question = "How many weeks of paid parental leave does each parent have?"
begun = time.time()
run("ask", question, "--as", "amara", "--json")
ask_seconds = time.time() - begun
hits = 0
for index in range(rounds):
    hits += killed(rng.uniform(0.05, ask_seconds), "ask", question, "--as", "amara", "--json")
runs = run("agent", "list", "--json")["runs"]
open_runs = [r for r in runs if r["status"] == "running"]
outcomes = []
for item in open_runs:
    done = subprocess.run([strata, "agent", "resume", item["run"], "--json"], capture_output=True, text=True)
    value = json.loads(done.stdout)
    outcomes.append("resumed" if "answer" in value else "said why: " + str(value.get("error", {}).get("message")))
print(f"ask killed {hits} of {rounds} times while running; {len(runs)} runs, {len(open_runs)} open: {outcomes}")
left = [r for r in run("agent", "list", "--json")["runs"] if r["status"] == "running"]
assert not left, left
shutil.rmtree(root)
print("ok")
