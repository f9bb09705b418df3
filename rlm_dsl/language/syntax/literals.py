"""Literals between their spelling and their value.

In: a literal as written, and where it starts. Out: its node, and the problem with it if there is one; and back.
Law: what `spell_*` writes, `read_*` reads as the same value.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.exact import DIGITS, shortest, spelled
from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.tree import Moment, Number, Text

LARGEST_INT = 2**63 - 1
SAMPLE_DATES = "write a date as @2024-03-01 and a moment as @2024-03-01T10:00:00"

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
# Invisible or line-breaking characters: shown as escapes, so that a program says what it looks like.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\xa0\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SPELLED = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}
_RAW = re.compile(
    r'r(?:"(?:[^"\\\n]|\\[^\n])*"'
    r"|'(?:[^'\\\n]|\\[^\n])*'"
    r'|"""(?:[^"\\]|\\[\s\S]|"{1,2}(?:[^"\\]|\\[\s\S]))*"""'
    r"|'''(?:[^'\\]|\\[\s\S]|'{1,2}(?:[^'\\]|\\[\s\S]))*''')"
)
_LONG_TEXT = 60


# ---- reading ----


def read_number(written: str, span: Span) -> tuple[Number, Diagnostic | None]:
    """`1_000`, `0.5`, `1e6`; an int has at most 64 bits, a float is finite."""
    digits = written.replace("_", "")
    if digits[0] == "0" and digits[1:2].isdigit():
        return Number(0, span), _leading_zero(written, digits, span)
    if not digits.isdigit():
        return _read_float(digits, span)
    value = int(digits) if len(digits) <= len(str(LARGEST_INT)) else LARGEST_INT + 1
    if value <= LARGEST_INT:
        return Number(value, span), None
    hint = f"the largest int is {LARGEST_INT}; write 1e30 for a float, or a text for an id"
    return Number(0, span), Diagnostic("S04", "the number is too large for an int", span, (hint,))


def _read_float(digits: str, span: Span) -> tuple[Number, Diagnostic | None]:
    value = float(digits)
    if math.isfinite(value):
        exact = Decimal(digits)
        plain = "e" not in digits.lower() and len(exact.as_tuple().digits) <= DIGITS
        return Number(exact if plain and shortest(value) != exact else value, span), None
    return Number(0, span), Diagnostic("S04", "the number is too large for a float", span, ("floats end near 1.8e308",))


def _leading_zero(written: str, digits: str, span: Span) -> Diagnostic:
    plain = digits.lstrip("0") or "0"
    hint = f'write {plain if plain[0].isdigit() else "0" + plain} for the number, or "{written}" for the text'
    return Diagnostic("S04", "a number does not start with 0", span, (hint,))


def read_moment(written: str, span: Span) -> tuple[Moment, Diagnostic | None]:
    """`@2024-03-01` or `@2024-03-01T10:00:00`, which the calendar must know."""
    text = written.removeprefix("@")
    kind = datetime if "T" in text else date
    try:
        kind.fromisoformat(text)
    except ValueError as error:
        return Moment(text, span), Diagnostic("S05", f"there is no such date: {error}", span, (SAMPLE_DATES,))
    return Moment(text, span), None


def read_text(written: str, span: Span) -> tuple[Text, Diagnostic | None]:
    """A quoted text, raw or not, with one quote or three."""
    raw = written.startswith("r")
    quoted = written[1:] if raw else written
    width = 3 if quoted[:3] in ('"""', "'''") and len(quoted) >= 6 else 1
    inner = quoted[width:-width]
    if raw or "\\" not in inner:
        return Text(inner, raw, span), None
    problem = _bad_escape(inner, span.start + width)
    return Text(_ESCAPE.sub(_unescape, inner), raw, span), problem


def _unescape(match: re.Match[str]) -> str:
    simple = match[4]
    return _SIMPLE.get(simple, simple) if simple is not None else _character(match) or ""


def _character(match: re.Match[str]) -> str | None:
    """The character a numeric escape means; None if there is no such character."""
    number = int(match[1] or match[2] or match[3], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else None


def _bad_escape(inner: str, offset: int) -> Diagnostic | None:
    """The first escape that means nothing; the rest of the text has, as a rule, the same cause."""
    for match in _ESCAPE.finditer(inner):
        good = match[4] in _SIMPLE if match[4] is not None else _character(match) is not None
        if not good:
            span = Span(offset + match.start(), offset + match.end())
            return Diagnostic("S03", f"`{match[0]}` is not an escape", span, _escape_hints(match[0]))
    return None


def _escape_hints(escape: str) -> tuple[str, ...]:
    if escape[1] in "xuU":
        return (r"write \x41, \u0041 or \U00000041 with as many hexadecimal digits, for a character that exists",)
    return (r'write r"..." for a pattern, where backslashes stand for themselves, or \\ for one backslash',)


# ---- spelling ----


def spell_number(value: int | float | Decimal) -> str:
    return spelled(value) if isinstance(value, Decimal) else repr(value)


def spell_text(text: Text, *, one_line: bool = False) -> str:
    """The canonical spelling: raw stays raw where it can, several lines of prose stand between triple quotes."""
    if text.raw and (raw := _spell_raw(text.value)) is not None:
        return raw
    escaped = '"' + _escaped(text.value).replace('"', r"\"") + '"'
    return escaped if one_line or not _is_prose(text.value, escaped) else _spell_long(text.value)


def _spell_raw(value: str) -> str | None:
    """`value` between the first quotes that need no escape; None where no raw spelling exists."""
    spellings = (f"r{quote}{value}{quote}" for quote in ('"', "'", '"""', "'''"))
    return next((spelling for spelling in spellings if _reads_as(spelling, value)), None)


def _reads_as(spelling: str, value: str) -> bool:
    return bool(_RAW.fullmatch(spelling)) and read_text(spelling, Span(0, 0))[0].value == value


def _is_prose(value: str, escaped: str) -> bool:
    """Whether triple quotes read better: two lines with words, long, and no blanks that an editor would strip."""
    lines = value.split("\n")
    return (
        len(escaped) > _LONG_TEXT
        and sum(1 for line in lines if line.strip()) >= 2
        and not any(line.endswith((" ", "\t")) for line in lines)
    )


def _spell_long(value: str) -> str:
    """Between triple quotes; those at the end are escaped, or the text would end there."""
    inner = value.rstrip('"')
    lines = "\n".join(_escaped(line) for line in inner.split("\n")).replace('"""', r"\"\"\"")
    return '"""' + lines + r"\"" * (len(value) - len(inner)) + '"""'


def _escaped(value: str) -> str:
    return _HIDDEN.sub(_spell_hidden, value.replace("\\", "\\\\"))


def _spell_hidden(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SPELLED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
