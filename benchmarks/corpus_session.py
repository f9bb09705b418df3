"""A loaded corpus as programs see it: text in, value out, each time from its text.

In: a file, program text. Out: values. Law: nothing is kept from one program to the next but the loaded rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.context.format_registry import own_column
from rlm_dsl.context.loading import load
from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.request import ModelSettings, Request
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import query
from rlm_dsl.plan.stages import Plan, QueryStage


class NoModels:
    """A stack of models for programs that ask none."""

    settings: Mapping[str, ModelSettings] = {}
    model: Any = None

    def wait(self, work: Callable[[], Any]) -> Any:
        raise AssertionError("no model is asked here")

    def packs(self, rows: Any) -> Any:
        return ()

    def afford(self, step: str, requests: Any, pack: Any = None) -> None:
        assert not list(requests) and not isinstance(requests, Request)


NO_CALLS = Calls(NoModels(), CallOptions())


class Corpus:
    """Owns a warehouse with one context, `log`."""

    def __init__(self, path: str, warehouse: Warehouse | None = None, format: str = "lines") -> None:
        self.context: Context = load("log", path, format=format)
        self.warehouse = warehouse or Warehouse()
        self.warehouse.load("log", self.context.schema, self.context.rows, own_column(self.context))
        self.types = {"log": self.context.schema}

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *_: object) -> None:
        self.warehouse.close()

    def session(self) -> Session:
        """An exploration that knows nothing yet."""
        return Session(Runner(self.warehouse, NO_CALLS, NoProgress(), digests=False), Environment(self.types))

    def explored(self, text: str) -> Session:
        """Statements run as an exploration runs them, each made a table and looked at; the tables are dropped again."""
        session = self.session()
        turn = session.submit(text)
        assert not turn.errors, turn.observation
        self.drop(session.runner.made)
        return session

    def plan(self, text: str, *, whole: bool) -> Plan:
        source = Source("bench.rlm", text)
        checked = check(parse(source), Environment(self.types))
        assert not checked.problems, checked.problems
        return build(checked.statements, self.warehouse.contexts, {}, whole=whole)

    def ran(self, text: str, *, digests: bool = False) -> None:
        """A whole program through the runner, as `run` does; its tables are dropped again."""
        plan = self.plan(text, whole=True)
        runner = Runner(self.warehouse, NO_CALLS, NoProgress(), digests=digests)
        runner.run(plan)
        for stage in plan.stages:
            self.warehouse.drop(stage.name)

    def queried(self, text: str) -> None:
        """A whole program's queries alone: planned, and each made a table, with nothing counted or looked at."""
        plan = self.plan(text, whole=True)
        for stage in plan.stages:
            assert isinstance(stage, QueryStage)
            self.warehouse.create(stage.name, query(stage))
        for stage in plan.stages:
            self.warehouse.drop(stage.name)

    def drop(self, made: Mapping[str, Any]) -> None:
        for relation in made.values():
            self.warehouse.run(sql("DROP TABLE IF EXISTS {t}", t=relation.sql))

    def count(self, condition: Sql) -> int:
        """How many rows a condition holds for, by one query."""
        return int(self.warehouse.rows(sql("SELECT count(*) FROM {t} WHERE {c}", t=name("log"), c=condition))[0][0])
