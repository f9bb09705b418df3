"""One JSON value, strictly: what is refused of it, and why.

In: text of one value. Out: a value as Python has it. Law: NaN and the infinities, which JSON has not and Python
writes, are floats, and halves of surrogate pairs are U+FFFD, both counted; what no column holds (a number beyond
floats, nesting beyond DEEPEST) is refused. Of a field named twice in one object the last counts, as for every reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.number_shape import Written, written_number
from rlm_dsl.context.rows.value_rows import DEEPEST

WINDOW = 4 << 20
"""Bytes that are parsed between two batches."""
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Bytes that may spell half of a surrogate pair."""
DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
"""Digits as one, and the mark of an exponent."""


def decoder_for(window: bytes, constants: list[str]) -> json.JSONDecoder:
    """The reader of the values in some bytes: careful of huge numbers where there may be some. It adds to `constants`
    each NaN and infinity that it reads."""
    shapes = window.translate(DIGITS)
    careful = b"0e" in shapes or b"0" * 300 in shapes
    if b"NaN" not in window and b"Infinity" not in window:
        return CAREFUL if careful else PLAIN

    def counted(word: str) -> float:
        constants.append(word)
        return float(word)

    return json.JSONDecoder(parse_constant=counted, parse_float=finite if careful else written_number)


def may_hold_halves(window: bytes) -> bool:
    return b"\\ud" in window or b"\\uD" in window


def may_be_deep(raw: bytes) -> bool:
    return len(raw) > DEEPEST and raw.count(b"[") + raw.count(b"{") > DEEPEST


@contextmanager
def refusing(given: str, number: int, hint: str, place: Callable[[int], str] | None = None) -> Iterator[None]:
    """What is wrong with a value, in a user's words. `place` says where a character of the value stands, otherwise it
    stands in its line."""
    told = place or (lambda at: f"{number}:{at + 1}")
    try:
        yield
    except UnicodeDecodeError as failure:
        raise UserError(f"{given}:{told(failure.start)}: bytes that are not UTF-8") from None
    except RecursionError:
        raise UserError(
            f"{given}:{number}: nested too deeply, more than {DEEPEST} lists and objects",
            "load the lines as texts: NAME:lines=PATH",
        ) from None
    except json.JSONDecodeError as failure:
        raise UserError(f"{given}:{told(failure.pos)}: no JSON: {failure.msg}", hint) from None
    except ValueError as failure:
        raise UserError(f"{given}:{number}: no JSON: {failure}") from None


def finite(word: str) -> Written | float:
    """A number as it is written or as a float, refused where it would become infinite."""
    number = written_number(word)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"a number is larger than a float holds: {word[:20]}")
    return number


PLAIN = json.JSONDecoder(parse_float=written_number)
CAREFUL = json.JSONDecoder(parse_float=finite)
