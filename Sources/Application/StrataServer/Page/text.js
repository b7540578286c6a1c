// Owns turning text into page elements: the few marks of Markdown that models write, citations, and byte ranges.
import { h } from "./dom.js";

/** Stands in a text for the end of sentence n; private use, so that no text holds it by chance. */
const sentenceEnd = (number) => `\uE000${number}\uE001`;
const withoutSentenceEnds = (text) => text.replace(/\uE000\d+\uE001/g, "");

/** `text` with a sign at the end of each sentence, for `prose` to turn into what `marks.sentence(n)` gives. */
export function withSentenceEnds(text, sentences) {
  let result = "";
  let from = 0;
  sentences.forEach((sentence, number) => {
    const [, part] = splitAtBytes(text, from, sentence.end);
    result += part + sentenceEnd(number);
    from = sentence.end;
  });
  return result + splitAtBytes(text, from, Infinity)[1];
}

/** Inline marks: `code`, **bold**, [n] where `marks.citation(n)` gives an element, and ends of sentences. */
function inline(text, marks) {
  const nodes = [];
  const pattern = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\[(\d{1,3})\]|\uE000(\d+)\uE001/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    let node = null;
    if (match[1] !== undefined) node = h("code", {}, withoutSentenceEnds(match[1]));
    else if (match[2] !== undefined) node = h("strong", {}, withoutSentenceEnds(match[2]));
    else if (match[3] !== undefined) node = marks.citation?.(Number(match[3])) ?? null;
    else node = marks.sentence?.(Number(match[4])) ?? "";
    if (node === null) continue;
    nodes.push(text.slice(end, match.index), node);
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** Paragraphs, lists and code blocks of `text`; `marks` makes the elements of citations and of ends of sentences. */
export function prose(text, marks = {}) {
  const blocks = [];
  const parts = text.split(/^```.*$/m);
  parts.forEach((part, index) => {
    if (index % 2 === 1) {
      blocks.push(h("pre", {}, h("code", {}, withoutSentenceEnds(part.replace(/^\n|\n$/g, "")))));
      return;
    }
    for (const block of part.split(/\n{2,}/)) {
      const lines = block.split("\n").filter((line) => line.trim() !== "");
      if (lines.length === 0) continue;
      blocks.push(...blockElements(lines, marks));
    }
  });
  return blocks;
}

function blockElements(lines, marks) {
  const bullet = /^\s*[-*•]\s+/;
  const number = /^\s*\d{1,3}[.)]\s+/;
  const elements = [];
  let list = null;
  let paragraph = [];
  const endParagraph = () => {
    if (paragraph.length) {
      const children = paragraph.flatMap((line, index) => [index > 0 ? h("br") : null, ...inline(line, marks)]);
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
    list.append(h("li", {}, ...inline(line.replace(kind === "ul" ? bullet : number, ""), marks)));
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

/**
 * A Markdown document as elements, with the marked parts inside `mark`. Hard line breaks of the source are joined, and
 * the signs of headings and lists become headings and lists; everything else stays as it is written.
 *
 * `parts` is the text in order, each `{text, isMarked}`.
 */
export function documentBlocks(parts) {
  const blocks = [];
  let open = null;
  let isCode = false;
  const begin = (element, target = element) => {
    blocks.push(element);
    open = target;
  };
  for (const line of linesOf(parts)) {
    const text = line.map((piece) => piece.text).join("");
    if (/^\s*(```|~~~)/.test(text)) {
      isCode = !isCode;
      if (isCode) begin(h("pre"));
      else open = null;
      continue;
    }
    if (isCode || /^\s*\|/.test(text)) {
      if (open?.localName !== "pre") begin(h("pre"));
      open.append(...pieces(line, (piece) => [piece]), "\n");
      continue;
    }
    const heading = /^(#{1,6})\s+/.exec(text);
    const item = /^\s*([-*+]|\d{1,3}[.)])\s+/.exec(text);
    if (text.trim() === "") {
      open = null;
    } else if (heading) {
      begin(h(heading[1].length < 3 ? "h3" : "h4", {}, ...pieces(without(line, heading[0].length))));
      open = null;
    } else if (item) {
      const isNumbered = /\d/.test(item[1]);
      begin(h("p", { class: isNumbered ? "item is-numbered" : "item", "data-sign": isNumbered ? item[1] : "•" },
        ...pieces(without(line, item[0].length))));
    } else {
      if (open && open.localName === "p") open.append(" ");
      else begin(h("p"));
      open.append(...pieces(line));
    }
  }
  return blocks;
}

function linesOf(parts) {
  const lines = [[]];
  for (const part of parts) {
    part.text.split("\n").forEach((text, index) => {
      if (index > 0) lines.push([]);
      if (text !== "") lines[lines.length - 1].push({ text, isMarked: part.isMarked });
    });
  }
  return lines;
}

/** The line without its first `count` characters. */
function without(line, count) {
  const rest = [];
  for (const piece of line) {
    const cut = Math.min(count, piece.text.length);
    count -= cut;
    if (cut < piece.text.length) rest.push({ ...piece, text: piece.text.slice(cut) });
  }
  return rest;
}

const pieces = (line, format = (text) => inline(text, () => null)) =>
  line.flatMap((piece) => (piece.isMarked ? [h("mark", {}, ...format(piece.text))] : format(piece.text)));
