"""What every benchmark shares: alternating runs, what they came to, and how a goal is told.

In: pieces of work by name. Out: measures. Law: whatever is compared ran in turn, in the same process and minute; a
ratio is the median of the rounds' own ratios, never of two medians.
"""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

ROUNDS = 5
"""Rounds that count; fewer where a quick look is asked for."""
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure: `full` in minutes or not, and a size in bytes where one was asked for."""

    full: bool
    size: int | None = None

    def of(self, quick: Any, full: Any) -> Any:
        return full if self.full else quick


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several runs, and the least and the most."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Iterable[float]) -> Spread:
        held = [float(f"{value:.4g}") for value in values]
        return Spread(float(f"{statistics.median(held):.4g}"), min(held), max(held))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: shown somewhere now, to reach, ideal. With `more`, larger is better."""

    reach: float
    ideal: float
    now: float | None = None
    more: bool = False

    def met(self, value: float) -> str:
        """`ideal`, `reached` or `missed`."""
        better = (lambda bar: value >= bar) if self.more else (lambda bar: value <= bar)
        return "ideal" if better(self.ideal) else "reached" if better(self.reach) else "missed"


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a table: ours and a peer's, in `unit`; `ratio` is ours / peer's, or turned round where `goal.more`.

    Without a peer the goal is about ours. `note` says what is missing or special.
    """

    what: str
    ours: Spread | None = None
    peer: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    goal: Goal | None = None
    unit: str = "s"
    note: str = ""

    @property
    def judged(self) -> Spread | None:
        return self.ratio if self.peer else self.ours

    @property
    def met(self) -> str:
        return self.goal.met(self.judged.median) if self.goal and self.judged else ""

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}


def measure_of(held: Mapping[str, Any]) -> Measure:
    """A measure as it stood in JSON."""
    spreads = {key: Spread(**held[key]) for key in ("ours", "theirs", "ratio") if held.get(key)}
    goal = {"goal": Goal(**held["goal"])} if held.get("goal") else {}
    return Measure(**{**held, **spreads, **goal})


def alternating(works: Mapping[str, Work], rounds: int | None = None, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each work in each round; the works take turns, after `warm` rounds that do not count."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-warm, rounds or ROUNDS):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if number >= 0:
                taken[name].append(time.perf_counter() - started)
    return taken


def ratios(ours: Sequence[float], theirs: Sequence[float], *, more: bool = False) -> Spread:
    pairs = zip(ours, theirs, strict=True)
    return Spread.of(b / a if more else a / b for a, b in pairs)


def compared(
    what: str,
    ours: Work,
    peers: Mapping[str, Work | None],
    goals: Mapping[str, Goal] | None = None,
    *,
    rounds: int | None = None,
    note: str = "",
) -> list[Measure]:
    """Our work beside each peer's, a measure a peer. A peer that is None is not here, and is said so."""
    goals = goals or {}
    taken = alternating({"": ours, **{name: work for name, work in peers.items() if work}}, rounds)
    found = []
    for name, work in peers.items():
        goal = goals.get(name)
        if work is None:
            found.append(missing(what, name, Spread.of(taken[""]), goal))
            continue
        ratio = ratios(taken[""], taken[name], more=bool(goal and goal.more))
        found.append(Measure(what, Spread.of(taken[""]), name, Spread.of(taken[name]), ratio, goal, note=note))
    return found


def missing(what: str, peer: str, ours: Spread | None = None, goal: Goal | None = None) -> Measure:
    """The line of a peer that is not installed."""
    return Measure(what, ours, peer, goal=goal, note="not installed here")


def over_all(what: str, peer: str, lines: Sequence[Measure], mean: Goal | None, worst: Goal | None) -> list[Measure]:
    """The geometric mean of several ratios against one peer, and the worst of them."""
    known = [line for line in lines if line.ratio]
    if not known:
        return [Measure(f"{what}: geometric mean", peer=peer, goal=mean, note="not installed here")]
    held = [line.ratio for line in known if line.ratio]
    more = bool((mean or worst) and (mean or worst).more)  # type: ignore[union-attr]
    by_part = ([r.median for r in held], [r.least for r in held], [r.most for r in held])
    means = Spread(*(float(f"{math.exp(sum(map(math.log, part)) / len(part)):.4g}") for part in by_part))
    last = (min if more else max)(known, key=lambda line: line.ratio.median if line.ratio else 0)
    return [
        Measure(f"{what}: geometric mean of {len(held)}", peer=peer, ratio=means, goal=mean),
        Measure(f"{what}: worst, {last.what}", peer=peer, ratio=last.ratio, goal=worst),
    ]


def tool(name: str) -> str | None:
    return shutil.which(name)
