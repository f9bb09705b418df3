"""What all tests share: `pytest --accept` rewrites the expected parts of the corpus, for the difference to be read.

Law: the suite passes however it was started: Ctrl-C stops what its tests start even where a shell started the suite to
ignore it, no generated example fails for a machine that is busy, no answer comes from a store of the user's, and what
was compiled once is not compiled again by every process.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.packs import in_packs

if TYPE_CHECKING:
    from tests.support.postgresql import Server

FEW, MANY = 40, 1_000
"""Examples of a generated test that does not say a number of its own: in the suite, and under `-m proof`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write what the tests got as what they expect")
    parser.addoption("--shuffle", metavar="SEED", help="files, and the tests of each, in another order")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as images for CI have it: each process would compile all again
    sys.dont_write_bytecode = False
    os.environ["RLM_DSL_STORE"] = ":memory:"
    os.environ.setdefault("RLM_DSL_PACK", "1")  # most tests count what each row alone is asked
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        from hypothesis import HealthCheck, settings

        settings.register_profile(
            "suite",
            deadline=None,
            max_examples=MANY if proving(config) else FEW,
            suppress_health_check=[HealthCheck.too_slow],
        )
        settings.load_profile("suite")


def proving(config: pytest.Config) -> bool:
    """Whether the heavy proofs are run."""
    return config.option.markexpr == "proof"


@pytest.fixture(scope="session")
def recorded_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `tests.support.runs`, recorded once for all tests that read it; who changes it copies it first."""
    from tests.support.runs import recorded

    return recorded(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="session")
def explored_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same by an exploration."""
    from tests.support.runs import asked

    return asked(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server of PostgreSQL's, for all tests that need one."""
    from tests.support.postgresql import postgresql_server

    with postgresql_server() as server:
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every generated test is a heavy proof too, with many examples; in packs, who counts single requests is left
    out."""
    for item in items:
        if proving(config) and getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("proof")
        if in_packs() and item.get_closest_marker("one_a_call"):
            item.add_marker(pytest.mark.skip(reason="counts what each row alone is asked"))
    if seed := config.getoption("--shuffle"):
        items[:] = shuffled(items, random.Random(seed))


def shuffled(items: Sequence[pytest.Item], chance: random.Random) -> Iterator[pytest.Item]:
    """The tests in another order, those of a file together: what they share is made once."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for _, held in chance.sample([*files.items()], len(files)):
        yield from chance.sample(held, len(held))
