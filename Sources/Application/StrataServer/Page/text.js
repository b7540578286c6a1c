// Owns turning text into page elements: the few marks of Markdown that models write, citations, and byte ranges.
import { h } from "./dom.js";

/** Inline marks: `code`, **bold**, and [n] where `citation(n)` gives an element. */
function inline(text, citation) {
  const nodes = [];
  const pattern = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[(\d{1,3})\]/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    let node = null;
    if (match[1] !== undefined) node = h("code", {}, match[1]);
    else if (match[2] !== undefined) node = h("strong", {}, match[2]);
    else node = citation(Number(match[3]));
    if (!node) continue;
    nodes.push(text.slice(end, match.index), node);
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** Paragraphs, lists and code blocks of `text`. */
export function prose(text, citation = () => null) {
  const blocks = [];
  const parts = text.split(/^```.*$/m);
  parts.forEach((part, index) => {
    if (index % 2 === 1) {
      blocks.push(h("pre", {}, h("code", {}, part.replace(/^\n|\n$/g, ""))));
      return;
    }
    for (const block of part.split(/\n{2,}/)) {
      const lines = block.split("\n").filter((line) => line.trim() !== "");
      if (lines.length === 0) continue;
      blocks.push(...blockElements(lines, citation));
    }
  });
  return blocks;
}

function blockElements(lines, citation) {
  const bullet = /^\s*[-*•]\s+/;
  const number = /^\s*\d{1,3}[.)]\s+/;
  const elements = [];
  let list = null;
  let paragraph = [];
  const endParagraph = () => {
    if (paragraph.length) {
      const children = paragraph.flatMap((line, index) => [index > 0 ? h("br") : null, ...inline(line, citation)]);
      elements.push(h("p", {}, ...children));
    }
    paragraph = [];
  };
  for (const line of lines) {
    const kind = bullet.test(line) ? "ul" : number.test(line) ? "ol" : null;
    if (!kind) {
      list = null;
      paragraph.push(line.replace(/^#{1,6}\s+/, ""));
      continue;
    }
    endParagraph();
    if (!list || list.localName !== kind) {
      list = h(kind);
      elements.push(list);
    }
    list.append(h("li", {}, ...inline(line.replace(kind === "ul" ? bullet : number, ""), citation)));
  }
  endParagraph();
  return elements;
}

/**
 * Splits `text` at a UTF-8 byte range into what is before, inside and after. Offsets outside the text, or inside a
 * character, are moved to the nearest character that starts before.
 */
export function splitAtBytes(text, start, end) {
  const bytes = new TextEncoder().encode(text);
  const clamp = (offset) => {
    let at = Math.max(0, Math.min(offset, bytes.length));
    while (at > 0 && at < bytes.length && (bytes[at] & 0xc0) === 0x80) at -= 1;
    return at;
  };
  const from = clamp(start);
  const to = Math.max(from, clamp(end));
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const part = (a, b) => decoder.decode(bytes.subarray(a, b));
  return [part(0, from), part(from, to), part(to, bytes.length)];
}
