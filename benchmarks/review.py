"""How often the intervals of reviewed numbers hold, and how wide they are.

    RLM_DSL_REAL_DATA=FOLDER python benchmarks/review.py [--reviews 1000] [--write-docs]

Worlds: the labels of clinc150, banking77 and snips, where they are there, and made-up ones; models of a known error, of
which the mistakes are spread evenly, fall into one class, or grow from the first row to the last; people who know the
right answer. Each world is made once, and reviewed `--reviews` times by draws of other seeds; an interval holds where
the true number is in it. Beside the width stands that of the exact interval from the reviewed rows alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlm_dsl.review.estimates.estimate import Estimate
from rlm_dsl.review.estimates.limits import hypergeometric
from rlm_dsl.review.estimates.ratio import estimate_precision, estimate_ratio, estimate_recall
from rlm_dsl.review.estimates.strata import Strata
from rlm_dsl.review.estimates.total import estimate_total

DOCS = Path(__file__).parent.parent / "docs" / "reviewing.md"
BEGIN, END = "<!-- made by benchmarks/review.py -->", "<!-- to here -->"
ERRORS = ("uniform", "skewed", "drifting")


@dataclass(frozen=True)
class World:
    """Labels of rows as they are and as a model has them, and an amount of each row."""

    name: str
    truth: Any
    model: Any
    amounts: Any

    @property
    def agreement(self) -> float:
        return float((self.truth == self.model).mean())


@dataclass
class Tally:
    """Of one kind of number: how often its interval held, its widths, and those from the reviewed rows alone."""

    held: int = 0
    known: int = 0
    widths: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)

    def add(self, found: Estimate, truth: float, alone: float | None = None) -> None:
        if found.low is None or found.high is None:
            return
        slack = 1e-7 * max(1.0, abs(truth))
        self.known += 1
        self.held += found.low - slack <= truth <= found.high + slack
        self.widths.append(found.width)
        if alone is not None:
            self.alone.append(alone)

    @property
    def coverage(self) -> float:
        return self.held / self.known if self.known else 1.0

    @property
    def narrower(self) -> float | None:
        return float(np.mean(self.widths) / np.mean(self.alone)) if self.alone else None


def labels_of(name: str, folder: Path) -> list[str]:
    """The labels of a public set, a row each."""
    if name == "clinc150":
        data = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
        return [label for part in ("train", "val", "test") for _, label in data[part]]
    if name == "banking77":
        with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
            return [row["category"] for row in csv.DictReader(file)]
    held = []
    for path in sorted((folder / "snips").glob("*/*.json")):
        found = json.loads(path.read_bytes().decode("utf-8", "replace"))
        held += [label for label, rows in found.items() for _ in rows]
    return held


def made(labels: Sequence[Any], right: float, error: str, name: str) -> World:
    """A world of labels with a model that is right so often, whose errors are of a kind."""
    names, truth = np.unique(np.array(labels), return_inverse=True)
    count, kinds = len(truth), len(names)
    rng = np.random.default_rng(zlib.crc32(f"{name} {right} {error}".encode()))
    truth = truth[rng.permutation(count)]
    often = 2 * (1 - right) * np.arange(count) / count if error == "drifting" else np.full(count, 1 - right)
    wrong = rng.random(count) < often
    model = truth.copy()
    other = (truth + rng.integers(1, kinds, count)) % kinds
    model[wrong] = 0 if error == "skewed" else other[wrong]
    return World(f"{name}, {error}", truth, model, np.exp(rng.normal(3, 1, count)).round(2))


def worlds(folder: str, right: float = 0.9) -> Iterator[World]:
    for error in ERRORS:
        if folder:
            for name in ("clinc150", "banking77", "snips"):
                yield made(labels_of(name, Path(folder)), right, error, name)
        yield made([n % 6 for n in range(2000)], right, error, "6 labels, 2,000 rows")
        yield made([n % 2 for n in range(300)], right, error, "2 labels, 300 rows")
        yield made([0 if n % 500 == 0 else 1 + n % 5 for n in range(5000)], right, error, "1 in 500")


def strata_of(model: Any, by: str) -> list[Any]:
    if by == "simple":
        return [np.arange(len(model))]
    return [np.flatnonzero(model == label) for label in np.unique(model)]


def sizes_of(strata: Sequence[Any], count: int) -> list[int]:
    """As a draw shares rows: some of each stratum, then by the square root of how many there are."""
    held = [len(rows) for rows in strata]
    found = [min(4, size) for size in held] if len(held) * 4 <= count else [0] * len(held)
    while sum(found) < min(count, sum(held)):
        worth = [(found[n] / size**0.5 if found[n] < size else np.inf) for n, size in enumerate(held)]
        found[int(np.argmin(worth))] += 1
    return found


def reviewed(world: World, by: str, count: int, reviews: int, sums: int, seed: int = 0) -> dict[str, Tally]:
    """So many reviews of a world: of the first label by the model, every other measure of it, and the share of right
    answers; amounts are summed and averaged in the first `sums` of them."""
    rng = np.random.default_rng(seed)
    found = {name: Tally() for name in KINDS}
    rows = len(world.truth)
    strata = strata_of(world.model, by)
    sizes = sizes_of(strata, count)
    label = 0
    is_model, is_true = (world.model == label).astype(float), (world.truth == label).astype(float)
    right = (world.model == world.truth).astype(float)
    both = float((is_model * is_true).sum())
    one, amount = np.ones(rows), world.amounts
    whole = Population(strata, is_model, is_true, one)
    money = Population(strata, is_model * amount, is_true * amount, amount)
    same = Population(strata, one, right, one)
    for number in range(reviews):
        drawn = np.concatenate([rng.choice(own, size, replace=False) for own, size in zip(strata, sizes, strict=True)])
        cells = whole.reviewed(drawn)
        alone = None
        if by == "simple":
            low, high = hypergeometric(int(is_true[drawn].sum()), len(drawn), rows)
            alone = float(high - low)
        found["count"].add(estimate_total(cells), float(is_true.sum()), alone)
        found["agreement"].add(estimate_total(same.reviewed(drawn)), float(right.sum()))
        if is_model.any():
            found["precision"].add(estimate_precision(cells), both / float(is_model.sum()))
        found["recall"].add(estimate_recall(cells), both / float(is_true.sum()))
        if number < sums:
            true = float((is_true * amount).sum())
            found["sum"].add(estimate_total(money.reviewed(drawn)), true)
            if number % 4 == 0:
                mean = estimate_ratio(money.reviewed(drawn), cells, together=True)
                found["mean"].add(mean, true / float(is_true.sum()))
    return found


class Population:
    """What each row of a world adds to a number, by the model and by people who know; what the model says of it is put
    beside each other once, and reviewed often."""

    def __init__(self, strata: Sequence[Any], model: Any, truth: Any, most: Any) -> None:
        self.truth = truth
        self.of = np.zeros(len(truth), dtype=np.int64)
        for number, rows in enumerate(strata):
            self.of[rows] = number
        self.strata = Strata(model, np.zeros(len(truth)), most, self.of, len(strata), self.of[:0], truth[:0])

    def reviewed(self, drawn: Any) -> Strata:
        return replace(self.strata, reviewed=drawn, truth=self.truth[drawn])


KINDS = ("count", "agreement", "precision", "recall", "sum", "mean")


def line(world: World, by: str, count: int, found: dict[str, Tally]) -> str:
    narrower = found["count"].narrower
    width = f"{np.mean(found['count'].widths):,.0f}"
    cells = [
        world.name,
        f"{len(world.truth):,}",
        f"{100 * world.agreement:.0f} %",
        f"{by}, {count}",
        *(f"{100 * found[name].coverage:.1f}" if found[name].known else "-" for name in KINDS),
        width,
        "-" if narrower is None else f"{narrower:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(
    reviews: int,
    sums: int,
    folder: str,
    only: Sequence[str] = (),
    counts: Sequence[int] = (60, 200),
    processes: int = 1,
) -> tuple[list[str], float]:
    """The lines of the page, and the least coverage of any number that was estimated a hundred times at least."""
    head = ("world", "rows", "right", "drawn", *KINDS, "width", "of alone")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    least = 1.0
    jobs = [
        (world, by, count, reviews, sums)
        for world in worlds(folder)
        if not only or any(name in world.name for name in only)
        for by, count in (("simple", counts[0]), ("simple", counts[1]), ("answer", counts[1]))
    ]
    with ProcessPoolExecutor(processes) if processes > 1 else nullcontext() as pool:
        for told, covered in (pool.map if pool else map)(told_line, jobs):
            least = min(least, covered)
            lines.append(told)
            print(told, flush=True)
    return lines, least


def told_line(job: tuple[World, str, int, int, int]) -> tuple[str, float]:
    world, by, count, reviews, sums = job
    found = reviewed(world, by, count, reviews, sums)
    return line(world, by, count, found), min(tally.coverage for tally in found.values() if tally.known >= 100)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reviews", type=int, default=1000)
    parser.add_argument("--sums", type=int, default=400)
    parser.add_argument("--only", action="append", default=[], help="worlds by a part of their names")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    began = time.perf_counter()
    lines, least = table(
        asked.reviews, asked.sums, os.environ.get("RLM_DSL_REAL_DATA", ""), asked.only, processes=asked.processes
    )
    lines += ["", f"{asked.reviews:,} reviews of each; the least coverage is {100 * least:.1f} %."]
    print(lines[-1], f"{time.perf_counter() - began:.0f} s")
    if asked.write_docs:
        text = DOCS.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}" + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
