// Owns the conversation: asking, the streamed answer with its citations and steps, stopping and trying again.
import * as api from "./api.js";
import { announce, byID, formatDuration, formatNumber, h, icon, plural } from "./dom.js";
import * as panel from "./panel.js";
import { prose, withSentenceEnds } from "./text.js";

const words = {
  rewrite: { running: "Reading the conversation", done: "Understood as", failed: "Not understood" },
  plan: { running: "Deciding what to do", done: "Planned", failed: "Planning failed" },
  search: { running: "Searching", done: "Searched", failed: "Search failed" },
  answer: { running: "Writing the answer", done: "Answered", failed: "Answering failed" },
};

const verdicts = {
  supported: "Supported by the quoted sentences",
  partial: "Only partly supported by the quoted sentences",
  unsupported: "Not supported by the quoted sentences",
};

/** One question with everything that came back. */
class Entry {
  constructor(question, { conversation, onAgain }) {
    this.question = question;
    this.conversation = conversation;
    this.onAgain = onAgain;
    this.text = "";
    this.steps = new Map();
    this.citations = new Map();
    this.sentences = [];
    this.result = null;
    this.start = performance.now();
    this.isRunning = true;
    this.controller = new AbortController();
    this.status = h("p", { class: "status" },
      h("span", { class: "pulse", "aria-hidden": "true" }), h("span", {}, "Thinking"));
    this.answer = h("div", { class: "answer", "aria-live": "polite", "aria-busy": "true" });
    this.sources = h("div", { class: "sources", hidden: true });
    this.trail = h("div", { class: "trail" });
    this.actions = h("div", { class: "actions" });
    this.element = h("article", { class: "entry", "aria-label": `Question: ${question}` },
      h("h2", { class: "question" }, question), this.answer, this.status, this.sources, this.trail, this.actions);
  }

  async run(onEnd) {
    try {
      await api.ask(this.question, {
        conversation: this.conversation, signal: this.controller.signal, onEvent: (name, data) => this.take(name, data),
      });
      this.finish();
    } catch (error) {
      if (error.name === "AbortError") this.stopped();
      else this.failed(api.failureFor(error));
    } finally {
      this.isRunning = false;
      onEnd();
    }
  }

  stop() {
    this.controller.abort();
  }

  take(name, data) {
    switch (name) {
      case "step":
        this.steps.set(data.index, data);
        if (data.state === "running") {
          this.say(words[data.kind]?.running ?? `Using ${data.kind}`, data.kind === "search" ? `“${data.detail}”` : "");
        }
        break;
      case "delta":
        this.text += data.text;
        this.schedule();
        break;
      case "citation":
        this.citations.set(data.number, data);
        this.schedule();
        break;
      case "done":
        this.result = data;
        this.text = data.answer;
        this.citations = new Map(data.citations.map((citation) => [citation.number, citation]));
        this.sentences = data.faithfulness?.sentences ?? [];
        break;
      default:
        break;
    }
  }

  say(text, detail = "") {
    this.status.lastChild.replaceChildren(text, detail ? h("span", { class: "status-detail" }, ` ${detail}`) : "");
    announce(`${text} ${detail}`);
  }

  /** Draws at most once a frame, however fast the pieces come. */
  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const isNear = window.innerHeight + window.scrollY > document.body.scrollHeight - 160;
    // A citation that is not whole yet would show as a stray bracket.
    const text = this.isRunning ? this.text.replace(/\s*\[\d*$/, "") : this.text;
    const shown = new Set();
    this.answer.replaceChildren(...prose(withSentenceEnds(text, this.sentences), {
      citation: (number) => {
        shown.add(number);
        return this.marker(number);
      },
      sentence: (number) => this.verdict(this.sentences[number]),
    }));
    // A model that cites without writing [n] still gets its marks, at the end.
    if (!this.isRunning && this.answer.lastElementChild) {
      const end = this.answer.lastElementChild;
      const rest = [...this.citations.keys()].filter((number) => !shown.has(number)).sort((a, b) => a - b);
      (end.matches("ul, ol") ? end.lastElementChild : end.localName === "pre" ? this.answer : end)
        .append(...rest.map((number) => this.marker(number)));
    }
    if (this.isRunning) {
      this.answer.classList.add("is-writing");
      if (isNear) window.scrollTo({ top: document.body.scrollHeight });
    }
  }

  marker(number) {
    const citation = this.citations.get(number);
    if (!citation) return null;
    return h("button", {
      class: "cite", type: "button", title: citation.title || citation.document,
      "aria-label": `Source ${number}: ${citation.title || citation.document}`,
      onClick: (event) => this.openSource(citation, event.currentTarget),
    }, String(number));
  }

  /** A quiet mark behind a sentence: a full, half or empty circle. */
  verdict(sentence) {
    if (!sentence?.verdict) return null;
    const label = `${verdicts[sentence.verdict] ?? sentence.verdict} (${Math.round(sentence.score * 100)} of 100)`;
    return h("span", { class: `support is-${sentence.verdict}`, role: "img", title: label, "aria-label": label });
  }

  openSource(citation, from) {
    for (const element of document.querySelectorAll(".is-current")) element.classList.remove("is-current");
    for (const element of this.sources.querySelectorAll(`[data-number="${citation.number}"]`)) {
      element.classList.add("is-current");
    }
    panel.open(citation, { start: citation.start, end: citation.end }, from);
  }

  end() {
    if (this.frame) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.isRunning = false;
    this.draw();
    this.answer.classList.remove("is-writing");
    this.answer.setAttribute("aria-busy", "false");
    this.status.hidden = true;
    this.drawTrail();
  }

  finish() {
    this.end();
    if (!this.result.answerable) {
      if (!this.text.trim()) this.answer.append(h("p", {}, "The documents do not answer this."));
      this.element.classList.add("is-unanswered");
      if (session?.local && session.users.length) {
        this.sources.before(h("p", { class: "aside" },
          `Asked as ${api.currentUser() ?? "nobody in particular"}. Somebody who may read more might get an answer.`));
      }
    }
    this.drawSources();
    this.drawActions([
      this.button("Copy", () => this.copy(), "M9 9h10v11H9z", "M5 15V4h10"),
      this.button("Ask again", () => this.onAgain(this), "M20 11a8 8 0 1 0-2.3 6", "M20 5v6h-6"),
    ]);
    announce(this.result.answerable ? "The answer is complete." : "There is no answer in the documents.");
  }

  stopped() {
    this.end();
    this.element.classList.add("is-stopped");
    this.sources.before(
      h("p", { class: "aside" }, this.text ? "You stopped the answer here." : "You stopped this question."));
    this.drawActions([this.button("Ask again", () => this.onAgain(this), "M20 11a8 8 0 1 0-2.3 6", "M20 5v6h-6")]);
    announce("Stopped.");
  }

  failed(failure) {
    this.end();
    this.sources.before(
      h("div", { class: "failure", role: "alert" },
        h("h3", {}, failure.title), h("p", {}, failure.detail),
        failure.canRetry
          && h("button", { class: "secondary", type: "button", onClick: () => this.onAgain(this) }, "Try again")));
  }

  drawSources() {
    const citations = [...this.citations.values()].sort((a, b) => a.number - b.number);
    if (citations.length === 0) return;
    this.sources.hidden = false;
    this.sources.replaceChildren(
      h("h3", {}, citations.length === 1 ? "Source" : "Sources"),
      h("ol", {}, ...citations.map((citation) => h("li", {},
        h("button", {
          class: "source", type: "button", "data-number": citation.number,
          onClick: (event) => this.openSource(citation, event.currentTarget),
        },
          h("span", { class: "source-number", "aria-hidden": "true" }, String(citation.number)),
          h("span", { class: "source-text" },
            h("span", { class: "source-title" }, citation.title || citation.document),
            h("span", { class: "source-quote" }, citation.quote),
            h("span", { class: "source-path" }, citation.document)))))));
  }

  /** What the agent did, folded. */
  drawTrail() {
    const steps = [...this.steps.values()].sort((a, b) => a.index - b.index);
    if (steps.length === 0) return;
    const searches = steps.filter((step) => step.kind === "search");
    const passages = searches.reduce((sum, step) => sum + (step.passages ?? 0), 0);
    const time = this.result?.milliseconds ?? performance.now() - this.start;
    const summary = [plural(steps.length, "step")];
    if (searches.length) summary.push(plural(passages, "passage"));
    summary.push(formatDuration(time));
    const usage = this.result?.usage;
    this.trail.replaceChildren(h("details", { class: "steps" },
      h("summary", {}, summary.join(" · ")),
      h("ol", {}, ...steps.map((step) => h("li", { class: `step is-${step.state}` },
        h("span", { class: "step-kind" },
          words[step.kind]?.[step.state === "running" ? "failed" : step.state] ?? step.kind),
        h("span", { class: "step-detail" }, step.detail || ""),
        h("span", { class: "step-figures" },
          [step.passages === null ? null : plural(step.passages, "passage"),
            step.milliseconds === null ? null : formatDuration(step.milliseconds)].filter(Boolean).join(" · "))))),
      usage && h("p", { class: "step-total" },
        `${formatNumber(usage.prompt_tokens)} tokens read, ${formatNumber(usage.completion_tokens)} written`,
        this.result.dropped_citations
          ? `. ${plural(this.result.dropped_citations, "citation")} dropped: the quote was not in the source.` : "")));
  }

  button(label, action, ...paths) {
    return h("button", { class: "quiet", type: "button", onClick: action }, icon(...paths), h("span", {}, label));
  }

  drawActions(buttons) {
    this.actions.replaceChildren(...buttons);
  }

  async copy() {
    const sources = [...this.citations.values()].map((citation) => `[${citation.number}] ${citation.document}`);
    const label = this.actions.querySelector("span");
    try {
      await navigator.clipboard.writeText([this.text, ...sources].join("\n"));
      label.textContent = "Copied";
    } catch {
      label.textContent = "Copying is not allowed here";
    }
    setTimeout(() => {
      label.textContent = "Copy";
    }, 1600);
  }
}

/** Turns that go along with the next question, the latest. */
const TURNS = 4;

let current = null;
let turns = [];
let session = null;

export const isRunning = () => current?.isRunning ?? false;

export function stop() {
  current?.stop();
}

/** Forgets the conversation: another user must not see it. */
export function reset() {
  stop();
  current = null;
  turns = [];
  byID("thread").replaceChildren();
  drawMode();
}

export function setSession(value) {
  session = value;
  drawWelcome();
}

export function focus() {
  byID("question").focus();
}

function drawMode() {
  const isEmpty = byID("thread").childElementCount === 0;
  byID("view-ask").classList.toggle("is-empty", isEmpty);
  byID("welcome").hidden = !isEmpty;
  byID("hint").hidden = !isEmpty;
  byID("examples").hidden = !isEmpty || !session?.examples.length || session.documents === 0;
  byID("question").placeholder = isEmpty ? "Ask a question" : "Ask another question";
}

function drawWelcome() {
  const lede = byID("welcome-lede");
  if (!session) return;
  byID("welcome-title").textContent = ["", "default", "documents"].includes(session.collection)
    ? "Ask your documents" : `Ask the ${session.collection}`;
  if (session.documents > 0) {
    lede.replaceChildren(
      `${plural(session.documents, "document")}, ${plural(session.chunks, "passage")}. `
      + "Every answer shows where it comes from.");
  } else if (!session.ready) {
    lede.replaceChildren("The documents are being read. This takes a moment the first time.");
  } else {
    const canSwitch = session.local && session.users.length > 0;
    lede.replaceChildren(
      canSwitch ? "There is no document that you may read. Ask as somebody else, or " : "There are no documents yet. ",
      h("a", { href: "#documents" }, canSwitch ? "add one" : "Add some"), ".");
  }
  byID("example-list").replaceChildren(...session.examples.map((example) => h("li", {},
    h("button", { type: "button", class: "example", onClick: () => submit(example) },
      h("span", {}, example), icon("M5 12h14", "m13 6 6 6-6 6")))));
  drawMode();
}

function drawSend() {
  const send = byID("send");
  const running = isRunning();
  send.textContent = running ? "Stop" : "Ask";
  send.classList.toggle("is-stop", running);
  byID("composer").classList.toggle("is-running", running);
}

function submit(question, conversation = turns) {
  if (isRunning()) return;
  location.hash = "#ask";
  const entry = new Entry(question, {
    conversation: conversation.slice(-TURNS), onAgain: (old) => submit(old.question, old.conversation),
  });
  current = entry;
  byID("thread").append(entry.element);
  drawMode();
  drawSend();
  const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
  entry.element.scrollIntoView({ block: "start", behavior: reduced ? "auto" : "smooth" });
  entry.run(() => {
    drawSend();
    if (entry.result) turns.push({ question, answer: entry.result.answerable ? entry.result.answer : "" });
  });
}

function fit(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 200)}px`;
}

export function install() {
  const field = byID("question");
  byID("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (isRunning()) {
      stop();
      return;
    }
    const question = field.value.trim();
    if (!question) {
      field.focus();
      return;
    }
    field.value = "";
    fit(field);
    // On a phone the keyboard would cover the answer.
    if (matchMedia("(pointer: coarse)").matches) field.blur();
    submit(question);
  });
  field.addEventListener("input", () => fit(field));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!isRunning()) byID("composer").requestSubmit();
  });
  drawMode();
}
