"""Markdown as sections: table(heading, level, section, text).

In: files after CommonMark. Out: a row a heading with all below it up to the next one; what stands before the first
heading is a section of level 0. Law: the rows' texts, one after the other, are the file. Headings are those of the
document itself: none in code, in quotes, in list items, or in the YAML front matter of static sites.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.document_rows import Row, load_document_rows, title
from rlm_dsl.language.types import INT, TEXT, Table, table

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

ENDINGS = (".md", ".markdown")
LINE_END = re.compile(rb"\r\n|\r|\n")
FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?=[\w\"'-]+[ \t]*:)(?:(?!---|\.\.\.)[^\n]*\n)*+(?:---|\.\.\.)[ \t]*(?=\n|\Z)")
READ_AS_MARKUP = 1_000
"""Characters of a heading whose emphasis, links and code are read; a longer one stays as it is written."""
SCHEMA: Table = table(heading=TEXT, level=INT, section=TEXT, text=TEXT)


def load_markdown(request: LoadRequest) -> Loaded:
    """Each section a row. Bytes that are no UTF-8 become U+FFFD, and are noted."""
    parser()
    return load_document_rows("markdown", request, ENDINGS, SCHEMA, sections, decodes=True)


@cache
def parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        raise UserError("Markdown needs markdown-it-py", "pip install 'rlm-dsl[markdown]'") from None
    return MarkdownIt("commonmark")


def sections(read: Read, counts: Counter[str]) -> Iterator[Row]:
    """The sections of one file; one without a byte has none."""
    content = read.content
    whole = content.decode("utf-8", "replace")
    starts = [0, *(end.end() for end in LINE_END.finditer(content))]
    path: list[tuple[int, str]] = []
    level, heading, start, line = 0, "", 0, 1
    bad = False
    for next_level, next_heading, first_line in [*headings(whole), (0, "", len(starts))]:
        end = starts[first_line] if first_line < len(starts) else len(content)
        if end > start:
            path = [above for above in path if above[0] < level] + ([(level, heading)] if level else [])
            raw = content[start:end]
            text = raw.decode("utf-8", "replace")
            bad = bad or ("\ufffd" in text and text.encode() != raw)
            yield Row(line, start, end, (heading, level, " > ".join(name for _, name in path), text))
            line += raw.count(b"\n")
        level, heading, start = next_level, next_heading, end
    counts["files hold bytes that are not UTF-8 (shown as U+FFFD)"] += bad


def headings(text: str) -> Iterator[tuple[int, str, int]]:
    """Level, plain text and line (from 0) of each heading, as CommonMark sees them."""
    environment: dict[str, object] = {}
    tokens: list[Token] = []
    parser().block.parse(blank_where_no_markdown(text), parser(), environment, tokens)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            yield int(opening.tag[1]), title(plain(inline.content, environment)), opening.map[0]


def blank_where_no_markdown(text: str) -> str:
    """The text as CommonMark reads it, with the lines of its front matter blank: no line moves."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    matter = FRONT_MATTER.match(text)
    return "\n" * text.count("\n", 0, matter.end()) + text[matter.end() :] if matter else text


def plain(content: str, environment: dict[str, object]) -> str:
    """A heading's text without its markup."""
    if len(content) > READ_AS_MARKUP:
        return content
    return "".join(token_text(token) for token in parser().inline.parse(content, parser(), environment, []))


def token_text(token: Token) -> str:
    match token.type:
        case "text" | "code_inline" | "text_special":
            return token.content
        case "image":
            return "".join(token_text(child) for child in token.children or ())
        case "softbreak" | "hardbreak":
            return " "
        case _:
            return ""


FORMAT = Format(
    name="markdown",
    summary="a row a section of Markdown",
    load=load_markdown,
    endings=ENDINGS,
    by_ending=False,
    many=True,
    extra="markdown",
    own="text",
    options=("encoding", "columns"),
)
