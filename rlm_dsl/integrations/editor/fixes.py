"""Quick fixes: what a problem itself says was meant, in place of what is written.

In: a text, a problem's place and message. Out: edits, each with its name. Law: only what a hint names is put, and only
in place of one word or of one text in quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rlm_dsl.common.source import Span
from rlm_dsl.language.types import quoted_name

MEANT = re.compile(r"did you mean `([^`]+)`\?")
WORD = re.compile(r"`(?:[^`]|``)+`|\w+")
IN_QUOTES = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')


@dataclass(frozen=True, slots=True)
class Fix:
    title: str
    span: Span
    text: str


def fixes(text: str, span: Span, message: str) -> Iterator[Fix]:
    """What mends a problem; `message` is told with its hints."""
    written = text[span.start : span.end]
    for meant in dict.fromkeys(MEANT.findall(message)):
        if WORD.fullmatch(written):
            new, place = quoted_name(meant), span
        else:
            quotes = [found for found in IN_QUOTES.finditer(written) if found[0][1:-1] in message]
            if len(quotes) != 1:
                continue
            new, start = json.dumps(meant, ensure_ascii=False), span.start + quotes[0].start()
            place = Span(start, start + len(quotes[0][0]))
        if new != text[place.start : place.end]:
            yield Fix(f"Write {new}", place, new)
