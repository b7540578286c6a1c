#!/usr/bin/env python3
"""What loaders find, beside other programs: reading order and tables of three PDFs, main text of 91 pages of HTML,
functions of Python's own library.

  python3 -m venv v && v/bin/pip install pdfplumber pymupdf4llm markitdown[pdf] trafilatura
  STRATA_DATA=../shared/data v/bin/python Benchmarks/scripts/parsing.py [--strata .build/release/strata] [--no-rivals]

PDF order: 2·M / (words found + words there), M by difflib over all words in reading order, cells row by row.
PDF tables: F1 over pairs of neighbouring cells (Göbel et al., "A methodology for evaluating algorithms for table
understanding in PDF documents", 2012), each pair once a document.
HTML: F1 of mean precision and recall over runs of four words, as the benchmark's own script counts.
"""
import argparse, ast, difflib, glob, gzip, json, os, re, subprocess, sys, sysconfig, tempfile, time
from collections import Counter

arguments = argparse.ArgumentParser()
arguments.add_argument("--strata", default=".build/release/strata")
arguments.add_argument("--no-rivals", action="store_true")
arguments.add_argument("--only", default="pdf,ocr,html,code")
arguments.add_argument("--show", action="store_true", help="print what was found")
options = arguments.parse_args()
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
golden = os.path.join(root, "Tests/StrataRetrievalTests/Golden")
data = os.environ.get("STRATA_DATA", os.path.join(root, "../shared/data"))
only = options.only.split(",")


def strata(path, *more):
    done = subprocess.run([options.strata, "parse", path, "--json", *more], capture_output=True, text=True)
    if done.returncode:
        return {"title": "", "blocks": []}
    return json.loads(done.stdout)


def row_cells(text):
    cells = re.split(r"(?<!\\)\|", text.strip().strip("|"))
    return [re.sub(r"\*\*|__|<br>|\s+", " ", c.replace("\\|", "|")).strip(" *_") for c in cells]


def tables_of_blocks(blocks):
    tables, open_table = [], False
    for block in blocks:
        if block["kind"] in ("table_header", "table_row"):
            if not open_table or (block["kind"] == "table_header" and last == "table_row"):
                tables.append([])
            tables[-1].append(row_cells(block["text"]))
            open_table = True
        else:
            open_table = False
        last = block["kind"]
    return tables


def tables_of_markdown(text):
    tables, open_table = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("|"):
            if re.fullmatch(r"[|\s:-]+", line):
                continue
            if not open_table:
                tables.append([])
            tables[-1].append(row_cells(line))
            open_table = True
        else:
            open_table = False
    return tables


def words(text):
    return re.findall(r"\w+", re.sub(r"\*\*|<br>|[`#|]", " ", text))


def truth_words(document):
    result = []
    for block in document["blocks"]:
        if block["kind"] == "table":
            result += words(" ".join(" ".join(row) for row in document["tables"][block["table"]]))
        else:
            result += words(block["text"])
    return result


def relations(tables):
    found = set()
    for table in tables:
        squeeze = lambda c: re.sub(r"\W+", "", c).lower()
        rows = [[squeeze(c) for c in row] for row in table]
        for r, row in enumerate(rows):
            filled = [c for c in row if c]
            found |= {(a, b, "right") for a, b in zip(filled, filled[1:])}
            for c, cell in enumerate(row):
                below = next((rows[k][c] for k in range(r + 1, len(rows)) if c < len(rows[k]) and rows[k][c]), None)
                if cell and below:
                    found.add((cell, below, "below"))
    return found


def f1(found, wanted):
    common = len(found & wanted)
    return 2 * common / (len(found) + len(wanted)) if found or wanted else 1.0


def line(*columns):
    print("  ".join(str(c).ljust(w) for c, w in zip(columns, (26, 12, 10, 10, 10, 10))))


def plumber(path):
    import pdfplumber
    text, tables = [], []
    with pdfplumber.open(path) as pdf:
        for page in pdf.pages:
            text.append(page.extract_text() or "")
            tables += [[[c or "" for c in row] for row in table] for table in page.extract_tables()]
    return "\n".join(text), tables


def mupdf(path):
    import pymupdf4llm
    markdown = pymupdf4llm.to_markdown(path, show_progress=False)
    return markdown, tables_of_markdown(markdown)


def markitdown(path):
    from markitdown import MarkItDown
    markdown = MarkItDown().convert(path).text_content
    return markdown, tables_of_markdown(markdown)


def poppler(path):
    return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True).stdout, []


def ours(path, *more):
    blocks = strata(path, *more)["blocks"]
    return "\n".join(b["text"] for b in blocks), tables_of_blocks(blocks)


if "pdf" in only:
    truth = json.load(open(os.path.join(golden, "pdf.json")))
    programs = [("strata", ours)]
    if not options.no_rivals:
        programs += [("pymupdf4llm", mupdf), ("pdfplumber", plumber), ("markitdown", markitdown), ("pdftotext -layout", poppler)]
    line("PDF", "", *truth, "mean")
    for name, program in programs:
        order, tables, seconds = [], [], []
        try:
            for file, document in truth.items():
                start = time.time()
                text, found = program(os.path.join(golden, file))
                seconds.append(time.time() - start)
                matcher = difflib.SequenceMatcher(None, truth_words(document), words(text), autojunk=False)
                order.append(matcher.ratio())
                tables.append(f1(relations(found), relations(document["tables"])))
                if options.show and name == "strata":
                    wanted = relations(document["tables"])
                    print("missing", list(wanted - relations(found))[:12], "extra", list(relations(found) - wanted)[:12])
                    for tag, a, b, c, d in matcher.get_opcodes():
                        if tag != "equal":
                            print(tag, truth_words(document)[a:b][:25], "->", words(text)[c:d][:25])
        except ImportError as error:
            print(f"  {name}: not installed ({error})")
            continue
        line(name, "order", *[f"{x:.3f}" for x in order], f"{sum(order) / len(order):.3f}")
        line("", "table F1", *[f"{x:.3f}" for x in tables], f"{sum(tables) / len(tables):.3f}")
        line("", "seconds", *[f"{x:.2f}" for x in seconds], f"{sum(seconds) / len(seconds):.2f}")

if "ocr" in only:
    truth = json.load(open(os.path.join(golden, "pdf.json")))["statement.pdf"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["pdftoppm", "-r", "200", "-gray", "-png", os.path.join(golden, "statement.pdf"), folder + "/p"], check=True)
        try:
            from PIL import Image
            pages = [Image.open(p) for p in sorted(glob.glob(folder + "/p*.png"))]
            pages[0].save(folder + "/scan.pdf", save_all=True, append_images=pages[1:], resolution=200)
            start = time.time()
            text, found = ours(folder + "/scan.pdf", "--ocr")
            matcher = difflib.SequenceMatcher(None, truth_words(truth), words(text), autojunk=False)
            line("scan of statement.pdf", f"order {matcher.ratio():.3f}", f"tables {f1(relations(found), relations(truth['tables'])):.3f}",
                 f"{time.time() - start:.1f} s")
        except ImportError:
            print("  scan: Pillow is not installed")


def shingles(text):
    tokens = re.findall(r"\w+", text)
    return Counter(" ".join(tokens[i:i + 4]) for i in range(max(1, len(tokens) - 3))) if tokens else Counter()


def main_text(extract):
    truth = json.load(open(data + "/parsing/html-ground-truth.json"))
    precision = recall = 0.0
    start = time.time()
    for name, page in truth.items():
        html = gzip.open(f"{data}/parsing/html/{name}.html.gz").read()
        found, wanted = shingles(extract(html)), shingles(page.get("articleBody", ""))
        common = sum((found & wanted).values())
        precision += common / max(1, sum(found.values()))
        recall += common / sum(wanted.values()) if wanted else 1
    precision, recall = precision / len(truth), recall / len(truth)
    return precision, recall, 2 * precision * recall / (precision + recall), time.time() - start


def ours_html(html):
    with tempfile.NamedTemporaryFile(suffix=".html") as file:
        file.write(html)
        file.flush()
        return "\n".join(b["text"] for b in strata(file.name)["blocks"])


if "html" in only and os.path.exists(data + "/parsing"):
    line("HTML, 91 pages", "precision", "recall", "F1", "seconds")
    line("strata (a process each)", *[f"{x:.3f}" for x in main_text(ours_html)])
    if not options.no_rivals:
        try:
            import trafilatura
            line("trafilatura " + trafilatura.__version__, *[f"{x:.3f}" for x in main_text(lambda h: trafilatura.extract(h, include_comments=False) or "")])
            line("  favour_recall", *[f"{x:.3f}" for x in main_text(lambda h: trafilatura.extract(h, include_comments=False, favor_recall=True) or "")])
        except ImportError:
            print("  trafilatura: not installed")

if "code" in only:
    folder = sysconfig.get_paths()["stdlib"]
    files = sorted(glob.glob(folder + "/*.py"))[:120]
    total = same = 0
    for path in files:
        source = open(path, "rb").read()
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        wanted = set()

        def visit(node, prefix):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    wanted.add((prefix + child.name, child.end_lineno))
                elif isinstance(child, ast.ClassDef):
                    visit(child, prefix + child.name + ".")
                elif not isinstance(child, (ast.Lambda,)):
                    visit(child, prefix)

        visit(tree, "")
        found = {(b["path"], source[: b["end"]].count(b"\n") + 1) for b in strata(path)["blocks"] if b["kind"] == "entry"}
        total += len(wanted)
        same += len(wanted & found)
    line("Python functions", f"{len(files)} files", f"{same}/{total}", f"{same / max(1, total):.4f}", "same name and last line as ast")
