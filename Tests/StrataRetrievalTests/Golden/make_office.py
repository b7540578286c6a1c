"""Writes office.docx, office.xlsx, office.pptx and office.json beside this file: documents by writers nobody here
wrote, and what those writers' own readers say is in them.

python -m venv v && v/bin/pip install python-docx==1.2.0 openpyxl==3.1.5 python-pptx==1.0.2
v/bin/python make_office.py
"""
import datetime, json, os, re, zipfile
import docx, openpyxl, pptx
from docx.oxml.ns import qn
from openpyxl.styles import Font
from pptx.util import Inches

here = os.path.dirname(os.path.abspath(__file__))
expected = {}


def squeeze(name):
    """Leaves out what no reader of text needs, so that the file stays small."""
    path = os.path.join(here, name)
    with zipfile.ZipFile(path) as source:
        entries = [(e, source.read(e)) for e in source.namelist()]
    dropped = ("docProps/thumbnail", "word/theme", "word/webSettings", "word/stylesWithEffects", "customXml/", "xl/theme",
               "ppt/theme/theme2", "word/fontTable", "ppt/printerSettings")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for entry, data in entries:
            if not entry.startswith(dropped):
                target.writestr(entry, data)


# DOCX
document = docx.Document()
document.core_properties.title = "Not the title that readers see"
document.add_heading("Field manual", 0)
document.add_paragraph("The manual says how probes are calibrated – and stored.")
document.add_heading("Calibration", 1)
paragraph = document.add_paragraph("Rinse the probe ")
paragraph.add_run("twice").bold = True
paragraph.add_run(" in clean water.")
document.add_heading("Intervals", 2)
document.add_paragraph("Daily in salt water", style="List Bullet")
document.add_paragraph("Weekly in fresh water", style="List Bullet")
document.add_paragraph("First, open the case", style="List Number")
table = document.add_table(rows=4, cols=3)
rows = [["Probe", "Range", "Buffer"], ["pH-2", "0–14", "pH 7 | pH 4"], ["EC-1", "0–80 mS", "1.413 mS"], ["", "", "12.88 mS"]]
for r, row in enumerate(rows):
    for c, text in enumerate(row):
        table.cell(r, c).text = text
table.cell(2, 0).merge(table.cell(3, 0))
table.cell(2, 1).merge(table.cell(3, 1))
document.add_heading("Storage", 1)
document.add_paragraph("Store upright.\tNever dry.")
document.save(os.path.join(here, "office.docx"))
# Footnotes and tracked changes, which python-docx cannot write, as Word writes them.
path = os.path.join(here, "office.docx")
with zipfile.ZipFile(path) as source:
    entries = {e: source.read(e) for e in source.namelist()}
body = entries["word/document.xml"].decode()
body = body.replace(
    "<w:t>Never dry.</w:t>",
    '<w:t>Never dry.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r>'
    '<w:del w:id="9" w:author="x"><w:r><w:delText>gone</w:delText></w:r></w:del>'
    '<w:ins w:id="10" w:author="x"><w:r><w:t xml:space="preserve"> Inserted.</w:t></w:r></w:ins><w:r><w:t></w:t>')
entries["word/document.xml"] = body.encode()
w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
entries["word/footnotes.xml"] = (
    f'<?xml version="1.0" encoding="UTF-8"?><w:footnotes {w}><w:footnote w:type="separator" w:id="0"><w:p><w:r>'
    f'<w:separator/></w:r></w:p></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>Salt creeps into dry joints.</w:t></w:r>'
    f'</w:p></w:footnote></w:footnotes>').encode()
entries["word/_rels/document.xml.rels"] = entries["word/_rels/document.xml.rels"].replace(
    b"</Relationships>",
    b'<Relationship Id="rId900" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"'
    b' Target="footnotes.xml"/></Relationships>')
entries["[Content_Types].xml"] = entries["[Content_Types].xml"].replace(
    b"</Types>", b'<Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    b'wordprocessingml.footnotes+xml"/></Types>')
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
    for entry, data in entries.items():
        target.writestr(entry, data)
document = docx.Document(path)
expected["docx"] = {
    "headings": [[1 if p.style.name == "Title" else int(p.style.name[-1]), p.text] for p in document.paragraphs
                 if p.style.name.startswith(("Heading", "Title"))],
    "paragraphs": [re.sub(r"\s+", " ", p.text) for p in document.paragraphs if p.style.name == "Normal" and p.text],
    "list": [p.text for p in document.paragraphs if p.style.name.startswith("List")],
    # Merged cells say their text in each place, as python-docx has it too.
    "table": [[re.sub(r"\s+", " ", c.text).strip() for c in row.cells] for row in document.tables[0].rows],
}

# XLSX
book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Orders"
sheet["A1"] = "Orders of the first quarter"
sheet.append(["Day", "Customer", "Amount", "Share", "Paid"])
for day, customer, amount, share, paid in [
    (datetime.date(2026, 1, 5), "Harbour Office", 1250.5, 0.25, True),
    (datetime.date(1999, 12, 31), "Wet Lab, Ltd.", 0.1 + 0.2, 0.125, False),
    (datetime.datetime(2026, 3, 1, 14, 30), "Ærø Færge", 1e6, 1, True),
]:
    sheet.append([day, customer, amount, share, paid])
for row in sheet.iter_rows(min_row=3, max_row=5):
    row[0].number_format = "yyyy-mm-dd hh:mm" if isinstance(row[0].value, datetime.datetime) and row[0].value.hour else "yyyy-mm-dd"
    row[3].number_format = "0.0%"
sheet["G9"] = "Note"
sheet["H9"] = "Text"
sheet["G10"] = 1
sheet["H10"] = "second table"
other = book.create_sheet("Grid & more")
other.merge_cells("B1:C1")
other["A1"], other["B1"] = "Site", "Readings"
other["A2"], other["B2"], other["C2"] = "North", 4, 5.25
book.create_sheet("Empty")
book.save(os.path.join(here, "office.xlsx"))
# Formulas with the values that a spreadsheet program left in the file.
path = os.path.join(here, "office.xlsx")
with zipfile.ZipFile(path) as source:
    entries = {e: source.read(e) for e in source.namelist()}
name = "xl/worksheets/sheet2.xml"
entries[name] = entries[name].replace(b"</sheetData>", b'<row r="3"><c r="A3" t="inlineStr"><is><t>Sum</t></is></c>'
                                      b'<c r="B3"><f>B2*2</f><v>8</v></c><c r="C3" t="str"><f>"a"&amp;1</f><v>a1</v></c></row></sheetData>')
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
    for entry, data in entries.items():
        target.writestr(entry, data)
book = openpyxl.load_workbook(path, data_only=True)


def shown(cell):
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M") if value.hour else value.strftime("%Y-%m-%d")
    if cell.number_format == "0.0%":
        return f"{value:.1%}"
    return f"{value:.15g}" if isinstance(value, (int, float)) else value


expected["xlsx"] = {
    "sheets": [s.title for s in book if s.max_row > 1],
    "orders": [[shown(c) for c in row] for row in book["Orders"].iter_rows(min_row=2, max_row=5, max_col=5)],
    "grid": [[shown(c) for c in row] for row in book["Grid & more"].iter_rows(min_row=1, max_row=3, max_col=3)],
}

# PPTX
show = pptx.Presentation()
slide = show.slides.add_slide(show.slide_layouts[0])
slide.shapes.title.text = "Harbour survey"
slide.placeholders[1].text = "Spring 2026"
slide = show.slides.add_slide(show.slide_layouts[1])
slide.shapes.title.text = "What we found"
frame = slide.placeholders[1].text_frame
frame.text = "Sediment rose by 4 cm"
frame.add_paragraph().text = "Salinity stayed"
frame.paragraphs[1].level = 1
slide.notes_slide.notes_text_frame.text = "Mention the storm of 14 February."
slide = show.slides.add_slide(show.slide_layouts[5])
slide.shapes.title.text = "Depths"
table = slide.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(6), Inches(2)).table
for r, row in enumerate([["Pier", "Depth"], ["East", "4.2 m"], ["West", "3.9 m"]]):
    for c, text in enumerate(row):
        table.cell(r, c).text = text
# The second slide is shown last.
ids = show.slides._sldIdLst
ids.append(ids[1])
show.save(os.path.join(here, "office.pptx"))
show = pptx.Presentation(os.path.join(here, "office.pptx"))
expected["pptx"] = {
    "titles": [s.shapes.title.text for s in show.slides],
    "texts": [[p.text for shape in s.placeholders if shape.placeholder_format.type is not None
               and shape != s.shapes.title and shape.has_text_frame and shape.placeholder_format.idx == 1
               for p in shape.text_frame.paragraphs] for s in show.slides],
    "notes": [s.notes_slide.notes_text_frame.text if s.has_notes_slide else None for s in show.slides],
    "table": [[c.text for c in row.cells] for shape in show.slides[1].shapes if shape.has_table
              for row in shape.table.rows],
}
for name in ("office.docx", "office.xlsx", "office.pptx"):
    squeeze(name)
with open(os.path.join(here, "office.json"), "w") as file:
    json.dump(expected, file, ensure_ascii=False, indent=1)
    file.write("\n")
