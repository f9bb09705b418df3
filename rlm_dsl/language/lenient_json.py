"""JSON as models write it: strictly, or nearly so.

In: a text and a place in it. Out: the value that begins there and where it ends. Law: in time linear in the text; a
number that no float holds is a value that says so; what is missing (a value, a closing bracket) is not made up, and a
name that stands twice with two values is no value at all.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

DEEPEST = 200
"""Levels of nesting; no type of the language has as many."""
LONGEST_INT = 4_000
"""Digits of a whole number that Python reads at once; more than any type holds."""


class Unreadable(Exception):
    """A text that holds no one JSON value; the message is what the model is told."""


class Unlike(ValueError):
    """A text that is not even nearly JSON."""


TOO_DEEP = "the answer is nested too deeply"
NO_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^"{}\[\]]+', re.DOTALL)


def check_depth(text: str) -> None:
    """Raises Unreadable for what is nested too deeply, wherever it is read: Python's own limit moves with its stack."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for bracket in NO_BRACKETS.sub("", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > DEEPEST:
            raise Unreadable(TOO_DEEP)


class OutOfRange(float):
    """A number that no float holds: an infinity that no model meant."""


def whole_number(digits: str) -> int | float:
    """A whole number as it is, but for one with more digits than Python reads."""
    return int(digits) if len(digits) <= LONGEST_INT else number(digits)


class Spelled(float):
    """A number with more digits than its float: `exact` is the one that was written."""

    exact: Decimal


def number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        return OutOfRange(value)
    if len(digits) > ALWAYS_EXACT and (exact := Decimal(digits)) != Decimal(repr(value)):
        held = Spelled(value)
        held.exact = exact
        return held
    return value


ALWAYS_EXACT = 15
"""So many characters spell no more digits than a float prints again."""


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its names and values. Raises Unreadable where a name has two values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if spelled(value) != spelled(found[name]):
                raise Unreadable(f"the answer gives {json.dumps(name)[:60]} twice, and not the same: give it once")
    return found


def spelled(value: Any) -> str:
    """A value as text, so that 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


STRICT = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=whole_number, parse_float=number, object_pairs_hook=members
)


# ---- nearly JSON: quotes of any kind or none, commas and comments too many, Python's constants ----

QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’"}
MORE = r",\s*(?:[\"'`“‘{\[}\]]|//|#|/\*|[^\"'`“”‘’:,{}\[\]\r\n]*[:,}\]])"
CLOSES = rf"\s*(?:[:}}\]]|{MORE}|//|#|/\*|\Z)|[ \t]*[\r\n]"
"""What follows a quote that ends a text, such as a comma with more to come; before anything else it is the text's."""
STRINGS = {
    opening: re.compile(
        rf"{opening}(?P<inside>(?:[^{closing}\\]|\\.|{closing}(?!{CLOSES}))*+){closing}(?={CLOSES})", re.DOTALL
    )
    for opening, closing in QUOTES.items()
}
BLANKS = re.compile(r"(?:\s+|//[^\r\n]*|#[^\r\n]*|/\*(?:[^*]|\*(?!/))*+\*/)*+")
NAME = re.compile(r"(?!\d)[^\s:,{}\[\]\"'`“”‘’/#=()]++")
BARE = re.compile(r"[^,:{}\[\]\"`\r\n#]+")
COMMENT = re.compile(r"//|/\*")
NUMBER = re.compile(r"[+-]?(?:\d+(?P<part>\.\d*)?|(?P<only>\.\d+))(?P<power>[eE][+-]?\d+)?", re.ASCII)
CONSTANTS = {"true": True, "false": False, "null": None, "none": None}
ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<sign>.))", re.DOTALL)
SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", **{sign: sign for sign in "\"'`“”‘’\\/\n"}}


def nearly(text: str, at: int) -> tuple[dict[str, Any], int]:
    """The object that begins at a brace, and its end. Raises Unlike, and Unreadable as `members` does."""
    try:
        return _object(text, at + 1)
    except RecursionError:
        raise Unlike from None


def _blanks(text: str, at: int) -> int:
    found = BLANKS.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> tuple[Any, int]:
    sign = text[at : at + 1]
    if sign == "{":
        return _object(text, at + 1)
    if sign == "[":
        return _list(text, at + 1)
    return _string(text, at) if sign in STRINGS else _bare(text, at)


def _string(text: str, at: int) -> tuple[str, int]:
    found = STRINGS[text[at]].match(text, at)
    if not found:
        raise Unlike
    return unescaped(found["inside"]), found.end()


def unescaped(inside: str) -> str:
    """A text with its escapes read; a backslash before anything else is one. Halves of surrogate pairs meet."""
    if "\\" not in inside:
        return inside
    return ESCAPE.sub(escaped_sign, inside).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def escaped_sign(found: re.Match[str]) -> str:
    return chr(int(found["code"], 16)) if found["code"] else SIGNS.get(found["sign"], found[0])


def _bare(text: str, at: int) -> tuple[Any, int]:
    """A number, a constant, or a text without quotes."""
    found = BARE.match(text, at)
    word = COMMENT.split(found[0], 1)[0].strip() if found else ""
    if not found or not word:
        raise Unlike
    end = at + found[0].index(word) + len(word)
    if word.lower() in CONSTANTS:
        return CONSTANTS[word.lower()], end
    if digits := NUMBER.fullmatch(word):
        whole = not (digits["part"] or digits["only"] or digits["power"])
        return (whole_number(word) if whole else number(word)), end
    return word, end


def _object(text: str, at: int) -> tuple[dict[str, Any], int]:
    """Members up to the closing brace; a comma may be missing, as each needs a colon."""
    pairs: list[tuple[str, Any]] = []
    while text[(at := _blanks(text, at)) : at + 1] != "}":
        name, at = _name(text, at)
        at = _blanks(text, at)
        if text[at : at + 1] != ":":
            raise Unlike
        value, at = _value(text, _blanks(text, at + 1))
        pairs.append((name, value))
        at = _comma(text, at)
    return members(pairs), at + 1


def _name(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] in STRINGS:
        return _string(text, at)
    found = NAME.match(text, at)
    if not found:
        raise Unlike
    return found[0], found.end()


def _list(text: str, at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while text[(at := _blanks(text, at)) : at + 1] != "]":
        item, at = _value(text, at)
        items.append(item)
        at = _comma(text, at)
    return items, at + 1


def _comma(text: str, at: int) -> int:
    at = _blanks(text, at)
    return at + 1 if text[at : at + 1] == "," else at
