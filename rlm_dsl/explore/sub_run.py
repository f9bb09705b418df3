"""A sub-run live: a text explored by the root model until the question is answered.

In: a share of a run's models and budget, a request. Out: an answer with its value and program.
Law: the loop is the same as for whole questions; a sub-run that comes to no answer is a refusal of its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.engine.calls.round import Silent
from rlm_dsl.engine.calls.sub_runs import NAME, Share, as_text, rerun, text_context, told_question
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.loop import explore
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.request import Answer, ModelSettings, Request


class SubRoot:
    """The root model of a sub-run."""

    def __init__(self, share: Share, settings: ModelSettings) -> None:
        self.share, self.settings = share, settings

    def ask(self, request: Request) -> Answer:
        return self.share.ask(request)

    def left(self) -> str:
        return self.share.left()


def explore_text(share: Share, request: Request) -> Answer:
    """Explore the request's text. What its program gives when it runs once more on the same answers is the value."""
    context = text_context(request.messages[1].content)
    with Warehouse(threads=1, contexts=[context]) as warehouse:
        runner = Runner(warehouse, share, Silent(), digests=False)
        session = Session(runner, Environment({NAME: context.schema}))

        def tell(kind: str, fields: Mapping[str, Any]) -> None:
            share.tell(kind, {"within": share.within, "sub_run": request.key, **fields})

        found = explore(
            told_question(request),
            session,
            SubRoot(share, request.settings),
            turns=share.turns,
            tell=tell,
            shown=lambda told: None,
            redact=share.redact,
        )
    if found.tree is None:
        return Answer("", refusal=f"no answer within {share.turns} turns")
    answer = Answer(as_text(found.value), program=show(found.tree), model=request.settings.model)
    return rerun(request, answer, share)
