// Owns the search view: passages without a model, and why each is where it is.
import * as api from "./api.js";
import { announce, byID, formatDuration, h, plural } from "./dom.js";
import * as panel from "./panel.js";

const legNames = { lexical: "Words", dense: "Meaning", graph: "Links" };
const stageNames = {
  late_interaction: "Token by token", model: "Model", cross_encoder: "Cross-encoder", feedback: "Feedback",
  pair: "Found together",
};
let generation = 0;

export function show() {
  byID("search-text").focus({ preventScroll: true });
}

export function reset() {
  generation += 1;
  byID("search-body").replaceChildren();
}

async function search() {
  const text = byID("search-text").value.trim();
  const legs = [...document.querySelectorAll("#search-form [name=leg]:checked")].map((box) => box.value);
  if (!text) return;
  const mine = ++generation;
  const body = byID("search-body");
  if (legs.length === 0) {
    body.replaceChildren(h("p", { class: "empty" }, "Choose at least one way to search."));
    return;
  }
  if (!body.childElementCount) body.replaceChildren(h("p", { class: "empty" }, "Searching"));
  try {
    const found = await api.getJSON("/api/search", { q: text, legs: legs.join(",") });
    if (mine !== generation) return;
    draw(found);
  } catch (error) {
    if (mine !== generation) return;
    const known = api.failureFor(error);
    body.replaceChildren(h("div", { class: "failure", role: "alert" },
      h("h3", {}, known.title), h("p", {}, known.detail),
      known.canRetry && h("button", { class: "secondary", type: "button", onClick: search }, "Try again")));
  }
}

function draw({ hits, milliseconds }) {
  const body = byID("search-body");
  if (hits.length === 0) {
    body.replaceChildren(h("div", { class: "empty" },
      h("h2", {}, "Nothing found"),
      h("p", {}, "Among the documents that you may read, no passage has to do with it.")));
    announce("Nothing found.");
    return;
  }
  const best = Math.max(...hits.map((hit) => hit.explanation?.fused ?? 0));
  body.replaceChildren(
    h("p", { class: "search-summary" }, `${plural(hits.length, "passage")} in ${formatDuration(milliseconds)}`),
    h("ol", { class: "hits" }, ...hits.map((hit, index) => hitItem(hit, index, best))));
  announce(`${plural(hits.length, "passage")} found.`);
}

function hitItem(hit, index, best) {
  const place = [hit.title && hit.title !== hit.document ? hit.document : null, ...hit.headings,
    hit.page && `page ${hit.page}`, `version ${hit.version}`].filter(Boolean).join(" › ");
  return h("li", { class: "hit" },
    h("div", { class: "hit-head" },
      h("span", { class: "hit-rank" }, String(index + 1)),
      h("div", {},
        h("button", {
          class: "document-name", type: "button",
          onClick: (event) => panel.open(hit, { start: hit.start, end: hit.end }, event.currentTarget),
        }, hit.title || hit.document),
        h("span", { class: "document-path" }, place))),
    h("p", { class: "hit-text" }, ...marked(shortened(hit.text), hit.explanation?.words ?? [])),
    hit.explanation && explanation(hit.explanation, best));
}

const shortened = (text) => (text.length > 420 ? `${text.slice(0, 420).replace(/\s+\S*$/, "")} …` : text);

/** The words that count, wherever a word of the text begins like one of them: terms are stems, which may differ at the end. */
function marked(text, words) {
  const stems = words.map(({ term }) => (term.length > 4 ? term.slice(0, -1) : term));
  if (stems.length === 0) return [text];
  return text.split(/([\p{L}\p{N}]+)/u).map((piece) =>
    (stems.some((stem) => piece.toLowerCase().startsWith(stem)) ? h("b", {}, piece) : piece));
}

function explanation({ legs, fused, stages, words, entities }, best) {
  const rows = Object.entries(legs).map(([name, leg]) => h("tr", {},
    h("th", { scope: "row" }, legNames[name] ?? name),
    h("td", { class: "number" }, `#${leg.rank}`),
    h("td", { class: "number" }, leg.score.toFixed(3)),
    h("td", { class: "cell-bar" }, bar(best > 0 ? leg.contribution / best : 0, name))));
  const later = stages.map((stage) => h("tr", {},
    h("th", { scope: "row" }, stageNames[stage.name] ?? stage.name),
    h("td", {}), h("td", { class: "number" }, stage.score.toFixed(3)), h("td", {}, stage.note ?? "")));
  const most = Math.max(...words.map((word) => word.score), 0);
  return h("details", { class: "why" },
    h("summary", {}, "Why it is here",
      h("span", { class: "why-bars", "aria-hidden": "true" },
        ...Object.entries(legs).map(([name, leg]) => bar(best > 0 ? leg.contribution / best : 0, name)))),
    h("div", { class: "why-body" },
      h("table", { class: "why-legs" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Found by"), h("th", { scope: "col", class: "number" }, "Rank"),
          h("th", { scope: "col", class: "number" }, "Score"), h("th", { scope: "col" }, "Share of the fused score"))),
        h("tbody", {}, ...rows, ...later)),
      words.length > 0 && h("div", { class: "why-words" },
        h("h3", {}, "Words that count"),
        h("ul", {}, ...words.slice(0, 8).map((word) => h("li", { title: word.note },
          h("code", {}, word.term), bar(most > 0 ? word.score / most : 0, "lexical"),
          h("span", { class: "number" }, word.score.toFixed(2)))))),
      entities.length > 0 && h("div", { class: "why-words" },
        h("h3", {}, "Linked by"),
        h("ul", {}, ...entities.map((entity) => h("li", {},
          h("code", {}, entity.name), bar(entity.share, "graph"),
          h("span", { class: "number" }, `${Math.round(100 * entity.share)} %`))))),
      h("p", { class: "why-total" }, `Fused score ${fused.toFixed(4)}`)));
}

/** A bar without inline style: the page's policy allows none, so the width is a step of 5 %. */
const bar = (share, kind) =>
  h("i", { class: `share is-${kind} w-${Math.max(1, Math.min(20, Math.round(share * 20)))}` });

export function install() {
  byID("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  for (const box of document.querySelectorAll("#search-form [name=leg]")) {
    box.addEventListener("change", () => byID("search-body").childElementCount && search());
  }
}
