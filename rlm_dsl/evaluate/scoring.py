"""Scores: how right an answer is, from 0 to 1.

In: an answer of the task's type, the right one. Out: a number. Law: each metric is a function of the two alone; what
has not the form that a metric wants scores 0.

`oolong` is the benchmark's own (Bertsch et al., arXiv 2511.02817): a number scores 0.75 to the power of its error, a
list of pairs its F1, anything else 1 where it is one of the accepted answers.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.language.types import BOOL, FLOAT, INT, TEXT, Field, ListOf, Record, Table, Type

NO_ANSWER = "see docs/evaluation.md for the forms of answers"
PARTIAL = 0.75
PREFIX = re.compile(r"^(?:the )?(?:final )?(?:answer|label|user|date|month)\s*(?:is|:)\s*", re.IGNORECASE)
COMPARISONS = ("more common", "less common", "same frequency")
DATE_FORMS = ("%Y-%m-%d", "%m/%d/%Y", "%b %d, %Y", "%B %d, %Y")


@dataclass(frozen=True, slots=True)
class Metric:
    """How an answer is scored; `misfit` says what is wrong with a right answer of a task, or nothing."""

    score: Callable[[Any, Any, str], float]
    misfit: Callable[[Any, str], str]


def exact(given: Any, right: Any, answer_type: str = "") -> float:
    """1 for the same value; texts ignore case, space around them and a leading `Answer:`."""
    return float(canonical(given) == canonical(right))


def numeric(given: Any, right: Any, answer_type: str = "") -> float:
    """0.75 to the power of the error; 1 where there is none."""
    found, wanted = number(given), number(right)
    return 0.0 if found is None or wanted is None else PARTIAL ** abs(found - wanted)


def set_f1(given: Any, right: Any, answer_type: str = "") -> float:
    """The harmonic mean of precision and recall over what is listed, each once; two empty lists agree."""
    found, wanted = members(given), members(right)
    if found is None or wanted is None:
        return 0.0
    if not found and not wanted:
        return 1.0
    return 2 * len(found & wanted) / (len(found) + len(wanted))


def oolong(given: Any, right: Any, answer_type: str = "") -> float:
    """By the kind of answer; `right` lists every accepted answer, or for pairs all of them."""
    if answer_type == "PAIRS":
        return set_f1(given, right)
    if answer_type == "NUMERIC":
        return max((numeric(given, accepted) for accepted in right), default=0.0)
    if answer_type == "COMPARISON":
        return float(comparison(given) is not None and comparison(given) in map(comparison, right))
    return max((exact(given, accepted) for accepted in right), default=0.0)


def number(value: Any) -> float | None:
    """A number, also one that stands alone in a text or in a list of one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        found = re.findall(r"-?\d[\d,_]*(?:\.\d+)?", value)
        value = float(re.sub("[,_]", "", found[0])) if len(found) == 1 else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def members(value: Any) -> set[Any] | None:
    """What is listed, in a form that compares: rows and lists as tuples, texts canonical; None for no list."""
    if not isinstance(value, list):
        return None
    return {member(item) for item in value}


def member(item: Any) -> Any:
    if isinstance(item, dict):
        item = list(item.values())
    return tuple(map(member, item)) if isinstance(item, list) else canonical(item)


def comparison(value: Any) -> str | None:
    """Which comparison a text makes, if it makes just one."""
    made = [phrase for phrase in COMPARISONS if phrase in str(value).casefold()]
    return made[0] if len(made) == 1 else None


def canonical(value: Any) -> str:
    """A value as a text that compares: JSON for what is no text, days in ISO form."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    text = PREFIX.sub("", value.strip()).strip(" .'\"`[]")
    return day(text) or text.casefold()


def day(text: str) -> str | None:
    for form in DATE_FORMS:
        try:
            return datetime.datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    return None


def anything(right: Any, answer_type: str) -> str:
    return ""


def a_number(right: Any, answer_type: str) -> str:
    return "" if number(right) is not None else "the right answer is no number"


def a_list(right: Any, answer_type: str) -> str:
    return "" if isinstance(right, list) else "the right answer is no list"


METRICS: Mapping[str, Metric] = {
    "exact": Metric(exact, anything),
    "numeric": Metric(numeric, a_number),
    "set_f1": Metric(set_f1, a_list),
    "oolong": Metric(oolong, a_list),
}


def usual_type(metric: str, right: Any, answer_type: str) -> Type:
    """The type that is asked for where a task says none: that of its right answer."""
    if metric == "numeric":
        return FLOAT if isinstance(right, float) else INT
    if metric == "oolong":
        if answer_type == "PAIRS":
            return Table((Field("a", INT), Field("b", INT)))
        return INT if answer_type == "NUMERIC" else type_of(right[0]) if right else TEXT
    return type_of(right)


def type_of(value: Any) -> Type:
    """The type of a JSON value; text for what has none."""
    match value:
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return FLOAT
        case [first, *_] if isinstance(first, list) and first and all(isinstance(n, int) for n in first):
            return Table(tuple(Field(name, INT) for name, _ in zip("abcdefgh", first, strict=False)))
        case [first, *_]:
            return ListOf(type_of(first))
        case dict() if value:
            return Record(tuple(Field(name, type_of(inner)) for name, inner in value.items()))
        case _:
            return TEXT
