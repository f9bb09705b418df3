"""An evaluation: every task asked of every contender, side by side, within one budget, and taken up where it stopped.

In: tasks, contenders, settings, a folder. Out: an outcome for each task and contender, in their order.
Law: what has an outcome in the folder is not asked again; answers that were paid for are in the store, so what was
stopped midway asks only what is new.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.context.context import Context
from rlm_dsl.context.loading import load
from rlm_dsl.engine.inputs import context_of, text
from rlm_dsl.evaluate.budget_shares import Purse
from rlm_dsl.evaluate.contenders import CONTENDERS, NEEDS, Asked
from rlm_dsl.evaluate.journal import SERVER, Journal, Outcome
from rlm_dsl.evaluate.scoring import METRICS
from rlm_dsl.evaluate.tasks import Data, Task
from rlm_dsl.models.cache.store import AnswerStore, default_path
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.servers import Keys
from rlm_dsl.models.settings import Limits, Settings
from rlm_dsl.trace.events import read_events
from rlm_dsl.trace.layout import EVENTS


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to ask of whom: `settings.limits` is the budget of it all, `share` that of one task."""

    tasks: Sequence[Task]
    contenders: Sequence[str]
    settings: Settings
    share: Limits
    folder: Path
    keys: Keys
    parallel: int = 4
    local_python: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """One task for one contender, with the identity of its outcome."""

    task: Task
    contender: str
    contexts: Mapping[str, Context]
    identity: str


Told = Callable[[Outcome, bool], None]
"""Told of each outcome as it comes, and whether it was known before."""


def evaluate(given: Evaluation, told: Told = lambda outcome, known: None) -> tuple[Outcome, ...]:
    """Every outcome, those known before among them. Raises UserError before anything is asked."""
    check(given)
    works = works_of(given)
    AnswerStore(Path(given.settings.store) if given.settings.store else default_path()).close()
    with Journal(given.folder) as journal:
        known = {work.identity: journal.held[work.identity] for work in works if work.identity in journal.held}
        for outcome in known.values():
            told(outcome, True)
        fresh = asked_all(given, [work for work in works if work.identity not in known], journal, told)
        found = known | {outcome.identity: outcome for outcome in fresh}
    return tuple(found[work.identity] for work in works)


def check(given: Evaluation) -> None:
    """Raise UserError for contenders that are not there, or a share that does not fit its budget."""
    if "root" not in given.settings.models:
        raise UserError("no model is named", "name one: --model gpt-5-mini")
    for name in given.contenders:
        if name not in CONTENDERS:
            raise UserError(f"nobody is called {name!r}", *did_you_mean(name, list(CONTENDERS), what="contenders"))
        package, remedy = NEEDS.get(name, ("", ""))
        if package and importlib.util.find_spec(package) is None:
            raise UserError(f"{name} is not installed", f"get it with: {remedy}")
    if "rlms" in given.contenders and not given.local_python:
        raise UserError(
            "rlms runs Python that the model writes in this very process",
            "if you mean it, say --local-python, best in a container",
        )
    limits, share = given.settings.limits, given.share
    if limits.usd is not None or limits.seconds is not None:
        raise UserError("the budget of all tasks is in calls and tokens", "bound one task: --each usd=0.50,seconds=600")
    if share.calls > limits.calls or share.tokens > limits.tokens:
        raise UserError("a task's share is larger than the budget of all", "write --each calls=100,tokens=200000")


def works_of(given: Evaluation) -> list[Work]:
    """What is to be done, the data loaded once wherever several tasks share it."""
    held: dict[tuple[str, Data], Context] = {}
    found = []
    for task in given.tasks:
        for name, data in task.contexts.items():
            if (name, data) not in held:
                held[name, data] = loaded(name, data)
        contexts = {name: held[name, data] for name, data in task.contexts.items()}
        digests = {name: context.digest for name, context in contexts.items()}
        for contender in given.contenders:
            key = identity("outcome-v1", without_floats([task.identity(digests), contender, *conditions(given)]))
            found.append(Work(task, contender, contexts, key))
    return found


def conditions(given: Evaluation) -> list[Any]:
    """What else an outcome rests on: models, parameters, turns, window and share."""
    models = {alias: model.as_json() for alias, model in given.settings.by_alias().items()}
    return [models, given.settings.turns, given.settings.window, given.share.as_json()]


def loaded(name: str, data: Data) -> Context:
    if data.text is not None:
        return text(data.text, name)
    return load(name, data.path, format=data.format) if data.format else context_of(name, data.path)


def asked_all(given: Evaluation, works: Iterable[Work], journal: Journal, told: Told) -> list[Outcome]:
    """All of it in threads; interrupted, those under way come to their end and no other starts."""
    purse = Purse(given.settings.limits, given.share)
    found: list[Outcome] = []
    with ThreadPoolExecutor(given.parallel) as pool:
        left: set[Future[Outcome]] = {pool.submit(asked, given, work, purse) for work in works}
        try:
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for outcome in (each.result() for each in done):
                    journal.keep(outcome)
                    found.append(outcome)
                    told(outcome, False)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def asked(given: Evaluation, work: Work, purse: Purse) -> Outcome:
    """One task within its share of the purse."""
    empty = Outcome(work.identity, work.task.id, work.contender, 0.0, work.task.group)
    if not purse.take():
        return replace(empty, failure="purse", problem="what is left of the budget is less than one task's share")
    outcome = empty
    try:
        if purse.closed:
            return replace(empty, failure=purse.closed[0], problem=purse.closed[1])
        outcome = answered(given, work, empty)
        if outcome.failure in SERVER:
            purse.closed = (outcome.failure, outcome.problem)
        return outcome
    finally:
        purse.give_back(*spent(trace_of(given.folder, work), outcome.usage))


def answered(given: Evaluation, work: Work, empty: Outcome) -> Outcome:
    """One task asked and scored; whatever goes wrong is an outcome of its kind."""
    trace = trace_of(given.folder, work)
    shutil.rmtree(trace, ignore_errors=True)
    trace.parent.mkdir(parents=True, exist_ok=True)
    settings = replace(given.settings, limits=given.share)
    started = time.perf_counter()
    try:
        found = CONTENDERS[work.contender](
            Asked(work.task, work.contexts, settings, given.keys, trace, given.local_python)
        )
    except ProgramError as failure:
        kind, told = "program", str(failure)
    except UserError as failure:
        kind, told = failure.code or "error", str(failure)
    except Exception as failure:  # a fault of ours in one task is told, and ends no evaluation of many
        kind, told = "fault", f"{type(failure).__name__}: {failure}"
    else:
        score = METRICS[work.task.metric].score(found.value, work.task.answer, work.task.answer_type)
        taken = time.perf_counter() - started
        return replace(empty, score=score, value=found.value, turns=found.turns, seconds=taken, usage=found.usage)
    usage, turns = told_by(trace, settings)
    return replace(
        empty,
        failure=kind,
        problem=told.split("\n")[0][:300],
        turns=turns,
        seconds=time.perf_counter() - started,
        usage=usage,
    )


def trace_of(folder: Path, work: Work) -> Path:
    """Where a task's trace goes: named after the task, told apart by its identity."""
    name = re.sub(r"[^\w.-]", "_", work.task.id)[:60]
    return folder / "traces" / work.contender / f"{name}-{work.identity[:8]}.trace"


def spent(trace: Path, usage: Sequence[Usage]) -> tuple[int, int]:
    """Calls and tokens that were paid for: by the trace's events where there is one, else by what was told."""
    if not (trace / EVENTS).is_file():
        return sum(each.new for each in usage), sum(each.prompt_tokens + each.completion_tokens for each in usage)
    estimates: dict[str, int] = {}
    calls = tokens = 0
    for event in read_events(trace / EVENTS):
        if event.type == "call.start":
            estimates[event.content["key"]] = event.content["prompt_tokens_estimate"]
        if event.type == "call.end" and not (
            event.content["outcome"] == "failed" and not event.content["may_be_billed"]
        ):
            given = event.content.get("gen_ai.usage.input_tokens")
            calls += 1
            tokens += estimates.get(event.content["key"], 0) if given is None else given
            tokens += event.content.get("gen_ai.usage.output_tokens") or 0
    return calls, tokens


def told_by(trace: Path, settings: Settings) -> tuple[tuple[Usage, ...], int]:
    """What an exploration without an answer used, and its turns, by its trace's events."""
    events = list(read_events(trace / EVENTS)) if (trace / EVENTS).is_file() else []
    steps = {event.content["key"]: event.content["step"] for event in events if event.type == "call.start"}
    found: dict[bool, Usage] = {}
    for event in events:
        if event.type == "call.end" and event.content["outcome"] not in ("failed", "cancelled"):
            root = steps.get(event.content["key"]) == "root"
            held = found.get(root, Usage(settings.chosen("root" if root else "sub").model, root))
            found[root] = replace(
                held,
                calls=held.calls + 1,
                new=held.new + 1,
                prompt_tokens=held.prompt_tokens + (event.content.get("gen_ai.usage.input_tokens") or 0),
                completion_tokens=held.completion_tokens + (event.content.get("gen_ai.usage.output_tokens") or 0),
            )
    return tuple(found.values()), sum(event.type == "turn.end" for event in events)
