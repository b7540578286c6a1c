// Owns building page elements. Text always becomes a text node: nothing that comes from data is ever parsed as HTML.

/**
 * An element with attributes, listeners (`onClick`) and children. Strings become text.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const svgNamespace = "http://www.w3.org/2000/svg";

/** A 20-pixel line icon from path data. */
export function icon(...paths) {
  const svg = document.createElementNS(svgNamespace, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true" })) {
    svg.setAttribute(name, String(value));
  }
  for (const data of paths) {
    const path = document.createElementNS(svgNamespace, "path");
    path.setAttribute("d", data);
    svg.append(path);
  }
  return svg;
}

export const byID = (id) => document.getElementById(id);

/** Says something to people who cannot see the page. */
export function announce(text) {
  byID("announcer").textContent = text;
}

const numbers = new Intl.NumberFormat();

export const formatNumber = (value) => numbers.format(value);

export const plural = (count, one, many = `${one}s`) => `${numbers.format(count)} ${count === 1 ? one : many}`;

export function formatDuration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`;
}

export function formatBytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)} kB`;
  return `${(count / 1_000_000).toFixed(count < 10_000_000 ? 1 : 0)} MB`;
}

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function formatDate(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? "" : dates.format(date);
}
