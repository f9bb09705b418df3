"""Word and PowerPoint files: what they say, in its order; what is none is said."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.loading import load
from tests.support.contexts import cells, notes, written
from tests.support.optional import needs

pytestmark = needs("docx", "pptx")


def word(*paragraphs: str) -> bytes:
    from docx import Document

    made, held = Document(), io.BytesIO()
    made.add_heading("Terms", 1)
    for paragraph in paragraphs:
        made.add_paragraph(paragraph)
    table = made.add_table(1, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text, table.cell(0, 2).text = "a", "b"
    made.save(held)
    return held.getvalue()


def slides() -> bytes:
    from pptx import Presentation

    made, held = Presentation(), io.BytesIO()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Plan", "ship\nmeasure"
    slide.notes_slide.notes_text_frame.text = "slowly"
    made.slides.add_slide(made.slide_layouts[6])
    made.save(held)
    return held.getvalue()


def test_a_word_file_is_its_paragraphs(tmp_path: Path) -> None:
    path = written(tmp_path, "d/a.docx", word("We pay.", "", "You wait."))
    assert [list(row.values()) for row in cells(load("t", path))] == [
        [1, "Heading 1", "Terms"],
        [2, "Normal", "We pay."],
        [4, "Normal", "You wait."],
        [5, "table", "a | b"],
    ]
    result = rlm_dsl.run('answer t | grep(r"wait", on=text)', {"t": path}, trace=tmp_path / "a.trace")
    assert result.evidence[0].spans[0].text == "You wait." and rlm_dsl.verify(tmp_path / "a.trace").ok
    written(tmp_path, "d/b.docx", b"none")
    context = load("t", str(tmp_path / "d"))
    assert context.schema.names == ("path", "paragraph", "style", "text") and context.count == 4
    assert "1 files are left out: each is no .docx or .pptx file" in notes(context)


def test_a_presentation_is_its_slides(tmp_path: Path) -> None:
    context = load("t", written(tmp_path, "a.pptx", slides()))
    assert [list(row.values()) for row in cells(context)] == [
        [1, "Plan", "Plan\nship\nmeasure", "slowly"],
        [2, "", "", ""],
    ]
    assert notes(context) == "1 slides have no text (they may be pictures)"


@pytest.mark.parametrize("name", ["a.docx", "a.pptx"])
def test_what_is_none_is_refused(tmp_path: Path, name: str) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(UserError, match="is broken"):
        load("t", written(tmp_path, name, held.getvalue()))
    with pytest.raises(UserError, match=r"is no \.docx or \.pptx file"):
        load("t", written(tmp_path, name, b"\xd0\xcf\x11\xe0"))
