"""What a program looks for in texts, marked where it stands.

In: a program, a text. Out: the text in pieces, each marked or not. Law: the pieces together are the text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import re2

from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, nodes_in
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse

Piece = tuple[str, bool]
"""A piece of a text, and whether it is what was looked for."""


def patterns_in(program: str) -> list[Any]:
    """What a program looks for in texts: the patterns that stand in it."""
    found = []
    try:
        tree = parse(Source("program", program))
    except ProgramError:
        return []
    texts = [text.value for text in nodes_in(tree.statements, t.Text) if text.raw]
    for call in calls_in(tree.statements):
        if call.operator == "grep":
            texts += [a.value.value for a in call.arguments[:1] if isinstance(a.value, t.Text)]
    for text in dict.fromkeys(texts):
        try:
            found.append(re2.compile(text))
        except re2.error:
            continue
    return found


def highlight(text: str, patterns: Sequence[Any]) -> Iterator[Piece]:
    """A text in pieces: what a pattern finds in it, or in one cell of it where it is a line of CSV, is marked."""
    spans = sorted({span for pattern in patterns for span in matches_in(text, pattern)})
    at = 0
    for start, end in spans:
        if start >= at and end > start:
            if start > at:
                yield text[at:start], False
            yield text[start:end], True
            at = end
    if at < len(text) or not text:
        yield text[at:], False


def matches_in(text: str, pattern: Any) -> Iterator[tuple[int, int]]:
    found = [(m.start(), m.end()) for m in pattern.finditer(text) if m.end() > m.start()][:20]
    if found:
        yield from found
        return
    cells = next(csv.reader(io.StringIO(text)), []) if text.count(",") and "\x00" not in text else []
    for cell in cells[:100]:
        match = pattern.search(cell)
        if cell and match and match.end() > match.start() and (at := text.find(match.group())) >= 0:
            yield at, at + len(match.group())
