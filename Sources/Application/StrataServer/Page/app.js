// Owns what holds the page together: views, session, whom to ask as, theme, keyboard.
import * as api from "./api.js";
import * as ask from "./ask.js";
import * as documents from "./documents.js";
import { byID, h, icon } from "./dom.js";
import * as history from "./history.js";
import * as panel from "./panel.js";
import * as search from "./search.js";

const views = {
  ask: { show: () => {}, title: "Strata" },
  search: { show: search.show, title: "Search · Strata" },
  documents: { show: documents.show, leave: documents.leave, title: "Documents · Strata" },
  history: { show: history.show, title: "History · Strata" },
};
let view = null;
let sessionTimer = null;

function route() {
  const [name, query] = location.hash.slice(1).split("?", 2);
  const next = Object.hasOwn(views, name) ? name : "ask";
  if (view !== next) {
    if (view) views[view].leave?.();
    panel.close();
    view = next;
    for (const key of Object.keys(views)) byID(`view-${key}`).hidden = key !== next;
    for (const link of document.querySelectorAll("[data-view]")) {
      if (link.dataset.view === next) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = views[next].title;
    window.scrollTo({ top: 0 });
  }
  views[next].show();
  if (name === "document") openDocument(new URLSearchParams(query));
}

/** Links from other programs: `#document?path=…&version=…&start=…&end=…`, in bytes of the text. */
function openDocument(query) {
  const [version, start, end] = ["version", "start", "end"].map((name) => Number.parseInt(query.get(name), 10));
  const range = start >= 0 && end > start ? { start, end } : null;
  if (query.get("path")) panel.open({ document: query.get("path"), version: version > 0 ? version : null }, range);
}

async function loadSession() {
  clearTimeout(sessionTimer);
  try {
    const session = await api.getJSON("/api/session");
    ask.setSession(session);
    documents.setSession(session);
    drawPicker(session);
    byID("offline")?.remove();
    if (!session.ready) sessionTimer = setTimeout(loadSession, 2000);
  } catch (error) {
    const known = api.failureFor(error);
    if (!byID("offline")) {
      byID("main").prepend(h("div", { class: "failure", id: "offline", role: "alert" },
        h("h3", {}, known.title), h("p", {}, known.detail),
        h("button", { class: "secondary", type: "button", onClick: loadSession }, "Try again")));
    }
    sessionTimer = setTimeout(loadSession, 5000);
  }
}

function drawPicker(session) {
  const picker = byID("as-picker");
  picker.hidden = !session.local || session.users.length === 0;
  if (picker.hidden) return;
  const select = byID("as");
  const chosen = api.currentUser() ?? "";
  // Whoever is in no group is on no list.
  const isListed = !chosen || session.users.some((user) => user.name === chosen);
  select.replaceChildren(
    h("option", { value: "" }, "nobody in particular"),
    ...(isListed ? [] : [h("option", { value: chosen }, chosen)]),
    ...session.users.map((user) => h("option", { value: user.name },
      user.groups.length ? `${user.name} (${user.groups.join(", ")})` : user.name)));
  select.value = chosen;
}

function chooseUser(name) {
  api.setUser(name || null);
  try {
    localStorage.setItem("strata-as", name);
  } catch {
    // Then the choice lasts until the page is closed.
  }
  panel.close();
  ask.reset();
  search.reset();
  byID("documents-body").replaceChildren();
  byID("history-body").replaceChildren();
  loadSession();
  views[view].show();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function drawTheme() {
  const button = byID("theme");
  const dark = isDark();
  button.setAttribute("aria-label", dark ? "Switch to light" : "Switch to dark");
  button.replaceChildren(dark
    ? icon(
      "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2v2M12 20v2M2 12h2M20 12h2",
      "M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4")
    : icon("M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"));
}

function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("strata-theme", theme);
  } catch {
    // Then the choice lasts until the page is closed.
  }
  drawTheme();
}

function onKey(event) {
  if (event.key === "Escape") {
    if (byID("key-dialog").open) {
      // Without a key there is nothing to go back to.
      event.preventDefault();
      return;
    }
    if (panel.isOpen()) panel.close();
    else if (ask.isRunning()) ask.stop();
    return;
  }
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    location.hash = "#ask";
    panel.close();
    requestAnimationFrame(ask.focus);
  }
}

function askForKey() {
  const dialog = byID("key-dialog");
  const field = byID("key");
  byID("key-problem").hidden = field.value === "";
  field.value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    byID("key-form").addEventListener("submit", () => resolve(field.value.trim()), { once: true });
    field.focus();
  });
}

function start() {
  let pending = null;
  api.onKeyNeeded(() => {
    pending ??= askForKey().finally(() => {
      pending = null;
    });
    return pending;
  });
  try {
    api.setUser(localStorage.getItem("strata-as") || null);
  } catch {
    // Without storage nobody is chosen.
  }
  ask.install();
  panel.install();
  search.install();
  documents.install(loadSession);
  byID("as").addEventListener("change", (event) => chooseUser(event.target.value));
  byID("theme").addEventListener("click", toggleTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTheme);
  window.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", route);
  drawTheme();
  loadSession();
  route();
  if (matchMedia("(pointer: fine)").matches) ask.focus();
}

start();
