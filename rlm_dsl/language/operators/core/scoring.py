"""Labels by probability: how an operator's answers may be read from how probable a model holds each of them.

In: a step's arguments as plain values. Out: `Scoring`; the arguments that operators share. Law: how answers are read
stands in the program; what is asked beside the rows (`unlabelled` texts, other orders of the labels) follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rlm_dsl.language.operators.core.kinds import Choice, Constant, NewName, Numbers
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.types import FLOAT, INT

UNLABELLED = ("N/A", "[MASK]", "...")
"""Texts without content: what a model holds probable of them is its leaning (Zhao et al., 2021, "Calibrate Before
Use")."""
MOST_ORDERS = 8
CONTENT_FREE = "content-free"

PROBABILITY = Parameter("probability", NewName(), "", shown="probability=p", optional=True)
"""The column of the answer's probability, as the model holds it; with it, answers are read from probabilities."""
ORDERS = Parameter("orders", Constant(INT), 1, shown="orders=2", optional=True)
"""In how many orders of the labels each text is asked about; the orders are averaged."""
CALIBRATE = Parameter("calibrate", Choice(("none", CONTENT_FREE)), "none", optional=True)
WEIGHTS = Parameter("weights", Numbers(), None, shown="weights={a: 1.5}", optional=True)
"""What each label's probability is multiplied by, as labelled texts say; 1 for those not named."""
MEAN = Parameter("expected", NewName(), "", shown="expected=m", optional=True)
"""The column of the mean of the answers' numbers by their probabilities."""
AT_LEAST = Parameter("at_least", Constant(FLOAT), None, shown="at_least=0.3", optional=True)
"""From which probability on a row is kept; a half without it."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How answers are read from probabilities: over so many `orders` of the labels, against what is said of texts
    without content where `content_free`, by `weights`, and for yes or no from `at_least` on; the mean of
    numbers too where one is `expected`."""

    orders: int = 1
    content_free: bool = False
    weights: Mapping[str, Decimal] = field(default_factory=dict)
    at_least: Decimal | None = None
    expected: bool = False

    @staticmethod
    def of(values: Mapping[str, Any]) -> Scoring | None:
        """None for a step whose answers are taken as they are said."""
        if not values.get("probability"):
            return None
        weights = {name: Decimal(str(weight)) for name, weight in (values.get("weights") or {}).items()}
        least = values.get("at_least")
        return Scoring(
            values.get("orders") or 1,
            values.get("calibrate") == CONTENT_FREE,
            weights,
            None if least is None else Decimal(str(least)),
            bool(values.get("expected")),
        )

    def order(self, labels: list[str], number: int) -> list[str]:
        """The labels in the order of that number: each begins elsewhere, every second one runs backwards."""
        start = number // 2 * max(1, len(labels) // max(1, (self.orders + 1) // 2))
        turned = labels[start:] + labels[:start]
        return turned[::-1] if number % 2 else turned


def unlabelled(arguments: Mapping[str, Any]) -> int:
    """How many texts without content a step asks about."""
    return len(UNLABELLED) if arguments.get("calibrate") == CONTENT_FREE else 0
