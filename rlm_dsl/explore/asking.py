"""Answering a question for a user: exploring live, then running the program that came of it, all recorded.

In: a question, contexts, settings. Out: a result and a sealed trace. Law: the result is that of the sliced program, run
on the exploration's own answers without a further call; a program that gives another answer than the exploration did
is an error, not a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.check import Environment
from rlm_dsl.context.context import Context
from rlm_dsl.diagnostics import UserError
from rlm_dsl.explore.loop import Exploration, NoAnswer, Told, explore
from rlm_dsl.explore.prompt import LIMIT
from rlm_dsl.explore.session import Session
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.request import Answer, ModelSettings, Request
from rlm_dsl.runtime.before import NOTHING, Before
from rlm_dsl.runtime.calling import Approve, Calling, Replaying, approved
from rlm_dsl.runtime.recorded import Recorded
from rlm_dsl.runtime.result import Result
from rlm_dsl.runtime.rounds import Progress, Silent
from rlm_dsl.runtime.runner import Runner
from rlm_dsl.runtime.running import Ledger, finished, header_of, ledger, redaction_of, spent_of
from rlm_dsl.runtime.servers import Keys
from rlm_dsl.runtime.settings import Settings
from rlm_dsl.runtime.warehouse import Warehouse
from rlm_dsl.source import Source
from rlm_dsl.syntax.show import show
from rlm_dsl.syntax.tree import ContextStatement


def needed_contexts(given: Sequence[Mapping[str, Any]], named: Set[str]) -> dict[str, Any]:
    """The header's contexts: those that the program reads, and beside them those that were only looked at."""
    unused = [dict(context, place=place) for place, context in enumerate(given) if context["name"] not in named]
    needed = [context for context in given if context["name"] in named]
    return {"contexts": needed, **({"contexts_unused": unused} if unused else {})}


class RootModel:
    """The root model as the loop knows it."""

    def __init__(self, calling: Calling) -> None:
        self.calling = calling
        self.settings: ModelSettings = calling.settings["root"]

    def ask(self, request: Request) -> Answer:
        return self.calling.ask(request)

    def left(self) -> str:
        return self.calling.left()


def answer_question(
    question: str,
    contexts: Mapping[str, Context],
    settings: Settings,
    *,
    keys: Keys,
    progress: Progress,
    shown: Callable[[Told], None],
    trace: Path | None,
    limit: int = LIMIT,
    approve: Approve = approved,
    before: Before = NOTHING,
) -> Result:
    """Explore until there is an answer. Raises NoAnswer when the turns are used up."""
    if "root" not in settings.models:
        raise UserError("no model is named", "name one: --model gpt-5-mini")
    if not question.strip():
        raise UserError("the question is empty", 'ask something: rlm-dsl ask "How many ...?" --context NAME=PATH')
    redaction = redaction_of(keys, settings)
    settings = replace(settings, rows_per_call={})  # which name steps of a program that is not there yet
    asked = {"question": question, "turns_allowed": settings.turns, "limit": limit}
    header = before.header or header_of(contexts, {}, settings.by_alias(), settings, asked)
    with ledger(trace, redaction, before) as held:
        held.begin({"question": question}, header, before)
        with Calling(settings, keys, held.tell, redaction.redact, explore_text, approve, before, held.note) as calling:
            progress.watch(calling.spent)
            found = explored(question, contexts, settings, calling, progress, held, shown, limit)
            if found.tree is None:
                raise NoAnswer(settings.turns)
            return settled(found, contexts, settings, calling, held, header)


def explored(
    question: str,
    contexts: Mapping[str, Context],
    settings: Settings,
    calling: Calling,
    progress: Progress,
    held: Ledger,
    shown: Callable[[Told], None],
    limit: int,
) -> Exploration:
    """The turns, in a warehouse of their own."""
    with Warehouse(settings.threads, settings.memory, contexts.values()) as warehouse:
        runner = Runner(warehouse, calling, progress, held.tell, digests=False)
        types = {name: context.schema for name, context in contexts.items()}
        session = Session(runner, Environment(types))
        return explore(
            question,
            session,
            RootModel(calling),
            turns=settings.turns,
            tell=held.tell,
            shown=shown,
            limit=limit,
            redact=held.redaction.redact,
        )


def settled(
    found: Exploration,
    contexts: Mapping[str, Context],
    settings: Settings,
    calling: Calling,
    held: Ledger,
    header: Mapping[str, Any],
) -> Result:
    """The program of the answer, run once more on the answers that are there, recorded and sealed."""
    assert found.tree is not None
    source = Source("program.rlm", show(found.tree))
    known = Recorded(calling.recording.answers.get)
    replaying = Replaying(calling.settings, known, settings.window, held.redaction.redact)
    named = {s.name for s in found.tree.statements if isinstance(s, ContextStatement)}
    needed = {name: context for name, context in contexts.items() if name in named}
    with Warehouse(settings.threads, settings.memory, needed.values()) as warehouse:
        last: dict[str, Any] = {"turns": len(found.turns), "spent": spent_of(calling.recording, settings).told()}
        last |= needed_contexts(header["contexts"], named)
        asked = (replaying, calling.recording)
        result = finished(source, needed, {}, settings, *asked, Silent(), held, warehouse, {**header, **last})
    if found.value is not None and result.value != found.value:
        raise UserError(
            "the program gives another answer than the exploration did",
            "this is a fault of rlm-dsl; please report it with the trace",
            code="slice",
        )
    return result
