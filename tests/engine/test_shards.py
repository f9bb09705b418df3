"""Contexts in shards against contexts in one place: the same rows, places, counts and digests, whatever is cut where.

In: random tables and programs, the programs of the corpus, files of several kinds. Out: agreement, or both answers.
Law: where a context's rows lie changes nothing that is answered, recorded or told of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rlm_dsl.language.operators.core.registry import table_operators
from tests.engine.test_naive import TABLES, VALUES, operators_agree, samples_agree, values_agree
from tests.support.parted import Parted, PartedEngine

CUT = [name for name in TABLES if name not in ("search", "around", "shift", "running", "fill", "number")]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartedEngine]:
    with Parted(tmp_path_factory.mktemp("shards"), 4) as warehouse:
        yield PartedEngine(warehouse)


@pytest.mark.parametrize("operator", CUT)
def test_an_operator_over_shards_is_what_its_twin_is(engine: PartedEngine, operator: str) -> None:
    operators_agree(engine, operator, 2)


@pytest.mark.proof
@pytest.mark.parametrize("operator", TABLES)
def test_an_operator_over_shards_is_what_its_twin_is_many_times(engine: PartedEngine, operator: str) -> None:
    operators_agree(engine, operator, 60)


@pytest.mark.proof
@pytest.mark.parametrize("operator", VALUES)
def test_a_value_over_shards_is_what_its_twin_is_many_times(engine: PartedEngine, operator: str) -> None:
    values_agree(engine, operator, 20)


def test_a_sample_over_shards_is_a_sample(engine: PartedEngine) -> None:
    samples_agree(engine, 3)


def test_every_operator_says_what_it_makes_of_parts() -> None:
    said = {name: entry.over_parts for name, entry in table_operators().items() if entry.lower is not None}
    assert set(said) >= set(CUT)
