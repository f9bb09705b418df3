"""An evaluation: every task asked of every system, side by side, within one budget, and taken up where it stopped.

In: tasks, systems, settings, a folder. Out: an outcome for each task and system, in their order.
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
from rlm_dsl.engine.inputs import context_of, text
from rlm_dsl.evaluate.budget_shares import BudgetShares
from rlm_dsl.evaluate.no_answer import NoAnswer
from rlm_dsl.evaluate.outcomes import NO_SHARE, SERVER, Outcome, OutcomeJournal
from rlm_dsl.evaluate.scoring import METRICS
from rlm_dsl.evaluate.systems import NEEDS, SYSTEMS, SystemInput
from rlm_dsl.evaluate.tasks import Data, Task
from rlm_dsl.evaluate.trace_usage import paid_for, usage_of_trace
from rlm_dsl.models.cache.opening import open_store
from rlm_dsl.models.local.choice import with_local_models
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, Settings


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to ask of whom: `settings.limits` is the budget of it all, `share` that of one task."""

    tasks: Sequence[Task]
    systems: Sequence[str]
    settings: Settings
    share: Limits
    folder: Path
    keys: Keys
    parallel: int = 4
    local_python: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One task for one system, with the identity of its outcome."""

    task: Task
    system: str
    contexts: Mapping[str, Context]
    identity: str


OnOutcome = Callable[[Outcome, bool], None]
"""Hears of each outcome as it comes, and whether it was known before."""


def evaluate(given: Evaluation, on_outcome: OnOutcome = lambda outcome, known: None) -> tuple[Outcome, ...]:
    """Every outcome, those known before among them. Raises UserError before anything is asked."""
    check_evaluation(given)
    given = replace(given, settings=with_local_models(given.settings))  # by what stands in keys, for everyone asked
    jobs = jobs_of(given)
    open_store(given.settings.store).close()
    with OutcomeJournal(given.folder) as journal:
        known = {job.identity: journal.held[job.identity] for job in jobs if job.identity in journal.held}
        for outcome in known.values():
            on_outcome(outcome, True)
        fresh = run_jobs(given, [job for job in jobs if job.identity not in known], journal, on_outcome)
        found = known | {outcome.identity: outcome for outcome in fresh}
    return tuple(found[job.identity] for job in jobs)


def check_evaluation(given: Evaluation) -> None:
    """Raise UserError for systems that are not there, or a share that does not fit its budget."""
    if "root" not in given.settings.models:
        raise UserError("no model is named", "name one: --model gpt-5-mini")
    for name in given.systems:
        if name not in SYSTEMS:
            raise UserError(f"nobody is called {name!r}", *did_you_mean(name, list(SYSTEMS), what="contenders"))
        package, remedy = NEEDS.get(name, ("", ""))
        if package and importlib.util.find_spec(package) is None:
            raise UserError(f"{name} is not installed", f"get it with: {remedy}")
    if "rlms" in given.systems and not given.local_python:
        raise UserError(
            "rlms runs Python that the model writes in this very process",
            "if you mean it, say --local-python, best in a container",
        )
    limits, share = given.settings.limits, given.share
    if limits.usd is not None or limits.seconds is not None:
        raise UserError("the budget of all tasks is in calls and tokens", "bound one task: --each usd=0.50,seconds=600")
    if share.calls > limits.calls or share.tokens > limits.tokens:
        raise UserError("a task's share is larger than the budget of all", "write --each calls=100,tokens=200000")


def jobs_of(given: Evaluation) -> list[Job]:
    """What is to be done, the data loaded once wherever several tasks share it."""
    held: dict[tuple[str, Data], Context] = {}
    found = []
    for task in given.tasks:
        for name, data in task.contexts.items():
            if (name, data) not in held:
                held[name, data] = load_data(name, data)
        contexts = {name: held[name, data] for name, data in task.contexts.items()}
        digests = {name: context.digest for name, context in contexts.items()}
        for system in given.systems:
            key = identity("outcome-v1", without_floats([task.identity(digests), system, *conditions(given)]))
            found.append(Job(task, system, contexts, key))
    return found


def conditions(given: Evaluation) -> list[Any]:
    """What else an outcome rests on: models, parameters, turns, window and share."""
    models = {alias: model.as_json() for alias, model in given.settings.by_alias().items()}
    card = [given.settings.card] if given.settings.card else []
    return [models, given.settings.turns, given.settings.window, given.share.as_json(), *card]


def load_data(name: str, data: Data) -> Context:
    if data.text is not None:
        return text(data.text, name)
    return context_of(name, data.given)


def run_jobs(given: Evaluation, jobs: Iterable[Job], journal: OutcomeJournal, on_outcome: OnOutcome) -> list[Outcome]:
    """All of it in threads; interrupted, those under way come to their end and no other starts."""
    shares = BudgetShares(given.settings.limits, given.share)
    found: list[Outcome] = []
    with ThreadPoolExecutor(given.parallel) as pool:
        left: set[Future[Outcome]] = {pool.submit(run_job, given, job, shares) for job in jobs}
        try:
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for outcome in (each.result() for each in done):
                    journal.keep(outcome)
                    found.append(outcome)
                    on_outcome(outcome, False)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def run_job(given: Evaluation, job: Job, shares: BudgetShares) -> Outcome:
    """One task within its share of the budget."""
    empty = Outcome(job.identity, job.task.id, job.system, 0.0, job.task.group)
    if not shares.acquire():
        return replace(empty, failure=NO_SHARE, problem="what is left of the budget is less than one task's share")
    outcome = empty
    try:
        if shares.closed:
            return replace(empty, failure=shares.closed[0], problem=shares.closed[1])
        outcome = score_job(given, job, empty)
        if outcome.failure in SERVER:
            shares.closed = (outcome.failure, outcome.problem)
        return outcome
    finally:
        shares.release(*paid_for(trace_of(given.folder, job), outcome.usage))


def score_job(given: Evaluation, job: Job, empty: Outcome) -> Outcome:
    """One task asked and scored; whatever goes wrong is an outcome of its kind."""
    trace = trace_of(given.folder, job)
    shutil.rmtree(trace, ignore_errors=True)
    trace.parent.mkdir(parents=True, exist_ok=True)
    settings = replace(given.settings, limits=given.share)
    started = time.perf_counter()
    told: NoAnswer | None = None
    try:
        found = SYSTEMS[job.system](
            SystemInput(job.task, job.contexts, settings, given.keys, trace, given.local_python)
        )
    except ProgramError as failure:
        kind, problem = "program", str(failure)
    except NoAnswer as failure:
        kind, problem, told = failure.code, str(failure), failure
    except UserError as failure:
        kind, problem = failure.code or "error", str(failure)
    except Exception as failure:  # a fault of ours in one task is told, and ends no evaluation of many
        kind, problem = "fault", f"{type(failure).__name__}: {failure}"
    else:
        score = METRICS[job.task.metric].score(found.value, job.task.answer, job.task.answer_type)
        taken = time.perf_counter() - started
        return replace(empty, score=score, value=found.value, turns=found.turns, seconds=taken, usage=found.usage)
    usage, turns = usage_of_trace(trace, settings) if told is None else (told.usage, told.turns)
    return replace(
        empty,
        failure=kind,
        problem=problem.split("\n")[0][:300],
        turns=turns,
        seconds=time.perf_counter() - started,
        usage=usage,
    )


def trace_of(folder: Path, job: Job) -> Path:
    """Where a task's trace goes: named after the task, told apart by its identity."""
    name = re.sub(r"[^\w.-]", "_", job.task.id)[:60]
    return folder / "traces" / job.system / f"{name}-{job.identity[:8]}.trace"
