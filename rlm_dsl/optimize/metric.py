"""How right an answer is, from 0 to 1: by name, or by a function of the user's.

In: a name, or `module:function`. Out: a function of the expected answer and the given one. Law: a function that raises
stops the optimization; its failure never counts as a score.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.evaluate.scoring import METRICS, canonical

Score = Callable[[Any, Any], float]
"""Of the expected answer and the one that was given, None for none."""


def f1(expected: Any, given: Any) -> float:
    """Over what is listed, or over the words of a text."""
    if isinstance(expected, dict) and len(expected) == 1 and isinstance(given, dict):
        expected, given = next(iter(expected.values())), next(iter(given.values()), None)
    if isinstance(expected, list):
        return METRICS["set_f1"].score(given, expected, "")
    wanted, found = (Counter(re.findall(r"\w+", canonical(value))) for value in (expected, given))
    both = sum((wanted & found).values())
    return 2 * both / (sum(wanted.values()) + sum(found.values())) if both else 0.0


NAMED: dict[str, Score] = {
    "exact": lambda expected, given: float(expected == given or METRICS["exact"].score(given, expected, "") == 1),
    "numeric": lambda expected, given: METRICS["numeric"].score(single_value(given), single_value(expected), ""),
    "f1": f1,
    "set_f1": f1,
}

WHOLE, GRADED = ("exact",), ("numeric", "f1", "set_f1")
"""Metrics whose scores are 0 or 1, and whose scores are anything between; of a user's own, the scores tell."""


def single_value(value: Any) -> Any:
    """The value of a record's one field."""
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


def metric(name: str) -> Score:
    """A metric by its name. Raises UserError; so does the metric, for a function that raises or gives no number."""
    if name in NAMED:
        return NAMED[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise UserError(f"there is no metric `{name}`", *did_you_mean(name, list(NAMED), what="metrics")[:1])
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as failure:
        raise UserError(f"the metric {name} cannot be had: {failure}", "write --metric module:function") from None
    finally:
        sys.path.pop(0)

    def score(expected: Any, given: Any) -> float:
        try:
            value = float(found(expected, given))
        except Exception as failure:
            raise UserError(f"the metric {name} failed: {type(failure).__name__}: {failure}", "mend it") from None
        if not 0 <= value <= 1:
            raise UserError(f"the metric {name} gave {value}", "a score is from 0 to 1")
        return value

    return score
