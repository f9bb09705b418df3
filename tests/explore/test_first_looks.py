"""The first look at contexts that are long, wide, deep or many: bounded in tokens, and every context named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.first_look import first_look
from rlm_dsl.explore.first_looks import MOST_TOKENS, first_looks
from rlm_dsl.language.types import quoted_name
from rlm_dsl.models.request import estimated_tokens
from tests.support.small import loaded

Columns = Mapping[str, list[Any]]


def looked_at(contexts: Mapping[str, Columns]) -> tuple[str, list[str]]:
    """What is told of all, and of each by itself."""
    with Warehouse(threads=1) as warehouse:
        for name, columns in contexts.items():
            loaded(warehouse, name, columns)
        alone = [first_look(name, relation, warehouse) for name, relation in warehouse.contexts.items()]
        return first_looks(warehouse.contexts, warehouse), alone


def orders(shift: int = 0) -> Columns:
    return {
        "id": list(range(40)),
        f"user{shift}": [f"u{n % 7}" for n in range(40)],
        "body": [f"order {n * 7} is {'late' if n % 3 else 'here'}" for n in range(40)],
    }


LETTERS = "東京都は今日も晴れ"
NAMED = [f"{LETTERS[n % 9]}{n}{LETTERS[n % 7]}x" for n in range(600)]
MANY: dict[str, dict[str, Columns]] = {
    "forty of one kind": {f"month_{n}": orders() for n in range(40)},
    "forty of forty kinds": {f"month_{n}": orders(n) for n in range(40)},
    "names in any script": {f"文書{LETTERS[n % 9]}{n}": {f"列{LETTERS}{n}": [LETTERS * 30] * 3} for n in range(30)},
    "numbered columns": {"wide": {f"col_{n}": [n, n + 1] for n in range(600)}},
    "named columns": {"wide": {name: ["東京" * 40] for name in NAMED}},
    "a long line": {"line": {"text": ["lorem ipsum 東京 " * 50_000]}},
    "records": {"deep": {"a": [[[f"x{n}"] * 50] * 20 for n in range(5)], "b": ["y"] * 5}},
}


@pytest.mark.parametrize("kind", MANY)
def test_the_first_look_is_bounded_whatever_it_looks_at(kind: str) -> None:
    told, alone = looked_at(MANY[kind])
    assert estimated_tokens(told) <= MOST_TOKENS + 20
    assert all(quoted_name(name) in told for name in MANY[kind])
    if kind == "forty of one kind":
        assert told.startswith(alone[0]) and told.count("context ") == 40
        assert "context month_1: the columns of month_0, 40 rows\n  0 | u0 | order 0" in told
        assert "context month_39: the columns of month_0, 40 rows" in told
    if kind == "forty of forty kinds":
        assert told.count("40 rows") == 40


def test_what_fits_is_told_whole() -> None:
    told, alone = looked_at({"a": orders(), "b": orders(1), "c": orders()})
    assert told == "\n".join(alone)


def test_more_contexts_than_can_be_told_of_are_counted() -> None:
    told, _ = looked_at({f"{LETTERS * 4}{n}": {f"{LETTERS * 3}{n}": [1]} for n in range(50)})
    assert f"context `{LETTERS * 4}0`: table(`{LETTERS * 3}0`: int), 1 row" in told
    assert told.count(LETTERS * 4) + int(told.rsplit("and ", 1)[1].split()[0]) == 50
    with pytest.raises(UserError, match="more than 128 contexts"), Warehouse(threads=1) as warehouse:
        for n in range(129):
            loaded(warehouse, f"c{n}", {"id": [1]})


def test_wide_tables_tell_numbered_columns_together_and_how_many_are_left_out() -> None:
    columns = {**{f"q{n}": [1] for n in range(600)}, "name": ["x"], **{f"a{n}b": ["y"] for n in range(3)}}
    wide = looked_at({"w": columns})[0]
    assert wide.startswith("context w: table(q0 to q599: int, name: text, a0b: text, a1b: text, a2b: text), 1 row\n")
    named = looked_at({"w": {f"{chr(97 + n % 26) * (1 + n // 26)}": [1] for n in range(400)}})[0]
    assert "more columns), 1 row\n" in named


def test_a_text_too_long_for_a_model_is_told_with_the_way_to_cut_it() -> None:
    assert 'partition(by="tokens", size=..)' in looked_at({"t": {"text": ["a b " * 20_000]}})[0]
    assert 'partition(by="lines", size=..)' in looked_at({"t": {"text": ["a b\n" * 20_000]}})[0]
    assert "partition" not in looked_at({"t": {"text": ["a b\n" * 2_000]}})[0]
