"""Workbooks made for tests and benchmarks: the least of .xlsx that readers take.

In: sheets as rows of Python values, by name, and what is merged. Out: the file's bytes. Law: a date is a number with a
date's format, as spreadsheets keep it; None is a cell that is not there.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
STYLES = (
    f'<styleSheet {MAIN}><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/>'
    '</borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)
EPOCH = datetime.datetime(1899, 12, 30)


def workbook(sheets: Mapping[str, Iterable[Sequence[object]]], merged: Sequence[str] = ()) -> bytes:
    """A workbook; `merged` are ranges of the first sheet."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        names = list(sheets)
        listed = "".join(f'<sheet name={quoteattr(n)} sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(names, 1))
        related = "".join(
            f'<Relationship Id="r{i}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(names) + 1)
        )
        styles = f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/>'
        root = f'<Relationship Id="w" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("[Content_Types].xml", f'{HEAD}<Types xmlns="{PACKAGE}/content-types"/>')
        archive.writestr("_rels/.rels", f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{root}</Relationships>')
        archive.writestr(
            "xl/workbook.xml", f'{HEAD}<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{related}{styles}</Relationships>',
        )
        archive.writestr("xl/styles.xml", HEAD + STYLES)
        for number, rows in enumerate(sheets.values(), 1):
            ranges = "".join(f'<mergeCell ref="{each}"/>' for each in merged) if number == 1 else ""
            more = f'<mergeCells count="{len(merged)}">{ranges}</mergeCells>' if ranges else ""
            body = "".join(row(at, cells) for at, cells in enumerate(rows, 1))
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f"{HEAD}<worksheet {MAIN}><sheetData>{body}</sheetData>{more}</worksheet>",
            )
    return held.getvalue()


def row(number: int, cells: Sequence[object]) -> str:
    made = "".join(cell(f"{letters(at)}{number}", value) for at, value in enumerate(cells) if value is not None)
    return f'<row r="{number}">{made}</row>'


def cell(place: str, value: object) -> str:
    match value:
        case bool():
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f'<c r="{place}"><v>{value!r}</v></c>'
        case datetime.datetime():
            days = (value - EPOCH) / datetime.timedelta(days=1)
            return f'<c r="{place}" s="2"><v>{days!r}</v></c>'
        case datetime.date():
            return f'<c r="{place}" s="1"><v>{(value - EPOCH.date()).days}</v></c>'
        case _:
            return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'


def letters(column: int) -> str:
    return chr(ord("A") + column) if column < 26 else letters(column // 26 - 1) + letters(column % 26)
