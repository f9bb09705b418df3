"""Whether nearly all texts of a round were given one answer, as a weak model answers.

In: a round's outcomes, its result's type; afterwards a step's recorded counts. Out: what is recorded of it; words.
Law: it follows from recorded answers alone, so that a verified run comes to the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.engine.calls.rows import RoundResult
from rlm_dsl.language.types import BOOL, Enum, Record, bare

MOSTLY = "mostly"
"""What it is called among a step's counts; runs of before had none."""
UNSCORED = "no_probability"
"""What rows are called whose answers have no probability, though it was asked for."""
LEAST = 20
"""Different texts below which nothing is told."""
SHARE, SHARE_OF_FIRST = 0.90, 0.85
"""Of the texts that have one answer, from which on it is told; for the first of a list it takes less."""


def one_answer(came: RoundResult, result: Record, *, filters: bool) -> Mapping[str, Any] | None:
    """Of the first property with a closed set of values that nearly all texts were given one of: the value, how many
    have it, of how many, and whether it is the first of its list. That few rows satisfy what `filters` is no news."""
    asked = {o.raw[0][0]: o.value for o in came.outcomes.values() if o is not None and o.value is not None and o.raw}
    if len(asked) < LEAST:
        return None
    for field in result.fields:
        type_ = bare(field.type)
        if type_ != BOOL and not (isinstance(type_, Enum) and len(type_.values) > 1):
            continue
        ((value, count),) = Counter(answer.get(field.name) for answer in asked.values()).most_common(1)
        first = isinstance(type_, Enum) and value == type_.values[0]
        told = value is not None and not (filters and value is False)
        if told and count >= (SHARE_OF_FIRST if first else SHARE) * len(asked):
            return {"field": field.name, "value": value, "texts": count, "of": len(asked), "first": first}
    return None


def without_mostly(asked: Any, recorded: Any) -> Any:
    """A step's counts as an earlier run recorded them, which did not tell this."""
    if not isinstance(asked, Mapping) or MOSTLY not in asked or MOSTLY in (recorded or {}):
        return asked
    return {name: count for name, count in asked.items() if name != MOSTLY}


def step_notes(asked: Mapping[str, Any] | None) -> list[str]:
    """What there is to tell of a step's answers, a line each."""
    return [words for told in (one_answer_words, unscored_words) if (words := told(asked))]


def unscored_words(asked: Mapping[str, Any] | None) -> str:
    """A line on rows without a probability; "" where there are none."""
    if not (count := (asked or {}).get(UNSCORED)):
        return ""
    assert asked is not None
    told = f"the probability is null in {count:,} of {counted(asked['ok'], 'row')}: the server told none"
    return f"{told}; a condition on it leaves such rows out"


def one_answer_words(asked: Mapping[str, Any] | None) -> str:
    """A line on it; "" where there is nothing to tell."""
    if not (found := (asked or {}).get(MOSTLY)):
        return ""
    value, first = json.dumps(found["value"], ensure_ascii=False), ", the first of the list" if found["first"] else ""
    told = f"{found['texts']:,} of {found['of']:,} different texts were answered {value}{first}"
    return f"{told}: look at some of them, as weak models answer so whatever the text"
