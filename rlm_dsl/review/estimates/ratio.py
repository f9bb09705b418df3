"""Ratios of two totals over the same rows: shares, averages over kept rows, precision and recall.

In: strata of the upper and of the lower number, row by row the same. Out: an estimate with its interval. Law: a ratio
is in the interval where the upper number less that ratio times the lower one may be nothing (Fieller, 1954); the limits
of that total are those of `estimate_total`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rlm_dsl.review.estimates.estimate import UNTOLD, Estimate, Part, unknown
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.estimates.strata import Strata
from rlm_dsl.review.estimates.stratum import Stratum
from rlm_dsl.review.estimates.total import errors, estimate_total

HALVINGS = 22


def estimate_ratio(
    upper: Sequence[Stratum] | Strata, lower: Sequence[Stratum] | Strata, level: float = LEVEL, together: bool = False
) -> Estimate:
    """The upper total by the lower one. The lower one is positive: a count, or a sum of what is not negative. Where
    they go `together`, as in a mean over kept rows, a row adds to both or to neither."""
    return ratio_of(Strata.beside(upper), Strata.beside(lower), level, together)


def ratio_of(upper: Strata, lower: Strata, level: float, together: bool) -> Estimate:
    above, below = (float(strata.model.sum()) for strata in (upper, lower))
    rows, reviewed = len(upper.model), upper.told
    model = above / below if below else None
    whole = estimate_total(lower, level)
    if not whole.known or whole.value is None or whole.low is None:
        return unknown(model, whole.why, reviewed, rows)
    if whole.low <= 0:
        return unknown(model, "by the reviewed rows it may be of no row at all", reviewed, rows)
    if whole.low == whole.high:  # a share of something that no answer changes
        return replace(scaled(estimate_total(upper, level), 1 / whole.value), model=model)
    value = ratio(upper, lower)
    if value is None:
        return unknown(model, "no reviewed row tells it", reviewed, rows)

    def rest(at: float) -> Estimate:
        return estimate_total(upper.less(lower, at, together), level)

    first = rest(value)
    if not first.known:
        return unknown(model, first.why, reviewed, rows)
    least, most = ends(upper, lower)
    low = edge(lambda at: room(rest(at), "low"), value, least)
    high = edge(lambda at: room(rest(at), "high"), value, most)
    method = f"{first.method}; the ratio by Fieller's inversion"
    return Estimate(model, value, low, high, reviewed, rows, level, method, first.notes)


def room(rest: Estimate, side: str) -> float:
    """How far the rest is from being surely something, seen from the side that the ratio leaves: below nothing where
    the ratio is out of the interval."""
    if rest.low is None or rest.high is None:
        return np.inf
    return -rest.low if side == "low" else rest.high


def edge(room: Callable[[float], float], inside: float, outside: float) -> float:
    """The last point from the inside outwards that may be, or just beyond: by false position (Illinois), and by halving
    where that is slow."""
    if not np.isfinite(outside):
        reach = max(1.0, abs(inside)) * (1 if outside > 0 else -1)
        for _ in range(60):
            if room(inside + reach) < 0:
                break
            reach *= 2
        outside = inside + reach
    within, beyond = room(inside), room(outside)
    if beyond >= 0 or within < 0:
        return outside if beyond >= 0 else inside
    near, turn = abs(outside - inside) * 0.5**HALVINGS, 0
    for _ in range(2 * HALVINGS):
        width = abs(outside - inside)
        if width <= near:
            break
        part = within / (within - beyond) if np.isfinite(within) and turn >= 0 else 0.5
        middle = inside + (outside - inside) * min(max(part, 1e-4), 1 - 1e-4)
        found = room(middle)
        if found >= 0:
            inside, within, beyond = middle, found, beyond / 2
        else:
            outside, beyond, within = middle, found, within / 2
        turn = -1 if abs(outside - inside) > width / 2 and turn >= 0 else 0
    return outside


def ends(upper: Strata, lower: Strata) -> tuple[float, float]:
    """The least and greatest that any row's own ratio may be, between which every ratio of totals lies."""
    held = lower.most > 0
    if not held.any():
        return np.inf, -np.inf
    if not ((upper.least == 0) | held).all() or not ((lower.most == 0) | (lower.most == 1)).all():
        return -np.inf, np.inf
    return float(upper.least[held].min()), float(upper.most[held].max())


def ratio(upper: Strata, lower: Strata) -> float | None:
    """The corrected ratio: of the corrected totals."""
    top, bottom = estimate_total(upper), estimate_total(lower)
    if top.value is None or bottom.value is None or not bottom.value:
        return None
    return top.value / bottom.value


def scaled(estimate: Estimate, by: float) -> Estimate:
    """An estimate in other units."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        model = None if estimate.model is None else estimate.model * by
        return unknown(model, estimate.why, estimate.reviewed, estimate.rows)
    return Estimate(
        None if estimate.model is None else estimate.model * by,
        estimate.value * by,
        min(estimate.low * by, estimate.high * by),
        max(estimate.low * by, estimate.high * by),
        estimate.reviewed,
        estimate.rows,
        estimate.level,
        estimate.method,
        estimate.notes,
    )


def estimate_precision(strata: Sequence[Stratum] | Strata, level: float = LEVEL) -> Estimate:
    """Of the rows that the model takes, the share that people take too."""
    beside = Strata.beside(strata)
    found = kept_well(beside, level, precision_of)
    taken = beside.only(beside.model == 1)  # what people say of the other rows tells nothing of it
    if not beside.is_count() or not len(taken.model):
        return found
    if not taken.told:
        return unknown(None, UNTOLD, 0, len(taken.model))
    return replace(found, reviewed=taken.told, rows=len(taken.model))


def estimate_recall(strata: Sequence[Stratum] | Strata, level: float = LEVEL) -> Estimate:
    """Of the rows that people take, the share that the model takes: what it missed is told by the rows that it left
    out, of which some must have been drawn."""
    return kept_well(Strata.beside(strata), level, recall_of)


Right = tuple[float, float, float, float]
"""Rows taken rightly with limits, and all that were taken."""


def kept_well(strata: Strata, level: float, told: Callable[[Strata, float], Part | None]) -> Estimate:
    rows, reviewed = len(strata.model), strata.told
    if not strata.is_count():
        return unknown(None, "rows are not simply taken or left out", reviewed, rows)
    if not reviewed:
        return unknown(None, "no row of its own was reviewed", 0, rows)
    untold = len(strata.reviewed) - reviewed
    value = told(strata.answered(), level)
    if value is None:
        return unknown(None, "by the reviewed rows there may be no such row", reviewed, rows)
    found, low, high = value
    if untold:
        for bound in ("least", "most"):
            more = told(strata.filled(bound), level)
            low, high = (0.0, 1.0) if more is None else (min(low, more[1]), max(high, more[2]))
    notes = (f"{untold} could not be told: they count as either",) if untold else ()
    method = "exact limits"
    return Estimate(None, found, low, high, reviewed, rows, level, method, notes)


def right_of(strata: Strata, level: float) -> Right:
    cells = strata.errors_of(1.0)
    taken = sum(size for size, *_ in cells)
    value, low, high = errors(cells, strata.alike(), level)
    unseen = sum(size for size, drawn, _ in cells if not drawn)
    return taken - value, max(0.0, taken - high - unseen), taken - low, taken


def missed_of(strata: Strata, level: float) -> Part:
    cells = strata.errors_of(0.0)
    value, low, high = errors(cells, strata.alike(), level)
    return value, low, high + sum(size for size, drawn, _ in cells if not drawn)


def precision_of(strata: Strata, level: float) -> Part | None:
    right, low, high, taken = right_of(strata, level)
    return None if not taken else (right / taken, low / taken, high / taken)


def recall_of(strata: Strata, level: float) -> Part | None:
    """Right by right and missed, by the ends of both at once: limits of a ratio that add the two as squares held too
    seldom where much of the rows was drawn."""
    right, missed = right_of(strata, level)[:3], missed_of(strata, level)
    if right[0] + missed[0] <= 0 or right[2] <= 0:
        return None
    value = right[0] / (right[0] + missed[0])
    low, high = corners(missed, right)
    return value, min(value, 1 / (1 + high)), max(value, 1 / (1 + low))


def corners(above: Part, below: Part) -> tuple[float, float]:
    """The least and the greatest ratio that the limits of both allow."""
    return above[1] / below[2], above[2] / below[1] if below[1] > 0 else np.inf
