"""How many right partners the narrowing of `match` keeps: the share of rows with a right row among their candidates.

    python benchmarks/match_recall.py [--data FOLDER]

In: banking77 and clinc150 below FOLDER (RLM_DSL_REAL_DATA), whose questions are labelled with what they want. Out: a
line for each pairing and number of candidates. No model is asked: candidates are found by the engine's own query, and
a pair is right where both rows have one label.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.inputs import table_context
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.sql import render
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import query
from rlm_dsl.plan.stages import QueryStage

TOPS = (1, 5, 10, 20)
EXAMPLES = 10
"""Questions of each label that stand for it, where examples are matched."""
PROGRAM = 'answer asked | match(held, "the same", on=[question, text], top={top})'
Rows = list[tuple[str, str]]
"""Texts with their labels."""


def banking(folder: Path) -> tuple[Rows, Rows]:
    def read(name: str) -> Rows:
        with (folder / "banking77" / name).open(encoding="utf-8", newline="") as file:
            return [(row["text"], row["category"]) for row in csv.DictReader(file)]

    return read("test.csv"), read("train.csv")


def clinc(folder: Path) -> tuple[Rows, Rows]:
    held = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    return [tuple(row) for row in held["test"]], [tuple(row) for row in held["train"]]


def names(rows: Rows) -> Rows:
    """Each label by its words alone."""
    return [(label.replace("_", " "), label) for label in sorted({label for _, label in rows})]


def examples(rows: Rows) -> Rows:
    """The first questions of each label."""
    kept: dict[str, list[str]] = {}
    for text, label in rows:
        if len(of := kept.setdefault(label, [])) < EXAMPLES:
            of.append(text)
    return [(text, label) for label in sorted(kept) for text in kept[label]]


def context(name: str, rows: Rows, column: str) -> Context:
    return table_context(name, pa.table({column: [text for text, _ in rows], "label": [label for _, label in rows]}))


def recall(asked: Rows, held: Rows, top: int) -> tuple[float, float]:
    """The share of rows with a right row among their candidates, and of those with any candidate at all."""
    contexts = [context("asked", asked, "question"), context("held", held, "text")]
    source = Source("match.rlm", PROGRAM.format(top=top))
    with Warehouse(contexts=contexts) as warehouse:
        environment = Environment({each.name: each.schema for each in contexts})
        plan = build(check_program(parse(source), source, environment).statements, warehouse.contexts, {})
        (stage,) = (s for s in plan.stages if isinstance(s, QueryStage) and s.name.endswith("candidates"))
        text, values = render(query(stage))
        found = warehouse.connection.execute(
            "SELECT count(DISTINCT question) FILTER (WHERE label = other_label), count(DISTINCT question) "
            f"FROM ({text})",
            dict(values),
        ).fetchone()
    different = len({text for text, _ in asked})
    assert found is not None
    return found[0] / different, found[1] / different


def lines(folder: Path) -> Iterator[str]:
    yield f"{'questions':<12}{'matched with':<26}" + "".join(f"top={top:<6}" for top in TOPS) + "any candidate"
    for name, read in (("banking77", banking), ("clinc150", clinc)):
        asked, known = read(folder)
        for what, held in (("names of the labels", names(known)), (f"{EXAMPLES} examples a label", examples(known))):
            shares = [recall(asked, held, top) for top in TOPS]
            told = "".join(f"{share:<10.1%}" for share, _ in shares)
            yield f"{name:<12}{f'{len(held):,} {what}':<26}{told}{shares[-1][1]:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("RLM_DSL_REAL_DATA", ""))
    for line in lines(Path(parser.parse_args().data)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
