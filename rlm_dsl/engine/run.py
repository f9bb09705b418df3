"""Running a program for a user: models opened, trace written, result handed back.

In: a program, contexts, settings. Out: a result, and a sealed trace if one is wanted.
Law: a run that ends early leaves an unfinished trace and every answer it was given; nothing else.
"""

from __future__ import annotations

import datetime
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.hashing import without_floats
from rlm_dsl.common.source import Source
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.common.version import version
from rlm_dsl.common.well_formed import without_halves
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.calls.sub_runs import Explorer, replayed_calls
from rlm_dsl.engine.execution import Execution, execute
from rlm_dsl.engine.garbage_collection import collected_seldom
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.result import Result, Spent
from rlm_dsl.engine.run_trace import (
    SCHEMA,
    header_contexts,
    recorded_calls,
    recorded_settings,
    served_models,
    write_execution,
)
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.database import engine_version
from rlm_dsl.language.edit.call_sites import calls_in
from rlm_dsl.language.operators.core.registry import operator_versions, recorded_versions, table_operators
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.cache.place import MEMORY, read_place
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.protocol import ModelStack
from rlm_dsl.models.recorded import Recorded, RecordedStack
from rlm_dsl.models.recording import Call, Recording, call_rows, usage_of
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Server, Settings
from rlm_dsl.models.stack import Approve, LiveStack, approve_all
from rlm_dsl.trace.going_on import ANEW, AT_AN_END
from rlm_dsl.trace.heads import keep_head
from rlm_dsl.trace.layout import HEADER
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.secrets import Redaction
from rlm_dsl.trace.writer import TraceWriter

Look = Callable[[Execution, Warehouse], None]
"""Sees what was run before it is recorded; what it raises ends the run, and nothing is sealed."""


@contextmanager
def writing(writer: TraceWriter) -> Iterator[None]:
    """While a trace is written: a disk that refuses stops the run in words."""
    try:
        yield
    except OSError as failure:
        raise system_error(failure, f"the trace {writer.folder}", "written", exit_code=3, code="trace") from None


@dataclass(slots=True)
class RunLog:
    """Where a run's events go: into its trace, if it has one. `started` is the clock's time at the start."""

    writer: TraceWriter | None
    redaction: Redaction
    started: float = field(default_factory=time.perf_counter)
    keeps_all: bool = False
    """Whether answers of an earlier trace are kept beside a run's own until it is sealed."""

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        if self.writer is not None:
            with writing(self.writer):
                self.writer.events.append(kind, fields)

    def begin(self, told: Mapping[str, Any], header: Mapping[str, Any], known: KnownAnswers) -> None:
        """The run's first event, and its header as far as it is known: what it takes to go on. Of a run that goes on,
        only what is known by then."""
        if known.resumed:
            counts = {"answers_known": len(known.answers), "calls_before": known.calls}
            more = {"turns_allowed": known.turns[-1]} if known.turns else {}
            return self.tell("run.resume", counts | {"budget": header["budget"]} | more)
        if self.writer is not None:
            with writing(self.writer):
                self.writer.write_json(HEADER, header)
        return self.tell("run.start", told)

    def note(self, call: Call) -> None:
        """An answer, kept until the calls are recorded for good; one of an earlier trace is kept there."""
        kept = self.keeps_all or call.origin != "trace"
        if self.writer is not None and kept and call.request.key not in self.writer.journal.keys:
            with writing(self.writer):
                self.writer.journal.add(call.as_json())

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def can_go_on(failure: BaseException) -> bool:
    """Whether a run that ended so comes further when it is taken up again."""
    return not isinstance(failure, UserError) or (failure.exit_code == 3 and failure.code not in AT_AN_END)


@contextmanager
def run_log(
    trace: Path | None,
    redaction: Redaction,
    known: KnownAnswers = NONE_KNOWN,
    goes_on: str = "",
    option: str = "--trace",
) -> Iterator[RunLog]:
    """A log over a trace's folder; what ends the run early is its last event, and the trace stays unsealed.
    `goes_on` tells people how to go on then, `option` is what another folder is named with."""
    writer = None
    if trace is not None:
        writer = TraceWriter(trace, now, redaction.redact_json, continued=known.resumed, option=option)
    held = RunLog(writer, redaction, keeps_all=known.goes_on)
    try:
        yield held
    except BaseException as failure:
        with suppress(UserError):
            code = {"code": failure.code} if isinstance(failure, UserError) else {}
            held.tell("run.stop", {"error": type(failure).__name__, "message": str(failure), **code})
        if writer is not None and can_go_on(failure):
            again = f"rlm-dsl resume {trace}" if writer.events.count else ANEW
            failure.add_note(f"to go on: {goes_on or again}")
        raise
    finally:
        if writer is not None:
            with suppress(OSError):  # of a disk that refuses the last lines; a finished trace is closed by its seal
                writer.close()


def redaction_of(keys: Keys, settings: Settings) -> Redaction:
    """What to keep out of everything written: secrets of the environment, the keys in use, the store's password."""
    held = {f"password {n}": each for n, each in enumerate(sorted(read_place(settings.store).secrets))}
    return Redaction.of({**keys.environment, **keys.all((*settings.servers, Server(settings.base_url))), **held})


def run_program(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    settings: Settings,
    *,
    keys: Keys,
    progress: Progress,
    trace: Path | None = None,
    answers: Trace | None = None,
    explorer: Explorer | None = None,
    approve: Approve = approve_all,
    known: KnownAnswers = NONE_KNOWN,
    parent: Trace | None = None,
    extra: Mapping[str, Any] | None = None,
    look: Look = lambda execution, warehouse: None,
) -> Result:
    """Run a program live, or on the answers of an earlier trace and then without any call. `approve` is asked before
    each round of model calls; answers that are `known` are not asked for; `parent` is the run of which it is another,
    and `extra` what its header says more; `look` sees what was run, with its tables, before it is recorded."""
    params = without_halves(dict(params))
    if answers is None:
        settings = within_limits(settings, keys)
    redaction = redaction_of(keys, settings)
    if (earlier := answers or parent) is not None:
        redaction = redaction.also(recorded_redaction(earlier.header, contexts)[0].values)
    models = settings.by_alias() if answers is None else recorded_settings(answers)
    operators = operator_versions() if known.versions is None else dict(known.versions)
    operators = operators if answers is None else dict(recorded_versions(answers.header))
    header = known.header or header_of(contexts, params, models, settings, extra or {}, operators)
    # the answers that nobody asks for need no place to be kept in, and none that may be damaged, gone or read-only
    asking = settings if asks_a_model(source) else replace(settings, store=MEMORY, batch=False)
    with run_log(trace, redaction, known) as log:
        log.begin({"program": source.text, **pace_of(settings)}, header, known)
        with (
            collected_seldom(),
            Warehouse(settings.threads, settings.memory, contexts.values()) as warehouse,
            opened_calls(asking, keys, log, answers, explorer, approve, known, progress) as calls,
        ):
            recording = calls.models.recording
            return record_run(
                source, contexts, params, settings, calls, recording, progress, log, warehouse, header, look
            )


def asks_a_model(source: Source) -> bool:
    """Whether a step of the program asks a model; a program that cannot be read may."""
    operators = table_operators()
    try:
        called = {call.operator for call in calls_in(parse(source))}
    except ProgramError:
        return True
    return any(operators[name].model is not None for name in called if name in operators)


@contextmanager
def opened_calls(
    settings: Settings,
    keys: Keys,
    log: RunLog,
    answers: Trace | None,
    explorer: Explorer | None,
    approve: Approve,
    known: KnownAnswers,
    progress: Progress,
) -> Iterator[Calls[LiveStack] | Calls[RecordedStack]]:
    """How a run asks: live, or on the answers of an earlier trace."""
    redact = log.redaction.redact
    if answers is not None:
        options, held = CallOptions.recorded(answers.header, redact), recorded_calls(answers)
        yield replayed_calls(recorded_settings(answers), Recorded(held.answer, held.packs), options)
        return
    with live_calls(settings, keys, log.tell, redact, explorer, None, approve, known, log.note) as calls:
        progress.watch(calls.models.spent)
        yield calls


def record_run(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    settings: Settings,
    calls: Calls[ModelStack],
    recording: Recording,
    progress: Progress,
    log: RunLog,
    warehouse: Warehouse,
    header: Mapping[str, Any],
    look: Look = lambda execution, warehouse: None,
) -> Result:
    """Execute, record, seal."""
    execution = execute(source, contexts, params, calls, progress, log.tell, warehouse)
    look(execution, warehouse)
    spent = spent_of(recording, settings)
    head = None
    if log.writer is not None:
        with writing(log.writer):
            rows = call_rows(recording.calls.values())
            last = {"served": served_models(recording.calls.values()), "redaction": log.redaction.names()}
            write_execution(log.writer, execution, warehouse, rows, {**header, **last}, log.redaction)
            log.writer.end({"outcome": "answered", **spent.as_event(), "seconds": log.seconds}, rows)
            head = log.writer.seal()
        if settings.heads:
            keep_head(Path(settings.heads), head, log.writer.folder.name)
    return Result(
        execution.answer,
        execution,
        spent,
        log.seconds,
        header.get("question"),
        header.get("turns"),
        log.writer.folder if log.writer else None,
        head,
        usage_of(recording.calls.values()),
        context_rows={name: context.count for name, context in contexts.items()},
    )


def spent_of(recording: Recording, settings: Settings) -> Spent:
    asked = [call for call in recording.calls.values() if not call.request.explore and not call.answer.pack]
    live = [call for call in asked if call.origin == "live"]
    prompt = sum(call.answer.prompt_tokens or 0 for call in live)
    completion = sum(call.answer.completion_tokens or 0 for call in live)
    usd: float | None = 0.0
    for call in live:
        answer = call.answer
        price = settings.price_of(call.request.settings.model, answer.model)
        if usd is not None and price is not None:
            given, said = answer.prompt_tokens or 0, answer.completion_tokens or 0
            usd += price.of(given, said, answer.cached_tokens, by_batch=answer.batch)
        else:
            usd = None
    cached = sum(call.answer.cached_tokens for call in live)
    pairs = sorted({(call.request.settings.model, call.answer.model) for call in live})
    others = [pair for pair in pairs if settings.price_of(*pair) != settings.price_of(pair[0])]
    return Spent(len(live), len(asked) - len(live), prompt, completion, usd if live else None, cached, tuple(others))


def pace_of(settings: Settings) -> dict[str, Any]:
    """How fast a run asks, where that was said, so that it goes on so. It changes no answer, and is in no header."""
    told = {"concurrency": settings.concurrency, "timeout_seconds": settings.timeout_seconds}
    usual = Settings()
    pace = {name: each for name, each in told.items() if each != getattr(usual, name)}
    return {"pace": pace} if pace else {}


def header_of(
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    models: Mapping[str, ModelSettings],
    settings: Settings,
    extra: Mapping[str, Any],
    operators: Mapping[str, int],
) -> dict[str, Any]:
    """The header of a trace: what a stranger needs to run it again. How servers are spoken to is not in it; `operators`
    are the versions of those that have had several."""
    return {
        "schema": SCHEMA,
        "id": str(uuid.uuid4()),
        "created": now(),
        **extra,
        "contexts": header_contexts(contexts),
        "params": dict(params),
        "models": {alias: model.as_json() for alias, model in models.items()},
        "window": settings.window,
        "max_failed": settings.max_failed,
        "pack": settings.rows_together,
        **({"rows_per_call": dict(settings.rows_per_call)} if settings.rows_per_call else {}),
        **({"proxies": without_floats(dict(settings.proxies))} if settings.proxies else {}),
        "budget": settings.limits.as_json(),
        "prices": {
            model.model: price.as_json()
            for model in models.values()
            if (price := settings.price_of(model.model)) is not None
        },
        "versions": versions(),
        "operators": dict(operators),
    }


def versions() -> dict[str, str]:
    """Of what a run's bytes depend on."""
    return {"rlm_dsl": version(), "duckdb": engine_version()}
