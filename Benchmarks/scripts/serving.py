#!/usr/bin/env python3
"""Strata's server and llama-server under the same open-loop load: same GGUF, same threads, in turn.

    python Benchmarks/scripts/serving.py MODEL.gguf [--only a,b,c,d] [--repeat 5] [--adapters FOLDER] [--json FILE]

Needs LLAMA_BIN (folder with llama-server) and a built Strata (STRATA, default .build/release/strata). Requests are sent when the
plan says so, whether or not earlier ones have ended. Standard library only, so that the client takes little of two processors.

  a  four chats run, a prompt of 2,000 tokens arrives: gaps between their tokens until its first token (p50, p99, largest)
  b  twenty questions that share a prefix of 1,000 tokens, sent together: time until the last has ended
  c  eight adapters, one per request, sent together: completion tokens per second
  d  one tenant sends 200 requests at once, another asks now and then: time to first token of the other, beside its idle value
"""
import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = ("river stone market window garden letter engine valley copper winter silver forest kitchen harbor signal "
         "mountain paper bridge candle meadow").split()


def text_of(words, seed):
    """Plain prose-like filler; every seed gives another text."""
    state, out = seed * 2654435761 % 2**32, []
    for index in range(words):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(WORDS[(state >> 16) % len(WORDS)])
        if index % 12 == 11:
            out[-1] += "."
    return " ".join(out)


class Reply:
    """What one request gave: when it was sent, when each piece came, how it ended."""

    def __init__(self):
        self.sent = time.perf_counter()
        self.times = []
        self.status = 0
        self.usage = {}
        self.error = None
        self.ended = None

    @property
    def first(self):
        return self.times[0] - self.sent if self.times else None


async def request(port, body, key=None, path="/v1/completions"):
    """Sends one streaming request and reads it to its end."""
    reply = Reply()
    data = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        writer.write((head + "Connection: close\r\n\r\n").encode() + data)
        await writer.drain()
        status = await reader.readline()
        reply.status = int(status.split()[1])
        while (await reader.readline()).strip():
            pass
        if reply.status != 200:
            reply.error = (await reader.read(2000)).decode(errors="replace")
        while reply.status == 200:
            line = await reader.readline()
            if not line:
                break
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if event.get("usage"):
                reply.usage = event["usage"]
            choice = (event.get("choices") or [{}])[0]
            if choice.get("text") or (choice.get("delta") or {}).get("content"):
                reply.times.append(time.perf_counter())
        writer.close()
    except (OSError, ValueError, IndexError) as error:
        reply.error = repr(error)
    reply.ended = time.perf_counter()
    return reply


# Servers


class Server:
    def __init__(self, command, port, health, environment=None, log=None):
        self.health = health
        self.port = port
        self.log = open(log or os.devnull, "wb")
        self.process = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdout=self.log, stderr=self.log)

    async def ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}: {self.process.args}")
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(f"GET {self.health} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                line = await reader.readline()
                writer.close()
                if b" 200" in line:
                    return self
            except OSError:
                pass
            await asyncio.sleep(0.1)
        sys.exit("the server did not become ready")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


class Plan:
    """Where a side differs: how it is started, how the model, an adapter and a tenant are named."""

    def __init__(self, args):
        self.args = args

    def body(self, prompt, tokens, adapter=None):
        return {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "logit_bias": self.args.bias, "model": self.model}


class Strata(Plan):
    name = "strata"
    model = None

    async def start(self, slots, context, adapters=()):
        home = tempfile.mkdtemp(prefix="strata-serving-")
        for folder in ("models",):
            source = os.path.join(os.environ.get("STRATA_HOME", os.path.expanduser("~/.local/share/strata")), folder)
            os.symlink(source, os.path.join(home, folder))
        self.keys = {}
        for tenant in ("one", "two"):
            made = subprocess.check_output(
                [self.args.strata, "key", "create", "--name", tenant, "--user", tenant, "--tenant", tenant, "--json"],
                env={**os.environ, "STRATA_HOME": home})
            self.keys[tenant] = json.loads(made)["secret"]
        command = [self.args.strata, "serve", "--model", self.args.model, "--threads", "2", "--port", str(self.args.port),
                   *self.args.strata_options.split()]
        for name, _, peft in adapters:
            command += ["--adapter", f"{name}={peft}"]
        server = Server(command, self.args.port, "/healthz", {"STRATA_HOME": home}, self.args.log)
        self.home = home
        await server.ready()
        self.model = os.path.splitext(os.path.basename(self.args.model))[0]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.args.port)
        writer.write((f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key('one')}\r\n"
                      "Connection: close\r\n\r\n").encode())
        await writer.drain()
        answer = (await reader.read()).split(b"\r\n\r\n", 1)[1]
        start, end = answer.find(b"{"), answer.rfind(b"}")
        self.model = json.loads(answer[start:end + 1])["data"][0]["id"]
        return server

    def key(self, tenant):
        return self.keys[tenant]

    def adapted(self, body, index, adapters):
        return {**body, "model": f"{self.model}:{adapters[index][0]}"}


class Llama(Plan):
    name = "llama-server"
    model = "model"

    async def start(self, slots, context, adapters=()):
        command = [os.path.join(self.args.llama, "llama-server"), "-m", self.args.model, "-t", "2", "--port",
                   str(self.args.port), "-np", str(slots), "-c", str(context), *self.args.llama_options.split()]
        if adapters:
            command += ["--lora", ",".join(gguf for _, gguf, _ in adapters)]
        return await Server(command, self.args.port, "/health", log=self.args.log).ready()

    def key(self, tenant):
        return None

    def adapted(self, body, index, adapters):
        return {**body, "lora": [{"id": other, "scale": 1.0 if other == index else 0.0} for other in range(len(adapters))]}


# Scenarios


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


async def interruption(plan, args, server, round_number):
    """(a): gaps of four chats between the arrival of a long prompt and its first token."""
    chats = [asyncio.create_task(request(plan.args.port, plan.body(
        f"Story {round_number}-{index}. " + text_of(60, 7 * round_number + index) + "\nOnce upon a time", args.chat_tokens), plan.key("one")))
        for index in range(4)]
    await asyncio.sleep(args.lead)
    arrival = time.perf_counter()
    long = await request(plan.args.port, plan.body(text_of(args.long_words, 1000 + round_number), 1), plan.key("one"))
    until = long.times[0] if long.times else long.ended
    replies = await asyncio.gather(*chats)
    gaps, quiet = [], []
    for reply in replies:
        for before, after in zip(reply.times, reply.times[1:]):
            if after > arrival and before < until:
                gaps.append(after - before)
            elif after <= arrival and before > reply.times[0]:
                quiet.append(after - before)
    errors = [reply.error for reply in [*replies, long] if reply.error]
    return {"prompt_tokens": long.usage.get("prompt_tokens"), "gaps": len(gaps), "p50_ms": 1e3 * percentile(gaps, 0.5),
            "p99_ms": 1e3 * percentile(gaps, 0.99), "largest_ms": 1e3 * max(gaps, default=float("nan")),
            "undisturbed_p50_ms": 1e3 * percentile(quiet, 0.5), "long_ttft_ms": 1e3 * (until - arrival), "errors": errors}


async def shared_prefix(plan, args, server, round_number):
    """(b): twenty questions behind one prefix that no earlier round had."""
    prefix = text_of(args.prefix_words, 5000 + round_number)
    start = time.perf_counter()
    replies = await asyncio.gather(*[request(
        plan.args.port, plan.body(f"{prefix}\nQuestion {index}: what does the {WORDS[index % 20]} mean?\nAnswer:", 32), plan.key("one"))
        for index in range(20)])
    usage = [reply.usage for reply in replies]
    return {"seconds": time.perf_counter() - start, "prompt_tokens": usage[0].get("prompt_tokens"),
            "completion_tokens": sum(item.get("completion_tokens", 0) for item in usage),
            "errors": [reply.error for reply in replies if reply.error]}


async def adapters_at_once(plan, args, server, round_number):
    """(c): one request per adapter, all at once."""
    listed = args.adapter_list
    start = time.perf_counter()
    replies = await asyncio.gather(*[request(plan.args.port, plan.adapted(plan.body(
        f"Note {round_number}-{index}: " + text_of(40, 90 * round_number + index), 64), index, listed), plan.key("one"))
        for index in range(len(listed))])
    seconds = time.perf_counter() - start
    tokens = sum(reply.usage.get("completion_tokens", 0) for reply in replies)
    return {"seconds": seconds, "completion_tokens": tokens, "tokens_per_second": tokens / seconds,
            "errors": [reply.error for reply in replies if reply.error]}


async def flood(plan, args, server, round_number):
    """(d): the quiet tenant's time to first token, idle and while another tenant's 200 requests are in the house."""
    async def ask(number):
        return await request(plan.args.port, plan.body(f"Ask {round_number}-{number}: " + text_of(60, 333 * round_number + number), 16),
                             plan.key("two"))
    idle = []
    for number in range(20):
        idle.append((await ask(number)).first)
    flooding = [asyncio.create_task(request(plan.args.port, plan.body(
        f"Flood {round_number}-{index}: " + text_of(150, 17_000 + 400 * round_number + index), 64), plan.key("one"))) for index in range(200)]
    await asyncio.sleep(1)
    probes = []
    for number in range(20):
        probes.append(asyncio.create_task(ask(100 + number)))
        await asyncio.sleep(0.5)
    during = await asyncio.gather(*probes)
    busy = sum(not task.done() for task in flooding)
    flooded = await asyncio.gather(*flooding)
    refused = sum(reply.status == 429 for reply in flooded)
    served = sum(reply.status == 200 for reply in flooded)
    idle95 = percentile([value for value in idle if value], 0.95)
    during95 = percentile([reply.first for reply in during if reply.first], 0.95)
    return {"idle_p50_ms": 1e3 * percentile([value for value in idle if value], 0.5), "idle_p95_ms": 1e3 * idle95,
            "flooded_p50_ms": 1e3 * percentile([r.first for r in during if r.first], 0.5), "flooded_p95_ms": 1e3 * during95,
            "ratio": during95 / idle95, "probes_answered": sum(reply.first is not None for reply in during), "flood_served": served,
            "flood_refused_429": refused, "flood_running_after_last_probe": busy,
            "errors": [reply.error for reply in during if reply.error][:3]}


SCENARIOS = {
    "a": (interruption, 5, 16384), "b": (shared_prefix, 20, 49152), "c": (adapters_at_once, 8, 16384), "d": (flood, 8, 16384)}


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--only", default="a,b,c,d")
    parser.add_argument("--sides", default="strata,llama-server")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--port", type=int, default=18431)
    parser.add_argument("--adapters", help="folder with NAME.gguf and NAME/ (PEFT) of eight adapters")
    parser.add_argument("--strata", default=os.environ.get("STRATA", ".build/release/strata"))
    parser.add_argument("--llama", default=os.environ.get("LLAMA_BIN", ""))
    parser.add_argument("--strata-options", default="")
    parser.add_argument("--llama-options", default="")
    parser.add_argument("--llama-slots", type=int, help="instead of the scenario's number")
    parser.add_argument("--chat-tokens", type=int, default=800)
    parser.add_argument("--lead", type=float, default=1.0, help="seconds the chats run before the long prompt")
    parser.add_argument("--long-words", type=int, default=1850)
    parser.add_argument("--prefix-words", type=int, default=930)
    parser.add_argument("--bias", type=json.loads, default={}, help='logit_bias that bans ends, as JSON: {"2": -100}')
    parser.add_argument("--log", default=None)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    args.model = os.path.abspath(args.model)
    args.adapter_list = []
    if args.adapters:
        names = sorted(name[:-5] for name in os.listdir(args.adapters) if name.endswith(".gguf"))[:8]
        args.adapter_list = [(name, os.path.abspath(f"{args.adapters}/{name}.gguf"), os.path.abspath(f"{args.adapters}/{name}")) for name in names]
    sides = [side for side in (Strata(args), Llama(args)) if side.name in args.sides.split(",")]
    results = {}
    for letter in args.only.split(","):
        scenario, slots, context = SCENARIOS[letter]
        adapters = args.adapter_list if letter == "c" else []
        if letter == "c" and not adapters:
            print("c: skipped, no --adapters")
            continue
        for side in sides:
            server = await side.start(args.llama_slots or slots, context, adapters)
            try:
                warm = await request(args.port, side.body("Warm up.", 8), side.key("one"))
                if warm.error:
                    print(f"{letter} {side.name} warm-up: {warm.error}")
                rounds = [await scenario(side, args, server, number) for number in range(args.repeat)]
            finally:
                server.stop()
                if getattr(side, "home", None):
                    shutil.rmtree(side.home, ignore_errors=True)
            medians = {name: statistics.median(item[name] for item in rounds) for name, value in rounds[0].items()
                       if isinstance(value, (int, float))}
            medians["errors"] = [error for item in rounds for error in item["errors"]][:3]
            results.setdefault(letter, {})[side.name] = {"median": medians, "rounds": rounds}
            print(f"{letter} {side.name:12}", json.dumps({name: round(value, 2) if isinstance(value, float) else value
                                                        for name, value in medians.items()}), flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    asyncio.run(main())
