"""HTML as blocks of visible text: table(tag, heading, text).

In: pages, in the encoding that they state. Out: a row a heading, paragraph, list item, table row, preformatted text, or
text that stands in no such element. Law: no visible word is lost, and their order stays; places run from a block's
first visible character to its last and rise; unclosed and wrongly nested tags cost time linear in the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.encodings import decode, encoding_of, round_trips
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.formats.html.tokens import Token, resolve_references, shown_tokens, tokens, with_alternatives
from rlm_dsl.context.options import NO, NO_OPTIONS, ReadingOptions
from rlm_dsl.context.rows.amounts import is_amount
from rlm_dsl.context.rows.document_rows import Row, load_document_rows, title
from rlm_dsl.context.rows.totals import label_of
from rlm_dsl.language.types import TEXT, Table, table

ENDINGS = (".html", ".htm", ".xhtml")
SCHEMA: Table = table(tag=TEXT, heading=TEXT, text=TEXT)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BLOCKS = frozenset(HEADINGS) | frozenset(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure
    footer form frameset head header hgroup hr legend li listing main menu nav ol optgroup option p plaintext pre search
    section select summary table tbody textarea tfoot thead title tr ul xmp
    """.split()
)
CLOSED_BY_THE_NEXT = frozenset("p li dt dd tr option".split())
CELLS = ("td", "th")
ROWS = ("tr", "table", "tbody", "thead", "tfoot")
BETWEEN_CELLS = "\t"
TOTALS = "rows of tables look like totals of those above them: leave them out where you sum"
CELL = None
"""Among a block's pieces: here a cell begins."""
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
STATED = re.compile(
    rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([\w:.-]+) | \A\s*<\?xml\s[^>]*?encoding\s*=\s*["']([\w:.-]+)""",
    re.IGNORECASE | re.VERBOSE,
)
STATED_WITHIN = 4_096


@dataclass(frozen=True, slots=True)
class Block:
    """A block's element, the nearest heading above (a heading's own), its text, and its place in characters."""

    tag: str
    heading: str
    text: str
    start: int
    end: int


def load_html(request: LoadRequest) -> Loaded:
    """Each block a row."""
    return load_document_rows("html", request, ENDINGS, SCHEMA, partial(page_rows, options=request.options))


def page_rows(read: Read, counts: Counter[str], options: ReadingOptions) -> Iterator[Row]:
    """The blocks of one page with their bytes; without them where the encoding does not tell."""
    content = read.content
    text, encoding = page_text(content, counts, options.encoding)
    placed = round_trips(text, content, encoding)
    counts[f"files are in {encoding}, in which bytes cannot be counted (no places)"] += not placed
    at, byte, line = 0, 0, 1
    for block in blocks(" " + text[1:] if text.startswith("\ufeff") else text, options):
        before, held = text[at : block.start], text[block.start : block.end]
        start = byte + size(before, encoding) if placed else None
        line += before.count("\n")
        end = start + size(held, encoding) if start is not None else None
        counts[TOTALS] += block.tag == "tr" and is_total_of_cells(block.text)
        yield Row(line, start, end, (block.tag, block.heading, block.text))
        line += held.count("\n")
        at, byte = block.end, end or 0


def is_total_of_cells(text: str) -> bool:
    """Whether a table's row is called as a total is, and has an amount."""
    cells = text.split(BETWEEN_CELLS)
    return label_of(cells[0]) == "" and any(map(is_amount, cells[1:]))


def size(text: str, encoding: str) -> int:
    """How many bytes a part of a page has."""
    return len(text.encode(encoding, "surrogateescape"))


def page_text(content: bytes, counts: Counter[str], said: str = "") -> tuple[str, str]:
    """A page's text and encoding: as a user says, by its mark, as it states, UTF-8 if it is, else windows-1252."""
    encoding = (
        said or next((name for mark, name in MARKS if content.startswith(mark)), None) or stated_encoding(content)
    )
    if encoding is not None:
        text, exact = decode(content, encoding)
        counts[f"files hold bytes that are not {encoding} (shown as U+FFFD)"] += not exact
        return text, encoding
    text, exact = decode(content, "utf-8")
    if exact:
        return text, "utf-8"
    counts["files state no encoding and are not UTF-8 (read as windows-1252)"] += 1
    return decode(content, "cp1252")[0], "cp1252"


def stated_encoding(content: bytes) -> str | None:
    """The encoding that a page's head states; where that is UTF-16, it means UTF-8, or it could not be read there."""
    found = STATED.search(content[:STATED_WITHIN])
    encoding = encoding_of((found[1] or found[2]).decode("ascii", "replace")) if found else None
    return "utf-8" if encoding and encoding.startswith("utf-") else encoding


@dataclass(slots=True)
class Open:
    """What is open while a page is read: elements, and the pieces of the block that is being gathered."""

    elements: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    pieces: list[str | None] = field(default_factory=list)
    start: int = -1
    end: int = -1
    heading: str = ""
    in_cell: bool = False
    """Whether the cell that is open has text in this block."""


def blocks(text: str, options: ReadingOptions = NO_OPTIONS) -> Iterator[Block]:
    """The blocks of visible text, in order; the texts of pictures stand among it."""
    page = Open()
    found = shown_tokens(text) if options.hidden == NO else tokens(text)
    for token in found if options.earlier else with_alternatives(text, found):
        if not token.name:
            gather(page, text, token)
        elif token.name in CELLS:
            if within_cell(page):
                yield from finish_block(page)
                back_to_row(page)
            page.pieces.append(CELL)
            page.in_cell = False
        elif token.name in ("img", "area") and not options.earlier:
            page.pieces.append(" ")
        elif token.name == "br":
            page.pieces.append("\n")
        elif (name := token.name.removeprefix("/")) in BLOCKS:
            if goes_on(page, token.name):
                page.pieces.append("\n")
                continue
            yield from finish_block(page)
            change(page, token, name)
    yield from finish_block(page)


def gather(page: Open, text: str, token: Token) -> None:
    """Add a piece of text to the block; its place begins and ends with what is visible."""
    raw = text[token.start : token.end]
    shown = resolve_references(raw)
    page.pieces.append(shown)
    if shown.strip():
        if page.start < 0:
            page.start = token.start + len(raw) - len(raw.lstrip())
        page.end = token.start + len(raw.rstrip())
        page.in_cell = True


def goes_on(page: Open, name: str) -> bool:
    """Whether a tag does not end the block: the one paragraph that a table's cell holds is the cell's text."""
    within_row = page.elements[-1:] == ["tr"]
    return within_row and (name in ("/p", "/div") or (name in ("p", "div") and not page.in_cell))


def within_cell(page: Open) -> bool:
    """Whether something is open in a table's cell, which the next cell ends."""
    inside = bool(page.elements) and page.elements[-1] not in ROWS
    return inside and any(page.counted[name] for name in ROWS)


def back_to_row(page: Open) -> None:
    while page.elements[-1] not in ROWS:
        page.counted[page.elements.pop()] -= 1


def change(page: Open, token: Token, name: str) -> None:
    """Open or close an element. One that closes takes along all that are open in it."""
    if token.name != name:
        while page.counted[name]:
            page.counted[page.elements[-1]] -= 1
            if page.elements.pop() == name:
                return
    elif name != "hr" and not token.closed:
        last = page.elements[-1] if page.elements else ""
        if last == "p" or (last == name and name in CLOSED_BY_THE_NEXT):
            page.counted[page.elements.pop()] -= 1
        page.elements.append(name)
        page.counted[name] += 1


def finish_block(page: Open) -> Iterator[Block]:
    """The block that ends here, if anything in it is visible."""
    if page.start >= 0:
        whole = preformatted_text(page.pieces) if page.counted["pre"] else collapse_blanks(page.pieces)
        if any(page.counted[name] for name in HEADINGS):
            page.heading = title(whole)
        tag = page.elements[-1] if page.elements else "body"
        yield Block(tag, page.heading, whole, page.start, page.end)
    page.pieces.clear()
    page.start = page.end = -1
    page.in_cell = False


def preformatted_text(pieces: list[str | None]) -> str:
    whole = "".join(BETWEEN_CELLS if piece is CELL else piece for piece in pieces)
    return whole.removeprefix("\r").removeprefix("\n")


def collapse_blanks(pieces: list[str | None]) -> str:
    """The text with its white space collapsed, and a tab between a table row's cells."""
    cells: list[list[str]] = [[]]
    for piece in pieces:
        if piece is CELL:
            cells.append([])
        else:
            cells[-1].append(piece)
    texts = [" ".join("".join(cell).split()) for cell in cells]
    return "\t".join(texts if texts[0] else texts[1:] or texts)
