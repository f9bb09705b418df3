"""What a program's first model step would say, without a model.

In: a program and its data. Out: the first requests of its first round. Law: what runs is exact steps alone; the round
is stopped before it leaves, and there is nothing here that could ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from typing import Any, NoReturn, TypeVar

from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.execution import execute
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.models.protocol import Model, Pack
from rlm_dsl.models.request import Answer, ModelSettings, Request
from rlm_dsl.models.settings import Settings

T = TypeVar("T")
FEW = 2
"""Requests that are kept."""


class Prompted(Exception):
    """Raised in a round's stead; holds what it would have said."""

    def __init__(self, step: str, requests: Iterable[Request]) -> None:
        held = list({request.key: request for request in requests}.values())
        self.step, self.requests, self.count = step, held[:FEW], len(held)
        super().__init__(step)


class PromptStack:
    """A stack without models: the first round that comes is what was wanted."""

    def __init__(self, settings: Settings) -> None:
        named = settings.by_alias()
        self.settings: Mapping[str, ModelSettings] = named or AnyModel(settings.base_url)

    @property
    def model(self) -> Model:
        raise AssertionError("nothing is asked here")

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        raise AssertionError("nothing is asked here")

    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> NoReturn:
        raise Prompted(step, requests)

    def room(self) -> None:
        """Nothing is asked, whatever there is."""

    def packs(self, rows: Set[str]) -> Iterable[tuple[Request, Answer]]:
        raise AssertionError("nothing is asked here")


class AnyModel(dict[str, ModelSettings]):
    """A model for every alias, where none was named."""

    def __init__(self, base_url: str) -> None:
        super().__init__(sub=ModelSettings("a model", base_url))

    def get(self, alias: str, default: Any = None) -> Any:
        return self["sub"]


def first_prompts(
    source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any], settings: Settings
) -> tuple[str, list[Request], int]:
    """The first round's step, its first requests and how many there are; "" where nothing is asked."""
    calls = Calls(PromptStack(settings), CallOptions.of(settings, str))
    with Warehouse(settings.threads, settings.memory, contexts.values()) as warehouse:
        try:
            execute(source, contexts, params, calls, NoProgress(), ignore_event, warehouse)
        except Prompted as found:
            return found.step, found.requests, found.count
    return "", [], 0
