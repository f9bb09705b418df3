"""A JSON file as rows: each element of its list, or its one object.

In: one file that is a JSON list or object. Out: columns typed over all rows, as of JSON Lines. Law: a row's bytes are
its element's, its line that on which the element begins; a file is read if it is strict JSON as a whole, and refused
with the place of what is wrong otherwise.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.formats.json.values import WINDOW, decoder_for, may_be_deep, may_hold_halves, refusing
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.file_tables import Surveyed
from rlm_dsl.context.rows.value_rows import Part, survey_values, too_deep, total_of
from rlm_dsl.language.types import Table

BLANK = re.compile(rb"[ \t\r\n]*")
BLANK_TEXT = re.compile(r"[ \t\r\n]*")
HINT = "a JSON file is one list or one object; for a value a line: NAME:jsonl=PATH"
NEAR = 16
"""Characters before the end of a window in which what seems wrong may be cut off."""


def survey_json(read: Read, options: ReadingOptions, declared: Table | None) -> Surveyed:
    """One JSON file. Raises UserError with line and column for anything else than one list or object."""
    given = read.source.path
    if past_blank(read.content, len(BOM) if read.content.startswith(BOM) else 0) == len(read.content):
        return Surveyed("json", {}, lambda _, schema: (), (), UserError(f"{given} is empty", HINT))
    refusal = (f"{given} holds no object with a field", HINT)
    listed = partial(elements, given=given)
    seen = survey_values("json", listed, read.content, refusal, skip_last=options.skip_last)
    whole = len(read.content) <= WINDOW
    return replace(seen, total=total_of(listed(read.content), None, True) if whole and not options.skip_last else "")


def elements(content: bytes, given: str) -> Iterator[Part]:
    """The elements of a list, or the one object, a few megabytes at a time."""
    at = past_blank(content, len(BOM) if content.startswith(BOM) else 0)
    opening = content[at : at + 1]
    if opening == b"{":
        reading = Elements(content, given, at, alone=True)
    elif opening == b"[":
        reading = Elements(content, given, past_blank(content, at + 1))
    else:
        raise UserError(f"{given}:{place(content, at)}: no JSON list or object begins here", HINT)
    while not reading.done:
        yield reading.part()
    rest = past_blank(content, reading.at)
    if rest < len(content):
        raise UserError(f"{given}:{place(content, rest)}: no JSON: the file has several values", HINT)


def past_blank(content: bytes, at: int) -> int:
    found = BLANK.match(content, at)
    assert found is not None
    return found.end()


def place(content: bytes, at: int) -> str:
    """Line and column of a byte."""
    start = content.rfind(b"\n", 0, at) + 1
    line, column = content.count(b"\n", 0, at) + 1, len(content[start:at].decode("utf-8", "replace")) + 1
    return f"{line}:{column}"


class Elements:
    """Reads a list's elements, or one object `alone`, window by window; owns where it is and on which line."""

    def __init__(self, content: bytes, given: str, at: int, alone: bool = False) -> None:
        self.content, self.given, self.at, self.alone = content, given, at, alone
        self.line, self.counted = 1, 0
        self.size = WINDOW
        self.done = not alone and content[at : at + 1] == b"]"
        self.at += self.done

    def part(self) -> Part:
        """The elements that are whole within the window; a window that holds none is doubled."""
        part = Part()
        final = self.at + self.size >= len(self.content)
        window = self.content[self.at : self.at + self.size]
        with refusing(self.given, self.line, HINT, lambda at: place(self.content, self.at + at)):
            text, _ = codecs.utf_8_decode(window, "strict", final)
        constants, halves = list[str](), may_hold_halves(window)
        decoder = decoder_for(window, constants)
        index = end_of_blank(text, 0)
        start = self.at + index
        while not self.done:
            constants.clear()
            try:
                value, end = decoder.raw_decode(text, index)
                after = end_of_blank(text, end)
                if after == len(text) and not final:
                    break
                mark = "" if self.alone else text[after : after + 1]
                if not self.alone and mark not in (",", "]"):
                    raise json.JSONDecodeError("a comma or ] is wanted", text, after)
            except (ValueError, RecursionError) as failure:
                if not final and may_be_cut(failure, text):
                    break
                self.refuse(failure, text, index, start)
            stop = start + size(text, index, end)
            raw = self.content[start:stop]
            self.advance(start)
            if may_be_deep(raw) and too_deep(value):
                self.refuse(RecursionError(), text, index, start)
            part.add(self.line, start, stop, value, halves and may_hold_halves(raw))
            part.odd_numbers += [self.line] if constants else []
            self.done = mark != ","
            index = end_of_blank(text, after + len(mark)) if mark == "," else after + len(mark)
            start = stop + size(text, end, index)
        self.size = WINDOW if part.rows else 2 * self.size
        self.at = start
        return part

    def advance(self, to: int) -> None:
        """Count lines up to a place."""
        self.line += self.content.count(b"\n", self.counted, to)
        self.counted = to

    def refuse(self, failure: Exception, text: str, index: int, start: int) -> None:
        """Raise what is wrong with the element that begins at a place."""
        self.advance(start)

        def told(at: int) -> str:
            return place(self.content, start + (size(text, index, at) if at > index else 0))

        with refusing(self.given, self.line, HINT, told):
            raise failure


def end_of_blank(text: str, at: int) -> int:
    found = BLANK_TEXT.match(text, at)
    assert found is not None
    return found.end()


def size(text: str, start: int, end: int) -> int:
    """How many bytes a part of a text is."""
    return end - start if text.isascii() else len(text[start:end].encode("utf-8"))


def may_be_cut(failure: Exception, text: str) -> bool:
    """Whether what is wrong may be so only because the window ends."""
    if not isinstance(failure, json.JSONDecodeError):
        return False
    return failure.msg.startswith("Unterminated string") or failure.pos >= len(text) - NEAR
