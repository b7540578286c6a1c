// Owns the documents view: the list with states, adding by button or drop with progress, removing.
import * as access from "./access.js";
import * as api from "./api.js";
import { detailsRow } from "./details.js";
import { announce, byID, formatBytes, formatDate, formatNumber, h, plural } from "./dom.js";
import * as panel from "./panel.js";

let session = null;
let timer = null;
let onChange = () => {};
let generation = 0;
let showsAccess = false;

const stateWords = { ready: "Ready", ingesting: "Being read", failed: "Failed" };

export function setSession(value) {
  session = value;
  // Who else there is concerns only those at the machine itself.
  byID("show-access").hidden = !value.local;
  const types = value.upload_types;
  byID("file").setAttribute("accept", types.join(","));
  const names = types.map((type) => type.replace(/^\./, "").toUpperCase());
  const known = ["PDF", "DOCX", "XLSX", "PPTX", "MD", "HTML", "EML", "CSV", "JSON"].filter((name) => names.includes(name));
  const shown = names.length > 12 ? `${known.join(", ")} and ${names.length - known.length} more types` : names.join(", ");
  byID("documents-lede").textContent = `${shown}, up to ${formatBytes(value.upload_limit)} each.`
    + (matchMedia("(hover: hover)").matches ? " Drop them anywhere." : "");
  byID("documents-lede").title = names.join(", ");
}

export function leave() {
  clearTimeout(timer);
  generation += 1;
}

/** Loads and draws the list, again every two seconds as long as something is being read. */
export async function show() {
  clearTimeout(timer);
  const mine = ++generation;
  drawCollections();
  if (showsAccess) return access.show();
  const body = byID("documents-body");
  if (!body.childElementCount) body.replaceChildren(h("p", { class: "empty" }, "Loading"));
  try {
    const { documents } = await api.getJSON("/api/documents");
    if (mine !== generation) return;
    draw(documents);
    const isBusy = documents.some((document) => document.state === "ingesting") || session?.ready === false;
    if (isBusy) timer = setTimeout(show, 2000);
  } catch (error) {
    if (mine !== generation) return;
    body.replaceChildren(failure(error, show));
  }
}

/** Which collections there are, and what the served one was made with. */
async function drawCollections() {
  const { collections } = await api.getJSON("/api/collections").catch(() => ({ collections: [] }));
  byID("collections").replaceChildren(...collections.map((collection) => h("li", {
    class: collection.served ? "is-served" : "",
    title: [collection.source && `from ${collection.source}`, collection.embedder && `vectors by ${collection.embedder}`,
      collection.chunking && `${collection.chunking} passages`].filter(Boolean).join(", "),
  },
  h("b", {}, collection.name),
  `${plural(collection.documents, "document")}, ${plural(collection.chunks, "passage")}`)));
}

function failure(error, again) {
  const known = api.failureFor(error);
  return h("div", { class: "failure", role: "alert" },
    h("h3", {}, known.title), h("p", {}, known.detail),
    known.canRetry && h("button", { class: "secondary", type: "button", onClick: again }, "Try again"));
}

function draw(documents) {
  const body = byID("documents-body");
  if (documents.length === 0) {
    body.replaceChildren(h("div", { class: "empty" },
      h("h2", {}, "Nothing here yet"),
      h("p", {}, session?.local && session.users.length
        ? "There is no document that this user may read. Choose somebody else above, or drop files here."
        : "Drop files here, or press Add documents. They are searchable a moment later.")));
    return;
  }
  body.replaceChildren(h("table", { class: "documents" },
    h("thead", {}, h("tr", {},
      h("th", { scope: "col" }, "Document"), h("th", { scope: "col" }, "State"),
      h("th", { scope: "col", class: "number" }, "Version"), h("th", { scope: "col", class: "number" }, "Passages"),
      h("th", { scope: "col", class: "number" }, "Size"), h("th", { scope: "col" }, "Readers"),
      h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Actions")))),
    h("tbody", {}, ...documents.flatMap(rows))));
}

/** A document's row and the one with its details. */
function rows(document) {
  const details = detailsRow(document, 7);
  return [row(document, document.state === "ready" ? details.toggle : null), details.row];
}

function row(document, detailsButton) {
  return h("tr", {},
    h("td", { class: "cell-name" },
      document.state === "ready"
        ? h("button", {
          class: "document-name", type: "button",
          onClick: (event) => panel.open(
            { document: document.path, version: document.version, title: document.title }, null, event.currentTarget),
        }, document.title || document.path)
        : h("span", { class: "document-name" }, document.title || document.path),
      h("span", { class: "document-path", title: `Changed ${formatDate(document.modified_at)}` }, document.path),
      document.problem && h("span", { class: "document-problem" }, document.problem)),
    h("td", { "data-label": "State" },
      h("span", { class: `badge is-${document.state}` }, stateWords[document.state] ?? document.state)),
    h("td", { class: "number", "data-label": "Version" }, formatNumber(document.version)),
    h("td", { class: "number", "data-label": "Passages", "data-unit": document.chunks === 1 ? "passage" : "passages" },
      formatNumber(document.chunks)),
    h("td", { class: "number", "data-label": "Size" }, formatBytes(document.bytes)),
    h("td", { "data-label": "Readers", class: "cell-readers" }, readers(document.readers)),
    h("td", { class: "cell-remove" }, detailsButton, removeButton(document)));
}

const readers = (list) => list.map((reader) => reader.replace(/^(group|user):/, "")).join(", ") || "nobody";

/** Asks once more before it removes. */
function removeButton(document) {
  const label = h("span", {}, "Remove");
  let isArmed = false;
  let disarm = null;
  const button = h("button", {
    class: "quiet danger", type: "button", "aria-label": `Remove ${document.path}`,
    onClick: async () => {
      if (!isArmed) {
        isArmed = true;
        label.textContent = "Really remove?";
        button.classList.add("is-armed");
        disarm = setTimeout(() => {
          isArmed = false;
          label.textContent = "Remove";
          button.classList.remove("is-armed");
        }, 4000);
        return;
      }
      clearTimeout(disarm);
      button.disabled = true;
      try {
        await api.remove("/api/documents", { path: document.path });
        announce(`${document.path} was removed.`);
        onChange();
        await show();
      } catch (error) {
        byID("uploads").replaceChildren(failure(error, show));
        button.disabled = false;
      }
    },
  }, label);
  return button;
}

async function add(files) {
  for (const file of files) {
    const bar = h("progress", { max: "1", value: "0", "aria-label": `Sending ${file.name}` });
    const note = h("span", { class: "upload-note" }, formatBytes(file.size));
    const item = h("div", { class: "upload" }, h("span", { class: "upload-name" }, file.name), note, bar);
    byID("uploads").append(item);
    if (session && file.size > session.upload_limit) {
      fail(item, bar, note, new api.Failure("Too large", `The limit is ${formatBytes(session.upload_limit)}.`), null);
      continue;
    }
    await send(file, item, bar, note);
  }
}

async function send(file, item, bar, note) {
  try {
    const document = await api.upload(file, (fraction) => {
      bar.value = fraction;
      if (fraction >= 1) {
        bar.removeAttribute("value");
        note.textContent = "Being read";
      }
    });
    note.textContent = `Added, ${plural(document.chunks, "passage")}`;
    item.classList.add("is-done");
    bar.remove();
    setTimeout(() => item.remove(), 6000);
    onChange();
    await show();
  } catch (error) {
    fail(item, bar, note, api.failureFor(error), () => {
      item.remove();
      add([file]);
    });
  }
}

function fail(item, bar, note, failure, again) {
  bar.remove();
  item.classList.add("is-failed");
  note.textContent = `${failure.title}. ${failure.detail}`;
  item.append(h("span", { class: "upload-actions" },
    again && failure.canRetry && h("button", { class: "link", type: "button", onClick: again }, "Try again"),
    h("button", { class: "link", type: "button", onClick: () => item.remove() }, "Dismiss")));
}

/** `changed` is called when the set of documents changed. */
export function install(changed) {
  onChange = changed;
  for (const [id, wanted] of [["show-list", false], ["show-access", true]]) {
    byID(id).addEventListener("click", () => {
      if (showsAccess === wanted) return;
      showsAccess = wanted;
      byID("show-list").setAttribute("aria-pressed", String(!wanted));
      byID("show-access").setAttribute("aria-pressed", String(wanted));
      byID("documents-body").replaceChildren();
      show();
    });
  }
  const input = byID("file");
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  const drop = byID("drop");
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    location.hash = "#documents";
    drop.hidden = false;
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) drop.hidden = true;
  });
  window.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    drop.hidden = true;
    add([...event.dataTransfer.files]);
  });
}
