"""RE2 patterns: checking them before anything runs, and saying what RE2 lacks.

In: a pattern's text. Out: its named groups, or a problem with the way to say it in this language.
Law: a pattern that passes here is accepted by the engine, which runs RE2 too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class BadPattern:
    """What is wrong with a pattern, and what to write instead."""

    message: str
    hints: tuple[str, ...] = ()


LACKING: tuple[tuple[str, str, str], ...] = (
    (r"\(\?<?[=!]", "look-around", "filter twice: grep(..) | grep(.., invert=true), or `extract` a wider group"),
    (r"\\[1-9]", "back-references", "extract both parts and compare them with `where(a == b)`"),
    (r"\\k<", "back-references", "extract both parts and compare them with `where(a == b)`"),
    (r"\(\?>", "atomic groups", "use a plain group (?:...): RE2 never backtracks"),
    (r"[*+?}]\+", "possessive quantifiers", "use the plain quantifier: RE2 never backtracks"),
    (r"\(\?\(", "conditionals", "use two patterns"),
    (r"\(\?#|\(\?x", "comments and (?x)", "write the pattern without them"),
    (r"\\b\{", r"\b{start} and \b{end}", r"use \b"),
    (r"\\Z", r"\Z", r"use \z"),
    (r"\\[uU]", r"\u escapes", r"write the character itself or \x{20ac}"),
)
"""Constructs that RE2 lacks or reads otherwise than people expect: how to see them, their name, what to write."""


def lacking(pattern: str) -> BadPattern | None:
    """The first construct of `LACKING` in the pattern, outside character classes and escaped backslashes."""
    plain = re.sub(r"\[(?:\\.|[^\]\\])*\]", "[]", re.sub(r"\\\\", "", pattern))
    for seen, what, instead in LACKING:
        if re.search(seen, plain):
            return BadPattern(f"RE2 has no {what}", (instead,))
    return None


@cache
def problem(pattern: str) -> BadPattern | None:
    """What is wrong with a pattern, or None."""
    import re2

    if r"\b{" in pattern:
        return lacking(pattern)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern.encode("utf-8"), options)
    except re2.error as failure:
        told = failure.args[0]
        message = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        return lacking(pattern) or BadPattern(f"no valid RE2 pattern: {message}", hint_for(message))
    except UnicodeEncodeError:
        return BadPattern("no valid RE2 pattern: it holds half of a surrogate pair")
    return None


def hint_for(message: str) -> tuple[str, ...]:
    if "missing" in message and (")" in message or "]" in message):
        return (r"close it, or escape it to mean the character: \( \[",)
    if "repetition" in message or "repeat" in message:
        return (r"escape the character to mean itself: \* \+ \?",)
    return ()


@cache
def named_groups(pattern: str) -> Mapping[str, int]:
    """The named groups of a valid pattern with their numbers, in order."""
    return dict(sorted(compiled(pattern).groupindex.items(), key=lambda item: int(item[1])))


def group_count(pattern: str) -> int:
    return int(compiled(pattern).groups)


def matches_empty(pattern: str) -> bool:
    """Whether a valid pattern matches the empty text, so that it separates nothing."""
    return compiled(pattern).search("") is not None


def compiled(pattern: str):  # type: ignore[no-untyped-def]
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)
