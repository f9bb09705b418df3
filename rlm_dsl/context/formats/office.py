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
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Office:
    """A kind of files of an office suite: what is told of them, who opens them, what their rows are."""

    name: str
    said: str
    library: str
    opener: Callable[[], Callable[[Any], Any]]
    schema: Table
    rows_of: Callable[[Any, Counter[str]], Iterator[Row]]

    def load(self, request: LoadRequest) -> Loaded:
        """Raises UserError for one file that cannot be opened; in a folder such files are noted."""
        try:
            opener = self.opener()
        except ImportError:
            raise UserError(f"{self.said} files need {self.library}", "pip install 'rlm-dsl[office]'") from None
        rows_of = partial(opened, opener=opener, rows_of=self.rows_of, many=is_many(request.given))
        return load_document_rows(self.name, request, (f".{self.name}",), self.schema, rows_of)


def open_document() -> Callable[[Any], Any]:
    from docx import Document

    opener: Callable[[Any], Any] = Document
    return opener


def open_presentation() -> Callable[[Any], Any]:
    from pptx import Presentation

    opener: Callable[[Any], Any] = Presentation
    return opener


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


def office_format(kind: Office, summary: str) -> Format:
    return Format(
        name=kind.name,
        summary=summary,
        load=kind.load,
        endings=(f".{kind.name}",),
        many=True,
        extra="office",
        options=("columns",),
    )


WORD = Office("docx", "Word", "python-docx", open_document, PARAGRAPHS, paragraphs)
POWERPOINT = Office("pptx", "PowerPoint", "python-pptx", open_presentation, SLIDES, slides)
DOCX = office_format(WORD, "a row a paragraph of a Word file")
PPTX = office_format(POWERPOINT, "a row a slide")
