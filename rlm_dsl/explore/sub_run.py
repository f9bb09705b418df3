"""A sub-run live: a text explored by the root model until the question is answered.

In: what a sub-run has at hand, a request. Out: an answer with its value and program.
Law: the loop is the same as for whole questions; a sub-run that comes to no answer is a refusal of its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from rlm_dsl.engine.calls.sub_runs import (
    NAME,
    Explorer,
    SubRun,
    SubRunStack,
    as_text,
    rerun,
    sub_run_question,
    text_context,
)
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.constrained.constraint import Constraint
from rlm_dsl.explore.loop import explore
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment
from rlm_dsl.language.reference.card import Size
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.request import Answer, ModelSettings, Request


class SubRoot:
    """The root model of a sub-run."""

    def __init__(self, models: SubRunStack, settings: ModelSettings) -> None:
        self.models, self.settings = models, settings

    def ask(self, request: Request) -> Answer:
        return self.models.ask(request)

    def left(self) -> str:
        return self.models.left()


def explorer_of(wishes: Mapping[str, Any]) -> Explorer:
    """What explores the texts of a run with these wishes: replies are kept to a grammar where the run's own are."""
    return partial(explore_text, constrain=bool(wishes.get("constrain")))


def explore_text(run: SubRun, request: Request, constrain: bool = False) -> Answer:
    """Explore the request's text. What its program gives when it runs once more on the same answers is the value."""
    context = text_context(request.messages[1].content)
    question, redact = sub_run_question(request), run.calls.options.redact
    # that a server takes none is said of the run itself
    constraint = Constraint(question, redact, lambda request: True) if constrain else None
    models = run.calls.models
    with Warehouse(threads=1, contexts=[context]) as warehouse:
        runner = Runner(warehouse, run.calls, NoProgress(), digests=False)
        session = Session(runner, Environment({NAME: context.schema}, versions=run.calls.options.versions))

        def emit(kind: str, fields: Mapping[str, Any]) -> None:
            run.log(kind, {"within": models.within, "sub_run": request.key, **fields})

        found = explore(
            question,
            session,
            SubRoot(models, request.settings),
            turns=run.turns,
            tell=emit,
            shown=lambda told: None,
            redact=redact,
            constraint=constraint,
            size=cast(Size, run.card or "medium"),
        )
    if found.tree is None:
        return Answer("", refusal=f"no answer within {run.turns} turns")
    answer = Answer(as_text(found.value), program=show(found.tree), model=request.settings.model)
    return rerun(request, answer, run.calls)
