"""JSON Lines as rows, each with its bytes.

In: one file, a JSON value a line. Out: columns typed over all rows. Law: a line that is no JSON is refused with its
place; an object's fields are the columns, any other value stands in `value`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from rlm_dsl.context.files.read import Read
from rlm_dsl.context.formats.json.values import HALF, PLAIN, WINDOW, decoder_for, may_be_deep, may_hold_halves, refusing
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.file_tables import Surveyed
from rlm_dsl.context.rows.value_rows import Part, SeenRows, seen_rows, survey_values, too_deep, total_of
from rlm_dsl.language.types import Table

BLANK = b" \t\r"
SAMPLE = 1 << 16
"""Bytes of lines that are held against the last one."""


def survey_json_lines(read: Read, options: ReadingOptions, declared: Table | None) -> Surveyed:
    """One file of JSON values. Raises UserError with line and column for anything else."""
    return survey_from(read, 0, 0, skip_last=options.skip_last)


def survey_more_json_lines(read: Read, options: ReadingOptions, before: Surveyed, past: int) -> Surveyed | None:
    """A file that has grown behind the end of a line."""
    if before.state is None:
        return None
    known = seen_rows(before.state, before.columns.values())
    return survey_from(read, past, int(before.state["lines"]), known)


def survey_from(read: Read, at: int, lines: int, before: SeenRows | None = None, skip_last: int = 0) -> Surveyed:
    """The values from a place on, behind so many lines."""
    given, content = read.source.path, read.content
    refusal = (f"{given} holds no object with a field", "a JSON Lines file has an object a line")
    state = {"lines": lines + content.count(b"\n", at)}
    read_lines = partial(json_lines, given=given, at=at, number=lines)
    seen = survey_values("jsonl", read_lines, content, refusal, before, state, skip_last)
    return replace(seen, total="" if skip_last else total_row(content, given))


def total_row(content: bytes, given: str) -> str:
    """The last line's values, where they look like a total of the lines at the beginning."""
    end = len(content.rstrip(b"\r\n \t"))
    start = content.rfind(b"\n", 0, end) + 1
    last = value_of(content[start:end], PLAIN)
    if end - start > SAMPLE or not isinstance(last, dict):
        return ""
    held = content[: min(start, content.rfind(b"\n", 0, SAMPLE) + 1)]
    return total_of(json_lines(held, given, 0, 0), last, len(held) == start)


def json_lines(content: bytes, given: str, at: int, number: int) -> Iterator[Part]:
    """The lines that hold a value, a few megabytes at a time."""
    while at < len(content):
        cut = content.rfind(b"\n", at, at + WINDOW) + 1 or content.find(b"\n", at) + 1 or len(content)
        part = lines_of(content[at:cut], given, at, number)
        yield part
        number += content.count(b"\n", at, cut)
        at = cut


def lines_of(held: bytes, given: str, at: int, number: int) -> Part:
    """The lines of some bytes that begin at a place, behind so many lines."""
    part, constants, halves = Part(), list[str](), may_hold_halves(held)
    decoder = decoder_for(held, constants)
    for raw in held.removesuffix(b"\n").split(b"\n"):
        number += 1
        bare = raw.rstrip(BLANK)
        if bare:
            constants.clear()
            value = value_of(bare, decoder) if number > 1 else NONE
            if value is NONE:
                constants.clear()
                value = strictly(raw, decoder, given, number)
            part.add(number, at, at + len(raw), value, halves and HALF.search(raw) is not None)
            part.odd_numbers += [number] if constants else []
        else:
            part.blank += 1
        at += len(raw) + 1
    return part


NONE = object()
"""No value: null is one."""


def value_of(raw: bytes, decoder: json.JSONDecoder) -> Any:
    """The one value that a line is, or NONE where something is odd about it."""
    try:
        text = raw.decode("utf-8")
        value, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]
    except (ValueError, StopIteration, RecursionError):
        return NONE
    return NONE if end != len(text) or may_be_deep(raw) else value


def strictly(raw: bytes, decoder: json.JSONDecoder, given: str, number: int) -> Any:
    """The one value that a line is. Raises UserError with what is wrong, and where."""
    with refusing(given, number, "a line is one JSON value"):
        value = decoder.decode(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
        if may_be_deep(raw) and too_deep(value):
            raise RecursionError
    return value
