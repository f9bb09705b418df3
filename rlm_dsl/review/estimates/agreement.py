"""Agreement: of the model with people, and of people with each other.

In: labels. Out: a share with limits, Cohen's kappa, Krippendorff's alpha. Law: what is missing is left out; where
everybody only ever gave one label, chance and agreement cannot be told apart, and there is no figure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

from rlm_dsl.review.estimates.limits import LEVEL, clopper_pearson


def agreement(pairs: Sequence[tuple[Hashable, Hashable]], level: float = LEVEL) -> tuple[float, float, float] | None:
    """The share of pairs that are alike, with exact limits; None without any."""
    if not pairs:
        return None
    alike = sum(one == other for one, other in pairs)
    return alike / len(pairs), *clopper_pearson(alike, len(pairs), level)


def cohens_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """How much more than by chance two agree (Cohen, 1960)."""
    count = len(pairs)
    if not count:
        return None
    ones, others = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(ones[label] * others[label] for label in ones) / count**2
    if chance == 1:
        return None
    return (sum(one == other for one, other in pairs) / count - chance) / (1 - chance)


def krippendorffs_alpha(units: Sequence[Sequence[Any]], measure: str = "nominal") -> float | None:
    """Agreement of any number of people (Krippendorff, 2004). Each unit is what was said of one row, None left out;
    `measure` is nominal, ordinal or interval."""
    told = [[value for value in unit if value is not None] for unit in units]
    told = [unit for unit in told if len(unit) > 1]
    together: defaultdict[tuple[Any, Any], float] = defaultdict(float)
    for unit in told:
        for one, other in combinations(unit, 2):
            share = 1 / (len(unit) - 1)
            together[one, other] += share
            together[other, one] += share
    totals: defaultdict[Any, float] = defaultdict(float)
    for (one, _), share in together.items():
        totals[one] += share
    count = sum(totals.values())
    distance = distances(totals, measure)
    expected = sum(totals[a] * totals[b] * distance[a, b] for a in totals for b in totals)
    if count <= 1 or expected == 0:
        return None
    observed = sum(share * distance[pair] for pair, share in together.items())
    return 1 - (count - 1) * observed / expected


def distances(totals: Mapping[Any, float], measure: str) -> dict[tuple[Any, Any], float]:
    """How far apart each two labels are."""
    if measure == "nominal":
        return {(a, b): float(a != b) for a in totals for b in totals}
    if measure == "interval":
        return {(a, b): float(a - b) ** 2 for a in totals for b in totals}
    ranked = sorted(totals)
    found: dict[tuple[Any, Any], float] = {}
    for at, one in enumerate(ranked):
        for to, other in enumerate(ranked[at:], at):
            held = sum(totals[each] for each in ranked[at : to + 1]) - (totals[one] + totals[other]) / 2
            found[one, other] = found[other, one] = held**2 if at != to else 0.0
    return found
