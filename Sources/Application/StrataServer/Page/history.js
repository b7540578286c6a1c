// Owns the history view: earlier runs and the events that the journal kept of each.
import * as api from "./api.js";
import { byID, formatDate, h, plural } from "./dom.js";

const statusWords = { running: "Running", completed: "Answered", failed: "Failed", cancelled: "Stopped" };
let generation = 0;

export async function show() {
  const mine = ++generation;
  const body = byID("history-body");
  if (!body.childElementCount) body.replaceChildren(h("p", { class: "empty" }, "Loading"));
  try {
    const { runs } = await api.getJSON("/api/runs", { limit: 50 });
    if (mine !== generation) return;
    if (runs.length === 0) {
      body.replaceChildren(h("div", { class: "empty" },
        h("h2", {}, "No questions yet"), h("p", {}, "What you ask appears here, with every step.")));
      return;
    }
    body.replaceChildren(h("ul", { class: "runs" }, ...runs.map(item)));
  } catch (error) {
    if (mine !== generation) return;
    const known = api.failureFor(error);
    body.replaceChildren(h("div", { class: "failure", role: "alert" },
      h("h3", {}, known.title), h("p", {}, known.detail),
      known.canRetry && h("button", { class: "secondary", type: "button", onClick: show }, "Try again")));
  }
}

function item(run) {
  const details = h("div", { class: "run-events" });
  const element = h("details", { class: "run" },
    h("summary", {},
      h("span", { class: "run-title" }, run.title || run.run),
      h("span", { class: "run-facts" },
        h("span", { class: `badge is-${run.status}` }, statusWords[run.status] ?? run.status),
        ` ${formatDate(run.started_at)} · ${plural(run.event_count, "event")}`)),
    details);
  element.addEventListener("toggle", async () => {
    if (!element.open || details.childElementCount) return;
    try {
      const { events } = await api.getJSON(`/api/runs/${encodeURIComponent(run.run)}`);
      details.replaceChildren(h("ol", {}, ...events.map((event) => h("li", {},
        h("span", { class: "event-kind" }, event.kind),
        h("pre", {}, JSON.stringify(event.payload, null, 2))))));
    } catch (error) {
      details.replaceChildren(h("p", { class: "aside" }, `${error.title ?? "Failed"}. ${error.detail ?? ""}`));
    }
  });
  return h("li", {}, element);
}
