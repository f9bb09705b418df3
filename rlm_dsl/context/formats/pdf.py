"""PDF as pages: table(page, text).

In: PDF files. Out: a row a page, in order, `#line` its number. Law: every page is a row, also one without text; places
in bytes there are none. By pypdfium2 and not pypdf: on the same words it was 13 to 20 times as fast, its PDFium reads
what browsers read, and its licences (BSD-3-Clause, Apache-2.0) ask for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.find import is_many
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.files.recognised import seems
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.document_rows import Row, load_document_rows
from rlm_dsl.language.types import INT, TEXT, Table, table

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

ENDINGS = (".pdf",)
SCHEMA: Table = table(page=INT, text=TEXT)
ONE_AT_A_TIME = Lock()
"""PDFium keeps state of its own, and is for one thread at a time."""
WRONG_PASSWORD = 4
HYPHEN = "\ufffe"
"""What PDFium gives for a hyphen at a line's end, with the rest of the word right behind it."""


def load_pdf(request: LoadRequest) -> Loaded:
    """Each page a row. Raises UserError for one file that cannot be opened; in a folder such files are noted."""
    try:
        import pypdfium2  # noqa: F401
    except ImportError:
        raise UserError("PDF needs pypdfium2", "pip install 'rlm-dsl[pdf]'") from None
    return load_document_rows("pdf", request, ENDINGS, SCHEMA, partial(pages, many=is_many(request.given)))


def pages(read: Read, counts: Counter[str], many: bool) -> Iterator[Row]:
    """The pages of one file."""
    try:
        document = open_document(read)
    except UserError as failure:
        if not many:
            raise
        counts[f"files are left out: each {failure.message.removeprefix(read.source.path + ' ')}"] += 1
        return
    with closing(document):
        for index in range(len(document)):
            text = page_text(document, index, counts)
            counts["pages have no text (they may be pictures)"] += not text.strip()
            yield Row(index + 1, None, None, (index + 1, text))


def open_document(read: Read) -> PdfDocument:
    """The document, with a page at least. Raises UserError."""
    from pypdfium2 import PdfDocument, PdfiumError

    path = read.source.path
    try:
        with ONE_AT_A_TIME:
            document = PdfDocument(read.content)
    except PdfiumError as failure:
        if getattr(failure, "err_code", None) == WRONG_PASSWORD:
            raise UserError(f"{path} is encrypted", "save it without its password first") from None
        raise UserError(f"{path} is no PDF, or a broken one", seems(read.content, path)) from None
    if not len(document):
        raise UserError(f"{path} is a PDF without pages")
    return document


def page_text(document: PdfDocument, index: int, counts: Counter[str]) -> str:
    """A page's text with its words whole again; a page that cannot be read has none."""
    from pypdfium2 import PdfiumError

    try:
        with ONE_AT_A_TIME, closing(document[index]) as page, closing(page.get_textpage()) as held:
            text: Any = held.get_text_range()
    except PdfiumError:
        counts["pages cannot be read"] += 1
        return ""
    return str(text).replace("\r\n", "\n").replace("\r", " ").replace(HYPHEN, "")


FORMAT = Format(
    name="pdf",
    summary="a row a page of PDF",
    load=load_pdf,
    endings=ENDINGS,
    many=True,
    extra="pdf",
    options=("columns",),
)
