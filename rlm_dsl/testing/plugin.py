"""The pytest plugin: a test's own OpenAI-compatible endpoint, and traces as tests.

In: settings, as `rlm_dsl.testing.serve` takes them; `--rlm-traces FOLDER`. Out: the fixture `model_endpoint`; an item
for each trace. Law: what a test started is stopped when the test ends; what an endpoint of the fixture answers goes
into a store of that test alone, and never answers for another; nothing heavy is imported before it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rlm_dsl.testing.server import Server


@pytest.fixture
def model_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start endpoints: `server = model_endpoint(gold=[...], script=[...], rate_429=0.1)`; all end with the test.

    Meanwhile answers are kept in a store of this test (`RLM_DSL_STORE`), a new one where an address is served again.
    """
    with ExitStack() as servers, pytest.MonkeyPatch.context() as changed:
        served: set[str] = set()

        def start(**settings: Any) -> Server:
            from rlm_dsl.testing.server import serve

            server = servers.enter_context(serve(**settings))
            if not served or server.base_url in served:
                changed.setenv("RLM_DSL_STORE", str(tmp_path_factory.mktemp("answers") / "answers.sqlite"))
            served.add(server.base_url)
            return server

        yield start


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rlm-dsl")
    group.addoption(
        "--rlm-traces", action="append", default=[], metavar="FOLDER", help="take each trace of a folder as a test"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    folders = config.getoption("--rlm-traces")
    if not folders:
        return
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.compare.regression import traces_in

    for folder in folders:
        try:
            found = traces_in(Path(folder))
        except UserError as failure:
            raise pytest.UsageError(str(failure)) from None
        items += [TraceItem.from_parent(session, name=path.as_posix(), trace=path) for path in found]


class TraceItem(pytest.Item):
    """One trace: it verifies, and its program comes to the blessed answer. No model is asked."""

    def __init__(self, *, trace: Path, **more: Any) -> None:
        super().__init__(**more)
        self.trace = trace

    def runtest(self) -> None:
        from rlm_dsl.cli.render.verdicts import verdict_text
        from rlm_dsl.compare.regression import run_test

        found = run_test(self.trace, {}, os.environ)
        if not found.ok:
            raise TraceFailed(verdict_text(found))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, TraceFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.trace, None, f"trace {self.name}"


class TraceFailed(AssertionError):
    """What `rlm-dsl test` would say of the trace."""
