"""Word and PowerPoint files as documents: table(paragraph, style, text) and table(slide, title, text, notes).

In: .docx and .pptx files. Out: a row a paragraph that has text (a row of a table is one, its cells between bars), a row
a slide; `#line` is its number. Law: no macro, link or picture is followed; what unpacks without measure is refused.
By python-docx and python-pptx.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.find import is_many
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.files.unpacking import require_bounded
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.document_rows import Row, load_document_rows
from rlm_dsl.language.types import INT, TEXT, Table, table

PARAGRAPHS: Table = table(paragraph=INT, style=TEXT, text=TEXT)
SLIDES: Table = table(slide=INT, title=TEXT, text=TEXT, notes=TEXT)
CELLS = " | "


def load_docx(request: LoadRequest) -> Loaded:
    """Each paragraph a row. Raises UserError for one file that cannot be opened; in a folder such files are noted."""
    try:
        from docx import Document
    except ImportError:
        raise UserError("Word files need python-docx", "pip install 'rlm-dsl[office]'") from None
    rows_of = partial(opened, opener=Document, rows_of=paragraphs, many=is_many(request.given))
    return load_document_rows("docx", request, (".docx",), PARAGRAPHS, rows_of)


def load_pptx(request: LoadRequest) -> Loaded:
    """Each slide a row. Raises UserError for one file that cannot be opened; in a folder such files are noted."""
    try:
        from pptx import Presentation
    except ImportError:
        raise UserError("PowerPoint files need python-pptx", "pip install 'rlm-dsl[office]'") from None
    rows_of = partial(opened, opener=Presentation, rows_of=slides, many=is_many(request.given))
    return load_document_rows("pptx", request, (".pptx",), SLIDES, rows_of)


def opened(
    read: Read,
    counts: Counter[str],
    opener: Callable[[Any], Any],
    rows_of: Callable[[Any, Counter[str]], Iterator[Row]],
    many: bool,
) -> Iterator[Row]:
    """The rows of one file, read whole before the first is given."""
    path = read.source.path
    try:
        if not zipfile.is_zipfile(io.BytesIO(read.content)):
            raise UserError(
                f"{path} is no .docx or .pptx file, or an encrypted one", "save it as one, without a password"
            )
        require_bounded(read.content, path)
        try:
            rows = list(rows_of(opener(io.BytesIO(read.content)), counts))
        except Exception as failure:  # of many kinds: the libraries' own, and those of XML and zip
            raise UserError(f"{path} is broken: {str(failure).splitlines()[0] if str(failure) else ''}") from None
    except UserError as failure:
        if not many:
            raise
        counts[f"files are left out: each {failure.message.removeprefix(path + ' ')}"] += 1
        return
    yield from rows


def paragraphs(document: Any, counts: Counter[str]) -> Iterator[Row]:
    """What a document says, from its beginning to its end."""
    for number, (style, text) in enumerate(blocks(document), 1):
        if text.strip():
            yield Row(number, None, None, (number, style, text))


def blocks(document: Any) -> Iterator[tuple[str, str]]:
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            for row in block.rows:
                cells = {id(cell._tc): cell.text for cell in row.cells}  # a merged cell stands there several times
                yield "table", CELLS.join(cells.values())
        else:
            yield block.style.name or "", block.text


def slides(presentation: Any, counts: Counter[str]) -> Iterator[Row]:
    """What each slide says, its notes apart."""
    for number, slide in enumerate(presentation.slides, 1):
        title = slide.shapes.title
        said = [text for shape in slide.shapes for text in texts_of(shape) if text.strip()]
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        counts["slides have no text (they may be pictures)"] += not said
        yield Row(
            number,
            None,
            None,
            (number, title.text_frame.text if title is not None else "", "\n".join(said), notes.text if notes else ""),
        )


def texts_of(shape: Any) -> Iterator[str]:
    """The texts of a shape, a table or a group of them."""
    if getattr(shape, "has_table", False):
        for row in shape.table.rows:
            yield CELLS.join(cell.text for cell in row.cells)
    elif hasattr(shape, "shapes"):
        for inner in shape.shapes:
            yield from texts_of(inner)
    elif getattr(shape, "has_text_frame", False):
        yield shape.text_frame.text


DOCX = Format(
    name="docx",
    summary="a row a paragraph of a Word file",
    load=load_docx,
    endings=(".docx",),
    many=True,
    extra="office",
    options=("columns",),
)
PPTX = Format(
    name="pptx",
    summary="a row a slide",
    load=load_pptx,
    endings=(".pptx",),
    many=True,
    extra="office",
    options=("columns",),
)
