"""Conditions on a text: that it holds another, that a pattern matches, all or one of several.

In: nothing. Out: conditions as values, and their SQL. Law: a condition on null is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rlm_dsl.language.sql import Sql, bound, joined, sql


@dataclass(frozen=True, slots=True)
class Holds:
    """The text holds another: anywhere, or `at` its begin, its end, or as the whole."""

    text: str
    at: str = "anywhere"


@dataclass(frozen=True, slots=True)
class Matches:
    """The pattern matches."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Condition, ...]


Condition: TypeAlias = Holds | Matches | Every | Some


HELD = {
    "anywhere": "contains({t}, {w})",
    "begin": "starts_with({t}, {w})",
    "end": "ends_with({t}, {w})",
    "whole": "({t} = {w})",
}


def condition_sql(condition: Condition, text: Sql, hint: str) -> Sql:
    """The condition on `text`; its bound texts and patterns are named after `hint`."""
    match condition:
        case Holds(wanted, at):
            return sql(HELD[at], t=text, w=bound(wanted, f"{hint}_text"))
        case Matches(pattern):
            return sql("regexp_matches({t}, {p})", t=text, p=bound(pattern, hint))
        case Every(parts) | Some(parts):
            between = " AND " if isinstance(condition, Every) else " OR "
            return sql("({parts})", parts=joined(between, (condition_sql(part, text, hint) for part in parts)))
