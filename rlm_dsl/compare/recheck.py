"""A recheck: old rows of a model step asked again today, so that a silent change of a served model is seen.

In: a sealed trace, a budget. Out: how many of the rows are answered as they were, with exact limits, and a sealed trace
of its own. Law: which rows follows from a seed and what they show; each is asked in the very request of the run, as a
sample of its own, so that no store answers for the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import Calls
from rlm_dsl.engine.calls.round import reading, texts_of
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.run import RunLog, header_of, redaction_of, run_log, spent_of, writing
from rlm_dsl.engine.run_trace import program_digest, recorded_calls, write_calls
from rlm_dsl.explore.resume import settings_again
from rlm_dsl.language.operators.core.registry import operator_versions
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.known_answers import NONE_KNOWN
from rlm_dsl.models.recording import call_rows
from rlm_dsl.models.request import Request
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, Settings
from rlm_dsl.models.stack import Approve, LiveStack, approve_all
from rlm_dsl.models.typed_retry import ask_typed
from rlm_dsl.plan.bounds import ASKS
from rlm_dsl.replay.verify_recheck import RECHECK, REPORT
from rlm_dsl.review.design import Design
from rlm_dsl.review.estimates.limits import hypergeometric
from rlm_dsl.review.opened import OpenedRun, ReviewedStep, open_run
from rlm_dsl.review.sampled import draw_rows
from rlm_dsl.trace.reader import Trace

LEAST = 0.95
"""The share of rows answered as before that a model which has not changed is taken to reach."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """Of a step's `rows` that a model had answered, `asked` were asked again, and `same` of them answered as before.
    `differ` are the others: what each shows, what was said, and what is said now."""

    step: str
    rows: int
    asked: int
    same: int
    least: float
    differ: tuple[tuple[str, Any, Any], ...] = field(default=(), repr=False)
    trace: Path | None = None

    @property
    def share(self) -> float:
        return self.same / self.asked

    @property
    def limits(self) -> tuple[float, float]:
        """Exact limits of the share among all rows, at 95 %."""
        low, high = hypergeometric(self.same, self.asked, self.rows)
        return low / self.rows, high / self.rows

    @property
    def fell(self) -> bool:
        """Whether the share has surely fallen below the least that is expected."""
        return self.limits[1] < self.least

    def told(self) -> str:
        low, high = (round(100 * each, 1) for each in self.limits)
        verdict = "it answers otherwise than it did" if self.fell else "no fall is shown"
        return (
            f"{self.step}: {self.same} of {self.asked} rows are answered as before, "
            f"{100 * self.share:.1f} % ({low:g} to {high:g}, 95 %) of {self.rows:,}; {verdict} "
            f"(expected: {100 * self.least:g} % at least)"
        )

    def as_json(self) -> dict[str, Any]:
        low, high = self.limits
        told = {"step": self.step, "rows": self.rows, "asked": self.asked, "same": self.same, "share": self.share}
        return {**told, "low": low, "high": high, "least": self.least, "fell": self.fell}


@dataclass(frozen=True, slots=True)
class RecheckJob:
    """What to ask again, of whom, and how far. `sample` sets these requests apart from all that were made before."""

    trace: Trace
    step: str
    rows: int
    seed: int
    least: float
    contexts: Mapping[str, str | Context]
    settings: Settings
    limits: Limits
    keys: Keys
    to: Path
    approve: Approve = approve_all
    sample: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    notify: Callable[[str], None] = field(default=lambda line: None)


def recheck(job: RecheckJob) -> Recheck:
    """Raises UserError before anything is asked, and where the budget or the server ends it."""
    settings = settings_again(job.trace.header, job.settings, job.limits, None)
    redaction = redaction_of(job.keys, settings)
    with ExitStack() as opened:
        run = opened.enter_context(open_run(job.trace, job.contexts))
        step = run.step(job.step)
        held, drawn = drawn_rows(run, step, job)
        requests = {row: replace(step.round.request(step.texts[row]), sample=job.sample) for row in drawn}
        job.notify(f"{len(drawn):,} of {counted(len(held), 'row')} of `{step.name}` are asked again")
        log = opened.enter_context(run_log(job.to, redaction, goes_on="the same command again, into another folder"))
        header = header_of_recheck(job, settings, step)
        log.begin({"program": job.trace.program}, header, NONE_KNOWN)
        calls = opened.enter_context(
            live_calls(settings, job.keys, log.tell, redaction.redact, None, None, job.approve, NONE_KNOWN, log.note)
        )
        rows = asked_again(step, requests, calls)
        same = sum(row["before"] == row["now"] for row in rows)
        differ = tuple((step.texts[at], r["before"], r["now"]) for at, r in zip(drawn, rows, strict=True) if differs(r))
        found = Recheck(step.name, len(held), len(rows), same, job.least, differ, job.to)
        seal(job, found, rows, header, calls.models, settings, log)
        return found


def differs(row: Mapping[str, Any]) -> bool:
    return bool(row["before"] != row["now"])


def drawn_rows(run: OpenedRun, step: ReviewedStep, job: RecheckJob) -> tuple[list[int], list[int]]:
    """The rows that a model answered, one of those that show the same, and those of them that are drawn."""
    if step.explores:
        raise UserError(f"`{step.name}` explores its texts in runs of their own", "ask again by: rlm-dsl rerun")
    if step.round.scoring is not None:
        told = f"`{step.name}` reads its answers from probabilities, and what is said again is no such answer"
        raise UserError(told, "run the program anew with another --store, and compare: rlm-dsl diff")
    answers = recorded_calls(job.trace)
    seen: set[str] = set()
    held = []
    for _, row in draw_rows(run, step, Design(seed=job.seed)).first(len(step.keys)):
        if step.digests[row] in seen or step.answers[row] is None:
            continue
        if answers.answer(step.round.request(step.texts[row]).key) is not None:
            seen.add(step.digests[row])
            held.append(row)
    if not held:
        raise UserError(f"no row of `{step.name}` was answered by a model that could be asked again")
    return held, held[: job.rows]


def header_of_recheck(job: RecheckJob, settings: Settings, step: ReviewedStep) -> dict[str, Any]:
    of = {"name": job.trace.name, "head": job.trace.head}
    asked = {"of": of, "step": step.name, "seed": job.seed, "sample": job.sample}
    header = header_of({}, {}, settings.by_alias(), settings, {"recheck": asked}, operator_versions())
    return {**header, "schema": RECHECK, "program_sha256": program_digest(job.trace.program)}


def asked_again(step: ReviewedStep, requests: Mapping[int, Request], calls: Calls[LiveStack]) -> list[dict[str, Any]]:
    """Each row with what was said of it, and what is said now: None where that is no valid answer."""
    models, found = calls.models, dict[int, dict[str, Any]]()
    models.afford(step.name, requests.values())

    async def one(row: int) -> None:
        shown = texts_of(step.texts[row], step.stage)
        outcome = await ask_typed(models.model, requests[row], reading(step.round, shown), asks=ASKS)
        now = None if outcome.value is None else {name: outcome.value[name] for name in step.fields()}
        before = json_ready(dict(step.answers[row] or {}))
        key = outcome.raw[-1][0]
        found[row] = {"row": step.digests[row], "key": key, "before": before, "now": json_ready(now)}

    models.wait(lambda: in_turn(list(requests), one))
    return [found[row] for row in requests]


def seal(
    job: RecheckJob,
    found: Recheck,
    rows: Sequence[Mapping[str, Any]],
    header: Mapping[str, Any],
    models: LiveStack,
    settings: Settings,
    log: RunLog,
) -> None:
    """The record, closed: the counts, row by row, and every call."""
    spent = spent_of(models.recording, settings)
    assert log.writer is not None
    with writing(log.writer):
        calls = call_rows(models.recording.calls.values())
        log.writer.write_text("program.rlm", job.trace.program)
        told = {"schema": RECHECK, "step": found.step, "of": found.rows, "asked": found.asked, "same": found.same}
        log.writer.write_json(REPORT, {**told, "least": job.least, "rows": list(rows)})
        write_calls(log.writer, calls)
        log.writer.end({"outcome": "rechecked", **spent.as_event(), "seconds": log.seconds}, calls)
        log.writer.seal()
