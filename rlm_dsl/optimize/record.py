"""The record of an optimization: a trace of every call, the report and the tuned program; and going on from it.

In: a folder, what was found. Out: a sealed trace; of one that was stopped, its answers. Law: what was answered before
is not asked again; a finished record is never written over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.engine.run import RunLog, header_of, spent_of, writing
from rlm_dsl.engine.run_trace import write_calls
from rlm_dsl.language.operators.core.registry import operator_versions, recorded_versions
from rlm_dsl.models.budget import Amount
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.recording import Call, call_rows
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.optimize.evaluator import WRITING, writer_of
from rlm_dsl.optimize.job import OptimizationJob, OptimizationResult
from rlm_dsl.trace.journal import read_journal
from rlm_dsl.trace.layout import REPORT, TUNED

SCHEMA = "rlm-optimization/1"


def record_path(folder: Path, stem: str) -> Path:
    """A folder for the record: one that was stopped is gone on with, a finished one is left alone."""
    number = 1
    while True:
        found = folder / (f"{stem}.optimize" if number == 1 else f"{stem}-{number}.optimize")
        if not (found / "seal.json").exists():
            return found
        number += 1


def record_header(job: OptimizationJob) -> dict[str, Any]:
    models = job.settings.by_alias()
    header = header_of(job.contexts, job.params, models, job.settings, {}, operator_versions())
    return {**header, "schema": SCHEMA}


def answers_of_stopped(folder: Path, header: Mapping[str, Any]) -> KnownAnswers:
    """The answers of an optimization that was stopped, to go on with."""
    rows = read_journal(folder)
    if not rows:
        return NONE_KNOWN
    live = [Call.from_json(row).answer for row in rows if row["origin"] == "live"]
    spent = Amount(sum(a.prompt_tokens or 0 for a in live), sum(a.completion_tokens or 0 for a in live))
    return KnownAnswers(
        {row["key"]: row["answer"] for row in rows},
        {row["key"]: row["origin"] for row in rows},
        len(live),
        spent,
        header=header,
        versions=recorded_versions(header),
    )


def writer_usage(job: OptimizationJob, models: LiveStack) -> dict[str, Any]:
    """What the model that writes instructions was asked, whether its answers were new or known before."""
    asked = [call.answer for call in models.recording.calls.values() if call.request.purpose == WRITING]
    tokens = sum((answer.prompt_tokens or 0) + (answer.completion_tokens or 0) for answer in asked)
    return {"model": writer_of(job.settings.by_alias()).model, "calls": len(asked), "tokens": tokens}


def seal_record(job: OptimizationJob, found: OptimizationResult, models: LiveStack, log: RunLog) -> OptimizationResult:
    """The record, closed: the report with what was spent, the tuned program, every call."""
    spent = spent_of(models.recording, job.settings)
    spending = {**spent.as_event(), "seconds": round(log.seconds, 2)}
    report = {**found.report, "spent": spending, "writer": writer_usage(job, models)}
    assert log.writer is not None
    with writing(log.writer):
        rows = call_rows(models.recording.calls.values())
        log.writer.write_text("program.rlm", job.source.text)
        log.writer.write_text(TUNED, found.tuned.yaml())
        log.writer.write_json(REPORT, report)
        write_calls(log.writer, rows)
        log.writer.end({"outcome": "answered", **spent.as_event(), "seconds": log.seconds}, rows)
        log.writer.seal()
    return replace(found, report=report)
