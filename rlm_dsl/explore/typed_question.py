"""A question answered in a type asked for: what every interface (RLM, dspy, evaluation) has in common.

In: a question, contexts, a type or none, settings. Out: the value in that type, its run, its turns, what it used.
Law: a value is reshaped only where nothing is lost; one that still does not fit is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.engine.progress import NoProgress, Progress
from rlm_dsl.engine.result import Result
from rlm_dsl.explore.ask import ExploreOptions, answer_question
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.typed_answers import of_type
from rlm_dsl.language.types import Type
from rlm_dsl.models.server.client import causes
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the type asked for, with the run and the turns that it came of."""

    value: Any
    result: Result
    turns: tuple[Told, ...]


def answer_typed(
    question: str,
    contexts: Mapping[str, Context],
    settings: Settings,
    *,
    returns: Type | None = None,
    keys: Keys,
    trace: Path | None = None,
    progress: Progress | None = None,
    shown: Callable[[Told], None] = lambda told: None,
) -> Answered:
    """Explore until the question is answered. Raises UserError as `answer_question` does, WrongType for a misfit."""
    turns: list[Told] = []

    def taken(told: Told) -> None:
        turns.append(told)
        shown(told)

    result = answer_question(
        question,
        contexts,
        settings,
        ExploreOptions(returns="" if returns is None else str(returns)),
        keys=keys,
        progress=progress or NoProgress(),
        shown=taken,
        trace=trace,
    )
    value = result.value if returns is None else of_type(result.value, returns)
    return Answered(value, result, tuple(turns))


OUTAGES = frozenset(
    {
        *("APIConnectionError", "APITimeoutError", "AuthenticationError", "PermissionDeniedError", "RateLimitError"),
        *(
            "InternalServerError",
            "LMTransportError",
            "LMTimeoutError",
            "LMRateLimitError",
            "LMAuthError",
            "LMServerError",
        ),
    }
)
"""What clients call a server that cannot be asked, by the names of their errors."""


def peer_failure(peer: str, failure: Exception) -> UserError:
    """What a peer's error means: the server is gone, its sandbox does not start, or it failed by itself."""
    names = causes(failure)
    kind = "outage" if names & OUTAGES else "sandbox" if "CodeInterpreterError" in names else "peer"
    told = f"{type(failure).__name__}: {failure}".split("\n")[0][:300]
    return UserError(f"{peer} failed: {told}", code=kind)
