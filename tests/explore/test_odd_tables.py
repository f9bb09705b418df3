"""Scripted roots over tables with odd names and odd rows, case by case: each observation is a golden text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.loop import Told, explore
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment
from rlm_dsl.models.request import Answer, Request
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS
from tests.support.roots import Root
from tests.support.small import calls_of, loaded

CASES = CORPUS / "odd_tables.txt"
TABLES: dict[str, dict[str, dict[str, list[Any]]]] = {
    "words": {
        "answer": {"context": ["a", "b", "c"], "show": [1, 2, 3], "param": ["x", "y", "x"], "count": [3, 2, 1]},
        "context": {"answer": ["a", "d"], "text": ["t1", "t2"]},
    },
    "blanks": {"doc a": {"the id": [1, 2, 3], "odd col": ["money a", "b", "c"], "x": [None, 2, 3]}},
    "rows": {"t": {"id": [1, 2, 3, 4], "body": ["money", "bad row", None, "other"]}},
}


class Labels:
    """Calls what has money in it billing, and has no valid answer to a bad row."""

    async def answer(self, request: Request) -> Answer:
        text = request.messages[-1].content if len(request.messages) == 2 else request.messages[1].content
        label = "none of them" if "bad" in text else "billing" if "money" in text else "other"
        return Answer(json.dumps({"label": label}))


@pytest.mark.parametrize("title", corpus_cases(CASES))
def test_what_a_root_is_told_of_odd_tables(title: str, request: pytest.FixtureRequest) -> None:
    script, expected = corpus_cases(CASES)[title]
    told: list[Told] = []
    with Warehouse(2) as warehouse:
        tables = TABLES[title.partition(":")[0]]
        types = {name: loaded(warehouse, name, columns) for name, columns in tables.items()}
        session = Session(Runner(warehouse, calls_of(Labels()), NoProgress(), digests=False), Environment(types))
        look, root = session.look(), Root([each.strip("\n") for each in script.split("\n%%\n")])
        found = explore("How many?", session, root, turns=20, tell=lambda kind, fields: None, shown=told.append)
    lines = [f"look\n{look}", *(f"turn {turn.number}\n{turn.observation}" for turn in told)]
    got = "\n\n".join([*lines, f"{found.outcome}: {json.dumps(found.value)}"])
    if request.config.getoption("--accept"):
        accept(CASES, title, "outcome", got)
        return
    assert got == expected
