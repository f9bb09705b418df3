"""JSON Lines as rows, each with its bytes.

In: one file, a JSON value a line. Out: columns typed over all rows. Law: a line that is no strict JSON is refused with
its place; an object's fields are the columns, any other value stands in `value`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.read import read_one
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.formats.json.values import HALF, WINDOW, decoder_for, may_be_deep, may_hold_halves, refusing
from rlm_dsl.context.rows.value_rows import Part, load_values, too_deep

BLANK = b" \t\r"


def load_json_lines(request: LoadRequest) -> Loaded:
    """One file of JSON objects. Raises UserError with line and column for anything else."""
    given = request.given
    read = read_one(given, request.progress, "give one file, or load texts: NAME:documents=FOLDER")
    refusal = (f"{given} holds no object with a field", "a JSON Lines file has an object a line")
    return load_values("jsonl", read.source, lambda: json_lines(read.content, given), refusal=refusal)


def json_lines(content: bytes, given: str) -> Iterator[Part]:
    """The lines that hold a value, a few megabytes at a time."""
    at, number = 0, 0
    while at < len(content):
        cut = content.rfind(b"\n", at, at + WINDOW) + 1 or content.find(b"\n", at) + 1 or len(content)
        part = lines_of(content[at:cut], given, at, number)
        yield part
        number += content.count(b"\n", at, cut)
        at = cut


def lines_of(held: bytes, given: str, at: int, number: int) -> Part:
    """The lines of some bytes that begin at a place, behind so many lines."""
    part, decoder, halves = Part(), decoder_for(held), may_hold_halves(held)
    for raw in held.removesuffix(b"\n").split(b"\n"):
        number += 1
        bare = raw.rstrip(BLANK)
        if bare:
            value = value_of(bare, decoder) if number > 1 else NONE
            if value is NONE:
                value = strictly(raw, decoder, given, number)
            part.add(number, at, at + len(raw), value, halves and HALF.search(raw) is not None)
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
