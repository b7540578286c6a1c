// Owns the table of who can see what: one row for each document, one column for each user.
import * as api from "./api.js";
import { byID, h } from "./dom.js";

export async function show() {
  const body = byID("documents-body");
  try {
    const table = await api.getJSON("/api/access");
    body.replaceChildren(table.users.length === 0 || table.documents.length === 0 ? nothing() : draw(table));
  } catch (error) {
    const known = api.failureFor(error);
    body.replaceChildren(h("div", { class: "failure", role: "alert" }, h("h3", {}, known.title), h("p", {}, known.detail)));
  }
}

const nothing = () => h("div", { class: "empty" },
  h("h2", {}, "Nobody to tell apart"),
  h("p", {}, "This collection names no users, or holds nothing that you may read."));

function draw({ users, documents }) {
  return h("div", { class: "access-scroll", tabindex: "0", role: "region", "aria-label": "Who can see what" },
    h("table", { class: "access" },
      h("thead", {}, h("tr", {},
        h("th", { scope: "col" }, "Document"),
        ...users.map((user) => h("th", { scope: "col", title: user.groups.join(", ") },
          h("span", {}, user.name), h("small", {}, user.groups.join(", ")))))),
      h("tbody", {}, ...documents.map((document) => h("tr", {},
        h("th", { scope: "row", title: document.readers.join(", ") || "nobody" },
          h("span", {}, document.title || document.path),
          h("small", {}, document.readers.map((reader) => reader.replace(/^(group|user):/, "")).join(", ") || "nobody")),
        ...document.may_read.map((may) => h("td", { class: may ? "may" : "may-not" },
          h("span", { class: "visually-hidden" }, may ? "may read" : "may not read"),
          h("span", { "aria-hidden": "true" }, may ? "●" : "–"))))))));
}
