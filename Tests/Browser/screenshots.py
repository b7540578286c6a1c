#!/usr/bin/env python3
"""Drives the web page in headless Chromium over the DevTools protocol, checks what must hold, and takes screenshots.

    screenshots.py http://127.0.0.1:8080 OUTPUT_FOLDER [--question TEXT] [--as USER] [--chromium PATH]

Needs the Python package websocket-client and a Chromium. Exits with 1 when a check fails.
"""
import argparse
import base64
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import websocket


class Page:
    """One tab."""

    def __init__(self, browser, port):
        self.browser = browser
        targets = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
        target = next(t for t in targets if t["type"] == "page")
        self.socket = websocket.create_connection(target["webSocketDebuggerUrl"], suppress_origin=True, timeout=30)
        self.next_id = 0
        self.problems = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.next_id += 1
        self.socket.send(json.dumps({"id": self.next_id, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.next_id:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.note(message)

    def note(self, message):
        """Keeps what the page complained about; failed requests are part of some scenes and are no complaint."""
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Log.entryAdded":
            entry = parameters["entry"]
            if entry["level"] == "error" and entry["source"] != "network":
                self.problems.append(entry["text"])

    def run(self, expression):
        try:
            result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        except RuntimeError as error:
            # Between two pages there is nothing to evaluate in.
            if "context" in str(error):
                return None
            raise
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, expression, seconds=30):
        end = time.time() + seconds
        while time.time() < end:
            if self.run(f"!!({expression})"):
                return
            time.sleep(0.05)
        raise TimeoutError(expression)

    def size(self, width, height, is_phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if is_phone else 1, mobile=is_phone)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")
        # A change of the fragment alone does not load the page again. The mark tells the new page from the old one.
        self.run("window.isOldPage = true")
        self.call("Page.reload")
        self.wait("!window.isOldPage && document.querySelector('#theme')?.childElementCount > 0")
        time.sleep(0.3)

    def key(self, key, text=None):
        codes = {"Enter": 13, "Escape": 27, "/": 191}
        common = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def shot(self, path):
        time.sleep(0.35)
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
        print(f"  {path}")


class Scenes:
    def __init__(self, page, options):
        self.page = page
        self.base = options.url.rstrip("/")
        self.out = pathlib.Path(options.folder)
        self.question = options.question
        self.user = options.user
        self.failures = []

    def check(self, name, holds):
        print(("  ok    " if holds else "  FAIL  ") + name)
        if not holds:
            self.failures.append(name)

    def shot(self, name):
        self.page.shot(self.out / f"{name}.png")

    def fresh(self, view="ask"):
        self.page.go(f"{self.base}/#{view}")
        if self.user:
            self.page.run(f"localStorage.setItem('strata-as', {json.dumps(self.user)})")
            self.page.go(f"{self.base}/#{view}")

    def ask(self, question):
        self.page.run("document.activeElement.blur()")
        self.page.key("/", "/")
        self.page.wait("document.activeElement.id === 'question'", 5)
        self.page.type(question)
        self.page.key("Enter", "\r")
        self.page.wait("document.querySelector('.entry')", 5)

    def finished(self, seconds=180):
        self.page.wait("document.querySelector('.entry:last-child .answer[aria-busy=false]')", seconds)

    def no_overflow(self, name):
        self.check(f"{name}: nothing is wider than the screen",
                   self.page.run("document.documentElement.scrollWidth <= innerWidth"))

    def empty(self, scheme):
        self.page.size(1280, 860)
        self.page.scheme(scheme)
        self.fresh()
        self.page.wait("document.querySelector('#welcome-lede').textContent.length > 0", 10)
        self.shot(f"empty-{scheme}")

    def answer(self, scheme):
        self.page.size(1280, 860)
        self.page.scheme(scheme)
        self.fresh()
        self.ask(self.question)
        self.page.wait("document.querySelector('.status') && !document.querySelector('.status').hidden", 5)
        self.shot(f"working-{scheme}")
        try:
            self.page.wait("document.querySelector('.answer.is-writing')?.textContent.length > 30", 120)
            self.shot(f"streaming-{scheme}")
        except TimeoutError:
            print("  the answer came too fast, or not in pieces, for a picture of it being written")
        self.finished()
        self.page.run("document.querySelector('.steps').open = true")
        self.shot(f"answer-{scheme}")
        if self.page.run("document.querySelectorAll('.source').length") == 0:
            self.check("the answer has a citation", False)
            return
        self.page.run("document.querySelector('.source').click()")
        self.page.wait("document.querySelector('#panel-body mark')", 10)
        same = self.page.run("""(() => {
            const words = (text) => text.replace(/\\s+/g, ' ').trim();
            const quote = words(document.querySelector('.source-quote').textContent);
            const marked = [...document.querySelectorAll('mark')].map((mark) => mark.textContent).join(' ');
            return words(marked).includes(quote.slice(0, 200)); })()""")
        self.check("the highlighted bytes are the quote", same)
        self.check("the quote is in view", self.page.run("""(() => {
            const box = document.querySelector('mark').getBoundingClientRect();
            return box.top >= 0 && box.top < innerHeight; })()"""))
        self.shot(f"citation-{scheme}")
        self.page.key("Escape")
        self.check("Escape closes the panel", self.page.run("document.querySelector('#panel').hidden"))

    def stop(self):
        self.page.size(1280, 860)
        self.page.scheme("light")
        self.fresh()
        self.ask(self.question)
        self.page.run("document.activeElement.blur()")
        self.page.key("Escape")
        self.page.wait("document.querySelector('.is-stopped')", 10)
        self.check("Escape stops the answer", True)
        self.shot("stopped")

    def failure(self):
        """A server that is gone, by blocking its address in the browser."""
        self.fresh()
        self.page.call("Network.setBlockedURLs", urls=["*/api/ask*"])
        self.ask(self.question)
        self.page.wait("document.querySelector('.failure')", 10)
        self.check("a server that is gone is said", "does not answer" in self.page.run(
            "document.querySelector('.failure').textContent"))
        self.shot("error")
        self.page.call("Network.setBlockedURLs", urls=[])
        self.page.run("document.querySelector('.failure button').click()")
        self.finished()
        self.check("trying again answers", self.page.run("!document.querySelector('.entry:last-child .failure')"))

    def documents(self):
        for scheme in ("light", "dark"):
            self.page.size(1280, 860)
            self.page.scheme(scheme)
            self.fresh("documents")
            self.page.wait("document.querySelector('.documents')", 10)
            self.shot(f"documents-{scheme}")
        self.page.scheme("light")
        self.fresh("history")
        self.page.wait("document.querySelector('.runs')", 10)
        self.shot("history")

    def explore(self):
        """Search with its reasons, a document's details, and who can see what."""
        for scheme in ("light", "dark"):
            self.page.size(1280, 860)
            self.page.scheme(scheme)
            self.fresh("search")
            self.page.wait("document.activeElement.id === 'search-text'", 5)
            self.page.type(self.question)
            self.page.key("Enter", "\r")
            self.page.wait("document.querySelector('.hit')", 20)
            self.page.run("document.querySelector('.why').open = true")
            self.check("every hit says which leg found it", self.page.run(
                "[...document.querySelectorAll('.hit')].every((hit) => hit.querySelector('.why-legs tbody tr'))"))
            self.shot(f"search-{scheme}")
            self.fresh("documents")
            self.page.wait("document.querySelector('.documents [aria-expanded]')", 10)
            self.page.run("document.querySelectorAll('.documents [aria-expanded]')[1].click()")
            self.page.wait("document.querySelector('.lineage .node')", 10)
            self.shot(f"details-{scheme}")
            self.page.run("document.querySelector('#show-access').click()")
            self.page.wait("document.querySelector('.access')", 10)
            self.shot(f"access-{scheme}")
        self.page.size(390, 800, is_phone=True)
        self.page.scheme("light")
        self.fresh("search")
        self.page.wait("document.activeElement.id === 'search-text'", 5)
        self.page.type(self.question)
        self.page.key("Enter", "\r")
        self.page.wait("document.querySelector('.hit')", 20)
        self.page.run("document.querySelector('.why').open = true")
        self.no_overflow("390 px, search")
        self.shot("phone-390-search")
        self.fresh("documents")
        self.page.wait("document.querySelector('.documents [aria-expanded]')", 10)
        self.page.run("document.querySelectorAll('.documents [aria-expanded]')[1].click()")
        self.page.wait("document.querySelector('.lineage .node')", 10)
        self.no_overflow("390 px, details")
        self.shot("phone-390-details")

    def phone(self):
        for width in (390, 320):
            self.page.size(width, 800 if width == 390 else 640, is_phone=True)
            self.page.scheme("light" if width == 390 else "dark")
            self.fresh()
            self.page.wait("document.querySelector('#welcome-lede').textContent.length > 0", 10)
            self.no_overflow(f"{width} px, empty")
            self.shot(f"phone-{width}-empty")
            self.ask(self.question)
            self.finished()
            self.no_overflow(f"{width} px, answer")
            self.shot(f"phone-{width}-answer")
            if self.page.run("document.querySelectorAll('.source').length") > 0:
                self.page.run("document.querySelector('.source').click()")
                self.page.wait("document.querySelector('#panel-body mark')", 10)
                self.shot(f"phone-{width}-citation")
                self.page.key("Escape")
            self.fresh("documents")
            self.page.wait("document.querySelector('.documents')", 10)
            self.no_overflow(f"{width} px, documents")
            self.shot(f"phone-{width}-documents")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("folder")
    parser.add_argument("--question", default="What is the limit for a hotel night?")
    parser.add_argument("--as", dest="user", help="whom to ask as, in local mode")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    parser.add_argument("--only", help="names of scenes, with commas")
    options = parser.parse_args()
    pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [options.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             f"--remote-debugging-port={port}", f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version")
                    break
                except OSError:
                    time.sleep(0.1)
            page = Page(browser, port)
            scenes = Scenes(page, options)
            plan = {
                "empty": lambda: [scenes.empty(s) for s in ("light", "dark")],
                "answer": lambda: [scenes.answer(s) for s in ("light", "dark")],
                "stop": scenes.stop, "failure": scenes.failure, "documents": scenes.documents,
                "explore": scenes.explore, "phone": scenes.phone,
            }
            for name, scene in plan.items():
                if options.only and name not in options.only.split(","):
                    continue
                print(name)
                scene()
            scenes.check(f"the page has no script errors {page.problems}", not page.problems)
        finally:
            browser.terminate()
            browser.wait()
    if scenes.failures:
        sys.exit(f"{len(scenes.failures)} checks failed")


if __name__ == "__main__":
    main()
