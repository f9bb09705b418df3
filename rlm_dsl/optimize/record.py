"""The record of an optimization: a trace of every call, the report and the tuned program; and going on from it.

In: a folder, what was found. Out: a sealed trace; of one that was stopped, its answers. Law: what was answered before
is not asked again; a finished record is never written over, and the same search writes no second one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.common.source import Source
from rlm_dsl.engine.run import RunLog, header_of, spent_of, writing
from rlm_dsl.engine.run_trace import write_calls
from rlm_dsl.language.operators.core.registry import operator_versions, recorded_versions
from rlm_dsl.models.budget import Amount
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.recording import Call, call_rows
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.optimize.evaluator import WRITING, writer_of
from rlm_dsl.optimize.job import OptimizationJob, OptimizationResult
from rlm_dsl.optimize.tuned import proxies_path, proxies_text, read_tuned, with_proxies
from rlm_dsl.trace.journal import read_journal
from rlm_dsl.trace.layout import EVENTS, OPTIMIZATION, REPORT, SEAL, TUNED
from rlm_dsl.trace.reader import ODD_FORM, Trace

SCHEMA = OPTIMIZATION
PROVED = ("better", "cheaper")
"""The verdicts by which a result is written."""


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
    return {**header, "schema": SCHEMA, "job": job_identity(job, header)}


def job_identity(job: OptimizationJob, header: Mapping[str, Any]) -> str:
    """Of all that decides what a search finds: program, data, labels, models, prices and what was asked for; neither
    its budget nor where it is recorded."""
    files = {"examples": job.examples, "labels": job.labels}
    held = {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path and path.is_file()
    }
    asked = {
        name: getattr(job, name)
        for name in ("metric", "optimizers", "seed", "effort", "demos", "variants", "small", "pick", "cost")
    }
    of_header = {name: header[name] for name in ("params", "models", "prices", "window", "pack") if name in header}
    contexts = [{name: c.get(name) for name in ("name", "digest", "rows")} for c in header["contexts"]]
    whole = {"program": job.source.text, "contexts": contexts, **of_header, **held, **asked, "target": repr(job.target)}
    return identity("optimization-job-v1", without_floats(json.loads(json.dumps(whole, default=str))))


def finished_before(job: OptimizationJob, header: Mapping[str, Any]) -> tuple[Path, OptimizationResult] | None:
    """The record of the same search, where it came to its end: in the job's folder, or in one of its name and another
    number."""
    stem = re.sub(r"(-\d+)?$", "", job.folder.stem)
    beside = [p for p in job.folder.parent.glob("*.optimize") if re.fullmatch(rf"{re.escape(stem)}(-\d+)?", p.stem)]
    for folder in dict.fromkeys([job.folder, *sorted(beside)]):
        if not (folder / SEAL).is_file():
            continue
        with suppress(UserError, ProgramError, *ODD_FORM):
            trace = Trace.open(folder)
            if trace.header.get("job") == header["job"]:
                report = trace.json(REPORT)
                tuned = with_proxies(read_tuned(Source(TUNED, trace.text(TUNED))), folder / TUNED)
                return folder, OptimizationResult(tuned, report["verdict"] in PROVED, report)
    return None


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


def asked_anything(folder: Path) -> bool:
    """Whether a record that was begun holds an answer, or tells of a request that was sent: of one that does neither
    there is nothing to go on with."""
    events = folder / EVENTS
    return bool(read_journal(folder)) or (events.is_file() and b'"type": "call.start"' in events.read_bytes())


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
        if found.tuned.proxies:
            log.writer.write_text(proxies_path(Path(TUNED)).name, proxies_text(found.tuned))
        log.writer.write_json(REPORT, report)
        write_calls(log.writer, rows)
        log.writer.end({"outcome": "answered", **spent.as_event(), "seconds": log.seconds}, rows)
        log.writer.seal()
    return replace(found, report=report)
