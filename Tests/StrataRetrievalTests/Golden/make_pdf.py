"""Writes paper.pdf, report.pdf and statement.pdf beside this file, and pdf.json: what each says in the order in which
people read it, and its tables. Text is made of words drawn with a fixed seed, so that no sentence occurs twice.

python -m venv v && v/bin/pip install reportlab==5.1.0 pyphen==0.18.0
v/bin/python make_pdf.py
"""
import json, os, random
from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.platypus import (BaseDocTemplate, Frame, FrameBreak, KeepTogether, NextPageTemplate, PageBreak,
                                PageTemplate, Paragraph, Preformatted, Spacer, Table, TableStyle)
from reportlab.rl_config import defaultPageSize  # noqa: F401
import reportlab.rl_config
reportlab.rl_config.invariant = 1

here = os.path.dirname(os.path.abspath(__file__))
words = """harbour sediment sensor calibration tide salinity buffer vessel mooring survey instrument gauge pressure current
depth sample laboratory reagent conductivity temperature maintenance schedule inspection corrosion anchor channel
measurement uncertainty reference estimate gradient observation interval correction procedure agreement
turbulence stratification deployment verification documentation responsibility""".split()
verbs = "shows follows limits improves requires replaces confirms exceeds determines describes precedes supports".split()
random.seed(7)


def sentence():
    a = random.sample(words, 9)
    return (f"The {a[0]} {a[1]} {random.choice(verbs)} every {a[2]} of the {a[3]} {a[4]}, and the {a[5]} "
            f"{random.choice(verbs)} {random.randint(2, 98)} {a[6]}s near the {a[7]} {a[8]}.")


def text(count):
    return " ".join(sentence() for _ in range(count))


class Truth:
    def __init__(self):
        self.blocks, self.tables, self.story = [], [], []

    def add(self, kind, content, style, **more):
        self.blocks.append({"kind": kind, "text": content, **more})
        self.story.append(Paragraph(content, style))

    def table(self, rows, flowable, spanned=None):
        """`spanned`: the rows as they are read, with a name over several columns in each of them."""
        self.tables.append(spanned or rows)
        self.blocks.append({"kind": "table", "table": len(self.tables) - 1})
        self.story += [flowable, Spacer(1, 10)]


body = ParagraphStyle("body", fontName="Times-Roman", fontSize=10, leading=12, alignment=TA_JUSTIFY, spaceAfter=4,
                      hyphenationLang="en_GB", embeddedHyphenation=1, uriWasteReduce=0)
plain = ParagraphStyle("plain", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=7)
cell = ParagraphStyle("cell", fontName="Helvetica", fontSize=8.5, leading=10.5)


def head(size, font="Helvetica-Bold", before=8):
    return ParagraphStyle(f"h{size}{font}", fontName=font, fontSize=size, leading=size * 1.25, spaceBefore=before, spaceAfter=4)


expected = {}


def save(name, truth, templates):
    document = BaseDocTemplate(os.path.join(here, name), pagesize=A4, pageCompression=1)
    document.addPageTemplates(templates)
    document.build(truth.story)
    expected[name] = {"blocks": truth.blocks, "tables": truth.tables}


# A paper in two columns under a title across both, with running heads, hyphenation, a table in a column and one across.
def running(canvas, document):
    canvas.saveState()
    canvas.setFont("Times-Italic", 9)
    canvas.drawString(2 * cm, 28.3 * cm, "Journal of Harbour Surveys, volume 12")
    canvas.drawRightString(19 * cm, 28.3 * cm, "Lindqvist and others")
    canvas.drawCentredString(10.5 * cm, 1.2 * cm, f"{document.page}")
    canvas.restoreState()


truth = Truth()
truth.add("heading", "Drift of moored conductivity probes in stratified harbours", head(18))
truth.add("paragraph", "Maja Lindqvist, Ole Brandt and Yusuf Adeyemi", plain)
truth.add("paragraph", text(4), body)
truth.story.append(FrameBreak())
column = 8.0 * cm
for number, (name, paragraphs) in enumerate([("Introduction", 3), ("Methods", 4), ("Results", 4), ("Discussion", 3)], 1):
    truth.add("heading", f"{number} {name}", head(12))
    for index in range(paragraphs):
        truth.add("paragraph", text(4), body)
        if name == "Methods" and index == 1:
            rows = [["Probe", "Slope", "Offset", "Days"]] + [[f"EC-{i}", f"{random.uniform(.9, 1.1):.3f}", f"{random.uniform(-2, 2):.2f}", str(random.randint(10, 99))] for i in range(1, 6)]
            truth.table(rows, Table(rows, colWidths=[column / 4] * 4, style=TableStyle([
                ("FONT", (0, 0), (-1, -1), "Times-Roman", 9), ("FONT", (0, 0), (-1, 0), "Times-Bold", 9),
                ("LINEABOVE", (0, 0), (-1, 0), 0.8, colors.black), ("LINEBELOW", (0, 0), (-1, 0), 0.4, colors.black),
                ("LINEBELOW", (0, -1), (-1, -1), 0.8, colors.black), ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
                ("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 1)])))
    if name == "Methods":
        truth.add("heading", "2.1 Calibration of the gauges", head(10.5, "Helvetica-BoldOblique"))
        truth.add("paragraph", text(3), body)
truth.story += [NextPageTemplate("wide"), PageBreak()]
truth.add("paragraph", "Table 2. All deployments, by station and season.", plain)
rows = [["Station", "Season", "Depth (m)", "Salinity (PSU)", "Remarks"]]
for station in ["Port Ellery", "Grenholm", "Rope Walk", "North Pier", "Outer Mole", "Fish Quay"]:
    rows.append([station, random.choice(["spring", "autumn"]), f"{random.uniform(2, 9):.1f}", f"{random.uniform(10, 35):.1f}", " ".join(random.sample(words, 3))])
truth.table(rows, Table(rows, colWidths=[3 * cm, 2.5 * cm, 3 * cm, 3.5 * cm, 5 * cm], style=TableStyle([
    ("FONT", (0, 0), (-1, -1), "Times-Roman", 9), ("FONT", (0, 0), (-1, 0), "Times-Bold", 9),
    ("LINEABOVE", (0, 0), (-1, 0), 0.8, colors.black), ("LINEBELOW", (0, 0), (-1, 0), 0.4, colors.black),
    ("LINEBELOW", (0, -1), (-1, -1), 0.8, colors.black)])))
truth.story.append(FrameBreak())
truth.add("heading", "5 Conclusion", head(12))
truth.add("paragraph", text(5), body)
truth.add("paragraph", text(4), body)
truth.add("paragraph", text(5), body)
left, width = 2 * cm, 17 * cm
columns = lambda top: [Frame(left, 2 * cm, column + 12, top - 2 * cm, id="a"), Frame(left + width - column - 12, 2 * cm, column + 12, top - 2 * cm, id="b")]
save("paper.pdf", truth, [
    PageTemplate("first", [Frame(left, 22.2 * cm, width, 5.6 * cm)] + columns(22.2 * cm), onPage=running, autoNextPageTemplate="rest"),
    PageTemplate("rest", columns(27.8 * cm), onPage=running),
    PageTemplate("wide", [Frame(left, 21.5 * cm, width, 6.3 * cm)] + columns(21.3 * cm), onPage=running)])


# A report with ruled tables: wrapped cells, names over several columns, one that goes on over the page; lists and code.
def footer(canvas, document):
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.drawString(2 * cm, 1.2 * cm, "Kestrel Quay Instruments - internal")
    canvas.drawRightString(19 * cm, 1.2 * cm, f"Page {document.page} of 4")
    canvas.restoreState()


grid = [("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("VALIGN", (0, 0), (-1, -1), "TOP"), ("FONT", (0, 0), (-1, -1), "Helvetica", 8.5)]
truth = Truth()
truth.add("heading", "Maintenance report 2026", head(20))
truth.add("paragraph", text(2), plain)
truth.add("heading", "Scope", head(10))
truth.add("paragraph", text(2), plain)
for item in range(3):
    truth.add("list", "• " + sentence(), plain)
for item in range(2):
    truth.add("list", f"{item + 1}. " + sentence(), plain)
truth.add("heading", "Faults and remedies", head(14))
rows = [["Fault", "Cause", "Remedy"]]
for fault in ["Pump does not start", "Display flickers", "Reading drifts", "Leak at the flange"]:
    rows.append([fault, sentence(), sentence()])
truth.table(rows, Table([[Paragraph(c, cell) for c in row] for row in rows], colWidths=[3.5 * cm, 6.5 * cm, 7 * cm], style=TableStyle(grid)))
truth.add("heading", "Readings by quarter", head(14))
shown = [["Site", "2025", "", "2026", ""], ["", "Q3", "Q4", "Q1", "Q2"]] + [
    [site] + [f"{random.uniform(1, 50):.1f}" for _ in range(4)] for site in ["North", "South", "East", "West"]]
read = [["Site", "2025", "2025", "2026", "2026"], ["Site", "Q3", "Q4", "Q1", "Q2"]] + shown[2:]
truth.table(shown, Table(shown, colWidths=[4 * cm] + [2.5 * cm] * 4, style=TableStyle(grid + [
    ("SPAN", (1, 0), (2, 0)), ("SPAN", (3, 0), (4, 0)), ("SPAN", (0, 0), (0, 1)), ("ALIGN", (1, 0), (-1, -1), "CENTER"),
    ("FONT", (0, 0), (-1, 1), "Helvetica-Bold", 8.5), ("BACKGROUND", (0, 0), (-1, 1), colors.lightgrey)])), read)
truth.add("heading", "Parts in stock", head(14))
rows = [["Part", "Number", "Shelf", "Stock", "Description"]]
for index in range(60):
    rows.append([random.choice(words).title() + f" {index}", f"KQ-{1000 + index * 7}", f"{random.choice('ABC')}{random.randint(1, 30)}", str(random.randint(0, 400)),
                 " ".join(random.sample(words, random.choice([2, 3, 8])))])
truth.table(rows, Table([[Paragraph(c, cell) for c in row] for row in rows], colWidths=[3.5 * cm, 2.3 * cm, 1.7 * cm, 1.7 * cm, 7.5 * cm], repeatRows=1, style=TableStyle(grid)))
truth.add("heading", "Reset", head(14))
truth.add("paragraph", text(2), plain)
code = "def reset(probe):\n    probe.stop()\n    return probe.start(delay=30)"
truth.blocks.append({"kind": "code", "text": code})
truth.story.append(Preformatted(code, ParagraphStyle("code", fontName="Courier", fontSize=9, leading=11)))
save("report.pdf", truth, [PageTemplate("all", [Frame(2 * cm, 2 * cm, 17 * cm, 25.5 * cm)], onPage=footer)])

# A statement without rules: addresses side by side, amounts to the right, sections in a table; then three columns on a
# page that lies on its side.
truth = Truth()
truth.add("heading", "Annual statement", head(22, "Times-Bold"))
pairs = [["Customer", "Harbour Office Port Ellery"], ["Contract", "KQ-2026-118"], ["Period", "1 January to 31 December 2026"], ["Currency", "Danish kroner"]]
bare = [("FONT", (0, 0), (-1, -1), "Times-Roman", 11), ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 2)]
truth.table(pairs, Table(pairs, colWidths=[4 * cm, 9 * cm], hAlign="LEFT", style=TableStyle(bare)))
truth.add("paragraph", text(3), ParagraphStyle("t", fontName="Times-Roman", fontSize=11, leading=14, spaceAfter=10))
money = lambda: f"{random.randint(1, 999)},{random.randint(0, 999):03d}.{random.randint(0, 99):02d}"
rows = [["Item", "Note", "2026", "2025", "Change"]]
for item in ["Service fees", "Calibration", "Spare parts", "Transport by ferry", "Storage and insurance"]:
    rows.append([item, str(random.randint(1, 9)) if random.random() < .5 else "", money(), money(), f"{random.randint(-20, 20)}%"])
rows.append(["Total", "", money(), money(), "4%"])
truth.table(rows, Table(rows, colWidths=[6 * cm, 2 * cm, 3.3 * cm, 3.3 * cm, 2.4 * cm], style=TableStyle(bare + [("ALIGN", (2, 0), (-1, -1), "RIGHT"), ("FONT", (0, -1), (-1, -1), "Times-Bold", 11)])))
truth.add("paragraph", text(3), ParagraphStyle("t", fontName="Times-Roman", fontSize=11, leading=14, spaceAfter=10))
rows = [["Term", "Meaning"]] + [[w.title(), sentence()] for w in random.sample(words, 5)]
truth.table(rows, Table([[Paragraph(c, ParagraphStyle("x", fontName="Times-Roman", fontSize=11, leading=13)) for c in row] for row in rows],
                        colWidths=[4 * cm, 13 * cm], style=TableStyle([("TOPPADDING", (0, 0), (-1, -1), 4), ("BOTTOMPADDING", (0, 0), (-1, -1), 4), ("VALIGN", (0, 0), (-1, -1), "TOP")])))
truth.story += [NextPageTemplate("side"), PageBreak()]
truth.add("heading", "Notes to the statement", head(16, "Times-Bold", 0))
truth.story.append(FrameBreak())
for note in range(1, 8):
    truth.add("heading", f"Note {note}", head(11, "Times-Bold"))
    truth.add("paragraph", text(4), ParagraphStyle("n", fontName="Times-Roman", fontSize=10, leading=12, spaceAfter=4))
w, h = landscape(A4)
save("statement.pdf", truth, [
    PageTemplate("first", [Frame(2 * cm, 2 * cm, 17 * cm, 25.5 * cm)]),
    PageTemplate("side", [Frame(2 * cm, h - 3.5 * cm, w - 4 * cm, 2 * cm)] + [Frame(2 * cm + i * 8.6 * cm, 2 * cm, 8 * cm, h - 5.8 * cm) for i in range(3)], pagesize=(w, h))])

with open(os.path.join(here, "pdf.json"), "w") as file:
    json.dump(expected, file, ensure_ascii=False, indent=0)
    file.write("\n")
