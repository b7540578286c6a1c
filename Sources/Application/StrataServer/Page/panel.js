// Owns the panel beside the answer: one document with the cited place highlighted.
import { failureFor, getJSON } from "./api.js";
import { byID, h } from "./dom.js";
import { documentBlocks, splitAtBytes } from "./text.js";

/** Characters shown on each side of the citation before "Show all" is pressed. */
const windowLength = 30_000;

let opener = null;
let loading = null;

export const isOpen = () => !byID("panel").hidden;

export function close() {
  if (!isOpen()) return;
  loading?.abort();
  byID("panel").hidden = true;
  byID("scrim").hidden = true;
  document.body.classList.remove("has-panel");
  setBackground(false);
  opener?.focus({ preventScroll: true });
  opener = null;
}

/** Opens a document; `range` is `{start, end}` in UTF-8 bytes of that version. */
export async function open({ document: path, version, title }, range, from = null) {
  opener = from ?? opener;
  loading?.abort();
  const attempt = new AbortController();
  loading = attempt;
  byID("panel-title").textContent = title || path;
  byID("panel-path").textContent = version ? `${path}, version ${version}` : path;
  const body = byID("panel-body");
  body.replaceChildren(
    h("div", { class: "skeleton", "aria-label": "Loading" }, h("i"), h("i"), h("i"), h("i"), h("i")));
  byID("panel").hidden = false;
  byID("scrim").hidden = false;
  document.body.classList.add("has-panel");
  setBackground(matchMedia("(max-width: 680px)").matches);
  byID("panel").focus({ preventScroll: true });
  try {
    const text = await getJSON("/api/documents/text", { path, version });
    if (attempt.signal.aborted) return;
    byID("panel-title").textContent = text.title || path;
    byID("panel-path").textContent =
      `${text.path}, version ${text.version}${text.current ? "" : " (there is a newer one)"}`;
    show(text, range);
  } catch (error) {
    if (attempt.signal.aborted) return;
    const failure = failureFor(error);
    body.replaceChildren(
      h("div", { class: "failure", role: "alert" },
        h("h3", {}, failure.title), h("p", {}, failure.detail),
        failure.canRetry
          && h("button", {
            class: "secondary", type: "button", onClick: () => open({ document: path, version, title }, range),
          }, "Try again")));
  }
}

function show(text, range) {
  const body = byID("panel-body");
  const [before, quoted, after] = range ? splitAtBytes(text.text, range.start, range.end) : ["", "", text.text];
  const isLong = before.length > windowLength || after.length > windowLength;
  const fill = (all) => {
    const parts = [
      { text: all ? before : before.slice(-windowLength) }, { text: quoted, isMarked: true },
      { text: all ? after : after.slice(0, windowLength) },
    ];
    body.replaceChildren(
      isLong && !all
        ? h("p", { class: "panel-note" },
          range ? "Only the part around the quote is shown. " : "Only the beginning is shown. ",
          h("button", { class: "link", type: "button", onClick: () => fill(true) }, "Show all"))
        : "",
      content(text, parts));
    const mark = body.querySelector("mark");
    if (mark) mark.scrollIntoView({ block: "center" });
    else body.scrollTop = 0;
  };
  fill(false);
}

function content(text, parts) {
  if (text.media_type === "text/markdown") {
    const blocks = documentBlocks(parts);
    // The title stands above already.
    if (blocks[0]?.localName === "h3" && blocks[0].textContent === text.title && !blocks[0].querySelector("mark")) {
      blocks.shift();
    }
    return h("div", { class: "document-text" }, ...blocks);
  }
  const isTable = text.media_type === "text/csv";
  return h("div", { class: isTable ? "document-text verbatim mono" : "document-text verbatim" },
    ...parts.map((part) => (part.isMarked && part.text ? h("mark", {}, part.text) : part.text)));
}

/** As a sheet on a phone the panel covers the page, which must then not take the focus. */
function setBackground(isInert) {
  byID("main").inert = isInert;
  document.querySelector(".bar").inert = isInert;
  byID("panel").setAttribute("aria-modal", String(isInert));
}

export function install() {
  byID("panel-close").addEventListener("click", close);
  byID("scrim").addEventListener("click", close);
}
