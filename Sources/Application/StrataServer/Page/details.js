// Owns what is told about one document beside its text: versions, who may read it, where it comes from and what became of
// it.
import * as api from "./api.js";
import { formatBytes, formatDate, formatNumber, h, plural } from "./dom.js";
import * as panel from "./panel.js";

/** A row below a document's own, filled when it is opened. */
export function detailsRow(document, columnCount) {
  const cell = h("td", { colspan: columnCount, class: "details-cell" });
  const row = h("tr", { class: "details-row", hidden: true }, cell);
  let isLoaded = false;
  const toggle = h("button", {
    class: "quiet", type: "button", "aria-expanded": "false", "aria-label": `Details of ${document.path}`,
    onClick: async () => {
      row.hidden = !row.hidden;
      toggle.setAttribute("aria-expanded", String(!row.hidden));
      if (row.hidden || isLoaded) return;
      cell.replaceChildren(h("p", { class: "empty" }, "Loading"));
      try {
        const details = await api.getJSON("/api/documents/details", { path: document.path });
        isLoaded = true;
        cell.replaceChildren(content(details));
      } catch (error) {
        const known = api.failureFor(error);
        cell.replaceChildren(h("p", { class: "document-problem", role: "alert" }, `${known.title}. ${known.detail}`));
      }
    },
  }, "Details");
  return { toggle, row };
}

function content(details) {
  return h("div", { class: "details" },
    h("section", {},
      h("h3", {}, "Versions"),
      h("ol", { class: "versions" }, ...details.versions.map((version, index) => h("li", {},
        h("button", {
          class: "link", type: "button",
          onClick: (event) => panel.open(
            { document: details.path, version: version.version, title: details.title }, null, event.currentTarget),
        }, `Version ${version.version}`),
        index === 0 && h("span", { class: "badge is-ready" }, "current"),
        h("span", { class: "faint" },
          `${formatDate(version.ingested_at)}, ${formatBytes(version.bytes)}, ${plural(version.chunks, "passage")}`),
        h("code", { title: `SHA-256 ${version.sha256}` }, version.sha256.slice(0, 12)))))),
    h("section", {},
      h("h3", {}, "Who can read it"),
      h("p", {}, details.readers.length
        ? details.readers.map((reader) => reader.replace(/^group:/, "the group ").replace(/^user:/, "")).join(", ")
        : "Nobody: it has no readers, so it is hidden from everyone."),
      details.users && h("p", { class: "faint" },
        details.users.length ? `That is ${details.users.join(", ")}.` : "No known user is among them.")),
    h("section", { class: "lineage" },
      h("h3", {}, "Lineage"),
      tree(details.lineage, 0)));
}

const kindNames = {
  source: "Source", document: "Document", version: "Version", chunk: "Passage", vector: "Vector", answer: "Answer",
  citation: "Citation",
};

function tree(node, depth) {
  if (!node) return h("p", { class: "faint" }, "Nothing is recorded.");
  const children = node.leads_to ?? [];
  const facts = Object.entries(node).filter(([name]) => !["kind", "name", "leads_to"].includes(name))
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${fact(name, value)}`).join(", ");
  const line = [
    h("span", { class: `kind is-${node.kind}` }, kindNames[node.kind] ?? node.kind),
    h("span", { class: "node-name" }, node.name),
    facts && h("span", { class: "faint" }, facts),
  ];
  if (children.length === 0) return h("div", { class: "node" }, ...line);
  return h("details", { class: "node", open: depth < 2 && children.length < 8 },
    h("summary", {}, ...line, h("span", { class: "faint" }, `(${formatNumber(children.length)})`)),
    ...children.map((child) => tree(child, depth + 1)));
}

function fact(name, value) {
  if (typeof value === "string" && /_at$/.test(name)) return formatDate(value);
  if (typeof value === "string") return value.length > 44 ? `${value.slice(0, 16)}…` : value;
  if (Array.isArray(value)) return value.map(String).join(", ");
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}
