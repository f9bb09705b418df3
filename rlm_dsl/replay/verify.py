"""Verify: a trace checked level by level, without a model and without a network.

In: a trace, and where its contexts lie. Out: a report. Law: no endpoint exists here; every level that can be checked is
checked, whatever failed before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.context.placement import Placement
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.sub_runs import replayed_calls
from rlm_dsl.engine.execution import Execution, execute
from rlm_dsl.engine.garbage_collection import collected_seldom
from rlm_dsl.engine.one_answer import without_mostly
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.run_trace import SCHEMA, RecordedCalls, program_digest, recorded_calls, recorded_settings
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.models.request import Request
from rlm_dsl.replay.sources import load_context, require_names
from rlm_dsl.replay.verify_calls import (
    UNKNOWN,
    Tolerant,
    differing_words,
    idle,
    missing,
    not_committed,
    not_in_order,
    not_read,
    other_packs,
    other_prices,
    other_requests,
    other_servers,
)
from rlm_dsl.replay.verify_files import EARLIER, odd_files
from rlm_dsl.replay.verify_optimization import optimization_level
from rlm_dsl.replay.verify_recheck import RECHECK, recheck_level
from rlm_dsl.replay.verify_sample import Sample, sample_level
from rlm_dsl.replay.verify_tables import other_tables
from rlm_dsl.trace.commitment import commits_to_files
from rlm_dsl.trace.divergence import LEVELS, NEXT, SAMPLE, Divergence, Level, Report
from rlm_dsl.trace.events import check_chain, last_event
from rlm_dsl.trace.going_on import way_on
from rlm_dsl.trace.layout import EVENTS, OPTIMIZATION, SEAL, SIGNATURE
from rlm_dsl.trace.reader import ODD_FORM, Trace
from rlm_dsl.trace.seal import LINE_ENDS, MEND, check_seal, file_names, has_other_line_ends
from rlm_dsl.trace.secrets import Redaction
from rlm_dsl.trace.signing import public_key as read_public_key
from rlm_dsl.trace.signing import signature_fault


@dataclass(slots=True)
class _Check:
    """What the levels so far came to, and what the later ones need of it."""

    trace: Trace
    given: Mapping[str, str | Context]
    shown: Redaction
    """Keeps the verifier's own secrets out of the report."""
    redaction: Redaction = field(default_factory=Redaction)
    """The recorder's, so that requests render as they did."""
    public_key: bytes | None = None
    """Whose signature the seal must have."""
    heads: Mapping[str, str] = field(default_factory=dict)
    """The heads that were kept, of which the log's must be one, with the names of their traces; none where none was."""
    engine: Placement | None = None
    """What reads and works on the data, if it is another than this process."""
    unknown: tuple[str, ...] = ()
    """Marks of which the rows do not tell what they stand for."""
    levels: list[Level] = field(default_factory=list)
    contexts: dict[str, Context] = field(default_factory=dict)
    execution: Execution | None = None
    why_not: str = ""
    stopped: list[Divergence] = field(default_factory=list)
    tables: list[Divergence] = field(default_factory=list)
    """What is wrong with the stored tables."""
    log: tuple[str, int] | None = None
    """Head and count of the log."""
    calls: RecordedCalls | None = None
    asked: Mapping[str, Request] = field(default_factory=dict)
    """The requests as they are rendered now, those that have a recorded answer."""

    def add(self, name: str, checked: int, what: str, found: Sequence[Divergence] = (), skipped: str = "") -> None:
        told = tuple(self.told(divergence) for divergence in found)
        self.levels.append(Level(name, checked, told, skipped, what))

    def told(self, found: Divergence) -> Divergence:
        """A divergence without secrets; what differs by a mark that cannot be made again is said to be that."""
        sides = {side: getattr(found, side) for side in ("message", "recorded", "now", "cause")}
        marks = [mark for mark in self.unknown if mark in f"{found.recorded}{found.message}"]
        if marks and found.code == "D06":
            sides["cause"] = UNKNOWN.format(mark=marks[0])
            found = replace(found, code="D14")
        code = (
            "D01" if found.code == "D02" and not self.unfinished else found.code
        )  # a sealed run has nothing to resume
        if found.next_command is None and code == "D02":
            found = replace(found, next_command=way_on(self.trace.folder, self.trace.place))
        if found.next_command is None and (command := NEXT.get(code)):
            found = replace(found, next_command=command.format(trace=self.trace.name, step=found.step or ""))
        cleaned: dict[str, Any] = {s: self.shown.redact(text) for s, text in sides.items() if text is not None}
        return replace(found, **cleaned)

    def places(self) -> tuple[Mapping[tuple[str, str], int], Mapping[tuple[str, str], int]]:
        """The place of each source in its context, by their names when it was recorded, and by those of now."""
        then = {
            (context["name"], source["path"]): place
            for context in self.trace.header["contexts"]
            for place, source in enumerate(context["sources"])
        }
        now = {
            (name, self.redaction.redact(source.name)): place
            for name, context in self.contexts.items()
            for place, source in enumerate(context.sources)
        }
        return then, now

    @property
    def end(self) -> Mapping[str, Any]:
        """The log's last event."""
        return last_event(self.trace.folder / EVENTS)

    @property
    def unfinished(self) -> bool:
        """Whether the run stopped early: its seal, which comes last, is not there."""
        return not (self.trace.folder / SEAL).exists()

    def failed(self, name: str, message: str) -> None:
        """A level that could not be checked; those that rest on it say so."""
        self.add(name, 0, "", [Divergence("D01", name, message[:500])])
        self.why_not = self.why_not or f"level {name} fails"


def verify(
    trace: Trace,
    given: Mapping[str, str | Context],
    environment: Mapping[str, str],
    public_key: bytes | None = None,
    level: str = LEVELS[-1],
    heads: Mapping[str, str] | None = None,
    engine: Placement | None = None,
    sample: Sample | None = None,
) -> Report:
    """Check a trace. `given` says where contexts lie that are no longer where they were, or holds them; `public_key` is
    whose signature the seal must have; `level` is the last one that is checked; `heads` are those that were kept, of
    which the trace's must be one, with the names that they were kept under; `engine` reads and works on the data, if it
    is another than this process; with a `sample`, some files are checked in place of all levels after the files'.
    Raises UserError for data under a name that the trace does not have."""
    started = time.perf_counter()
    require_names(given, recorded_names(trace, given))
    if public_key is not None:
        read_public_key(public_key)  # a file that holds none is bad input, and no fault of the seal
    with collected_seldom():
        if sample is not None:
            level = "files"
        check = check_levels(trace, given, environment, public_key, level, heads or {}, engine)
        if sample is not None:
            _sample(check, sample)
    head = check.log[0] if check.log else ""
    return Report(trace.name, tuple(check.levels), 0, time.perf_counter() - started, head)


def _sample(check: _Check, sample: Sample) -> None:
    """The level that stands for all others where some files are checked instead of all."""
    if check.unfinished:
        return check.add(SAMPLE, 0, "", skipped="not checked: the trace is unfinished")
    try:
        count, what, found = sample_level(check.trace, check.given, sample)
    except UserError as failure:
        return check.failed(SAMPLE, failure.message)
    except ODD_FORM as failure:
        return check.failed(SAMPLE, check.trace.odd_form(failure))
    return check.add(SAMPLE, count, what, found)


def recorded_names(trace: Trace, given: Mapping[str, Any]) -> list[str]:
    """The names of a trace's contexts; those given where its header cannot be read, which a level says."""
    try:
        return [str(context["name"]) for context in trace.header["contexts"]]
    except (UserError, LookupError, TypeError):
        return list(given)


def check_levels(
    trace: Trace,
    given: Mapping[str, str | Context],
    environment: Mapping[str, str],
    public_key: bytes | None,
    level: str,
    heads: Mapping[str, str],
    engine: Placement | None = None,
) -> _Check:
    """The levels, one after the other."""
    check = _Check(trace, given, Redaction.of(environment), public_key=public_key, heads=heads, engine=engine)
    for name, work in list(checks_of(trace).items())[: LEVELS.index(level) + 1]:
        if check.unfinished and work not in (_chain, _files):
            check.add(name, 0, "", skipped="not checked: the trace is unfinished")
            continue
        try:
            work(check)
        except UserError as failure:
            check.failed(name, failure.message)
        except ODD_FORM as failure:
            check.failed(name, trace.odd_form(failure))
    return check


def checks_of(trace: Trace) -> Mapping[str, Callable[[_Check], None]]:
    """What is checked: of a recheck and of an optimization, which run no program, what they recorded."""
    try:
        return OTHERS.get(str(trace.header.get("schema")), CHECKS)
    except (UserError, *ODD_FORM):
        return CHECKS


def _level_of(levels: Callable[[Trace, str], tuple[int, str, list[Divergence]]], name: str) -> Callable[[_Check], None]:
    def work(check: _Check) -> None:
        count, what, found = levels(check.trace, name)
        check.add(name, count, what, found)

    return work


def _chain(check: _Check) -> None:
    path = check.trace.folder / EVENTS
    if not path.is_file():
        return check.add("chain", 0, "events", [Divergence("D01", "chain", "events.jsonl is missing")])
    found, head, count = check_chain(path)
    check.log = head, count
    if found and has_other_line_ends(path):
        found = [Divergence("D01", "chain", "no line is as it was written", cause=LINE_ENDS, next_command=MEND)]
    if check.heads and head not in check.heads:
        found = [*found, Divergence("D01", "chain", "its head is not one that was kept", kept(check.heads), head)]
    under = f" as {name}" if (name := check.heads.get(head)) else ""
    told = f"events, to the head that was kept{under}" if check.heads else "events"
    return check.add("chain", count, told, found)


def kept(heads: Mapping[str, str]) -> str:
    return next(iter(heads)) if len(heads) == 1 else f"{len(heads):,} heads"


def _files(check: _Check) -> None:
    if check.unfinished:
        message = "the trace is unfinished: the run stopped before its seal"
        again = way_on(check.trace.folder, check.trace.place)
        return check.add("files", 0, "", [Divergence("D02", "files", message, next_command=again)])
    found = check_seal(check.trace.folder, check.log)
    end = check.end
    if not found:
        found += odd_files(check.trace, end)
    if check.public_key is not None and (fault := signature_fault(check.trace.folder, check.public_key)):
        found.append(Divergence("D01", "files", fault))
    signed = (check.trace.folder / SIGNATURE).is_file()
    told = " and its signature" if check.public_key else "; its signature: verify --public-key FILE" if signed else ""
    earlier = f", {EARLIER}" if end.get("type") == "run.end" else ""
    bound = ", all bound by the head" if commits_to_files(end) else earlier
    return check.add("files", len(file_names(check.trace.folder)), f"files and the seal{told}{bound}", found)


def _context(check: _Check) -> None:
    header = check.trace.header
    if header.get("schema") != SCHEMA:
        message = f"the trace is of schema {header.get('schema')!r}"
        check.why_not = f"{message}, which this version does not know"
        return check.add("context", 0, "", [Divergence("D15", "context", message, SCHEMA)])
    found: list[Divergence] = []
    count = 0
    for recorded in header["contexts"]:
        count += len(recorded["sources"])
        try:
            context = load_context(recorded, check.given, check.trace.folder, kept=False, engine=check.engine)
        except UserError as failure:
            found.append(
                Divergence(
                    "D03",
                    "context",
                    f"{recorded['name']}: {failure.message}",
                    next_command=f"verify --context {recorded['name']}=PATH",
                )
            )
            check.why_not = f"context {recorded['name']} is not there"
            continue
        check.contexts[recorded["name"]] = context
        if changes := differences(recorded, context):
            check.why_not = f"context {recorded['name']} is not what it was"
            found += changes
    if len(check.contexts) == len(header["contexts"]):
        check.redaction, check.unknown, rules = recorded_redaction(header, check.contexts)
        found += [
            Divergence("D14", "context", f"secrets were taken out by a rule that is not known here: {rule}")
            for rule in rules
        ]
    return check.add("context", count, "source files", found)


def differences(recorded: Mapping[str, Any], context: Context) -> list[Divergence]:
    """The files that are not as they were: by their shown order, each named."""
    now = {source.name: source for source in context.sources}
    by_order = list(context.sources)
    found = []
    if len(by_order) != len(recorded["sources"]):
        found.append(
            context_changed(context.name, "the number of files", str(len(recorded["sources"])), str(len(by_order)))
        )
    for index, source in enumerate(recorded["sources"]):
        other = now.get(source["path"]) or (by_order[index] if index < len(by_order) else None)
        if other is not None and (other.sha256, other.size) != (source["sha256"], source["size"]):
            found.append(
                context_changed(
                    context.name,
                    source["path"],
                    f"{counted(source['size'], 'byte')}, sha256 {source['sha256']}",
                    f"{counted(other.size, 'byte')}, sha256 {other.sha256}",
                )
            )
    if not found and context.digest != recorded["digest"]:
        found.append(context_changed(context.name, "what was read", recorded["digest"], context.digest))
    if not found and context.count != recorded["rows"]:
        found.append(context_changed(context.name, "the number of rows", f"{recorded['rows']:,}", f"{context.count:,}"))
    return found


def context_changed(name: str, what: str, recorded: str, now: str) -> Divergence:
    return Divergence("D03", "context", f"{name}: {what} is not as it was", recorded, now)


def _program(check: _Check) -> None:
    text, recorded = check.trace.program, check.trace.header.get("program_sha256")
    found = []
    if program_digest(text) != recorded:
        check.why_not = check.why_not or "program.rlm is not the program that ran"
        found.append(
            Divergence("D04", "program", "program.rlm is not the program that ran", recorded, program_digest(text))
        )
    try:
        _run(check, text)
    except ProgramError as failure:
        first = failure.diagnostics[0]
        check.why_not = "the program does not check"
        found.append(Divergence("D04", "program", first.message, line=failure.source.place(first.span.start).line))
    check.add("program", text.count("\n"), "lines, parsed and checked", found)


def _run(check: _Check, text: str) -> None:
    """Run the program on the recorded answers; what stops it is kept for the level it belongs to."""
    if check.why_not:
        return
    answers = check.calls = recorded_calls(check.trace)
    header = check.trace.header
    recorded = Tolerant(answers.answer, answers.packs)
    options = CallOptions.recorded(header, check.redaction.redact)
    calls = replayed_calls(recorded_settings(check.trace), recorded, options)
    with Warehouse(contexts=check.contexts.values()) as warehouse:
        try:
            check.execution = execute(
                Source("program.rlm", text),
                check.contexts,
                header.get("params", {}),
                calls,
                NoProgress(),
                ignore_event,
                warehouse,
            )
            check.tables = list(other_tables(check.trace, check.execution, warehouse, check.redaction))
        except ProgramError:
            raise
        except UserError as failure:
            check.why_not = failure.message
            if not recorded.missing:
                check.stopped.append(Divergence("D06", "rows", failure.message))
    if recorded.missing:
        check.execution, check.why_not = None, "a request has no recorded answer"
        lines = {step["step"]: step.get("line") for step in check.trace.steps}
        check.stopped += missing(recorded, answers, check.unknown, lines)
    check.asked = {key: call.request for key, call in calls.models.recording.calls.items() if key in recorded.used}


def _plan(check: _Check) -> None:
    recorded = check.trace.text("plan.sql")
    if check.execution is None:
        return check.add("plan", 0, "", skipped=f"not checked: {check.why_not}")
    now = check.execution.sql
    found = (
        []
        if now == recorded
        else [Divergence("D05", "plan", "the program compiles to other SQL", *first_difference(recorded, now))]
    )
    return check.add("plan", now.count(";\n"), "queries, compiled to the same SQL", found)


def first_difference(recorded: str, now: str) -> tuple[str, str]:
    pairs = zip([*recorded.splitlines(), "(end)"], [*now.splitlines(), "(end)"], strict=False)
    return next(((a, b) for a, b in pairs if a != b), ("", ""))


def _rows(check: _Check) -> None:
    if check.execution is None:
        found = [d for d in check.stopped if d.level == "rows"]
        return check.add("rows", 0, "", found, "" if found else f"not checked: {check.why_not}")
    recorded = {line["step"]: line for line in check.trace.steps}
    now = {record.name: check.redaction.redact_json(record.as_json()) for record in check.execution.records}
    found = [d for name in {**recorded, **now} for d in step_differences(name, recorded.get(name), now.get(name))]
    if not found and [line["step"] for line in check.trace.steps] != list(now):
        found = [Divergence("D05", "rows", "steps.jsonl has its steps in another order, or one of them twice")]
    return check.add("rows", len(now), "steps, same keys, counts, digests and stored rows", found + check.tables)


def step_differences(name: str, recorded: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[Divergence]:
    """The first field in which a step's line differs."""
    if recorded is None or now is None:
        return [Divergence("D05", "rows", "the step is not in both runs", step=name)]
    if "asked" in now:
        now = {**now, "asked": without_mostly(now["asked"], recorded.get("asked"))}
    for part, code in (("key", "D05"), ("rows", "D06"), ("digest", "D06"), ("value", "D06"), ("asked", "D11")):
        if recorded.get(part) != now.get(part):
            return [
                Divergence(
                    code,
                    "rows",
                    f"its {part} differ",
                    str(recorded.get(part)),
                    str(now.get(part)),
                    step=name,
                    line=now.get("line"),
                )
            ]
    if recorded != now:
        return [Divergence("D05", "rows", "its line in steps.jsonl differs", *differing_words(recorded, now), name)]
    return []


def _requests(check: _Check) -> None:
    found = [d for d in check.stopped if d.level == "requests"]
    calls = recorded_calls(check.trace) if check.calls is None else check.calls
    found += [*not_committed(calls, check.end), *not_in_order(calls), *other_requests(calls, check.asked)]
    if check.execution is not None:
        steps = {record.name for record in check.execution.records}
        found += [*idle(calls, check.asked, steps), *other_packs(calls, check.asked)]
    if check.execution is None and not found:
        return check.add("requests", 0, "", skipped=f"not checked: {check.why_not}")
    return check.add("requests", len(check.asked), "requests, rendered as recorded", found)


def _answers(check: _Check) -> None:
    stopped = [d for d in check.stopped if d.level == "answers"]
    if check.execution is None or check.calls is None:
        return check.add("answers", 0, "", stopped, "" if stopped else f"not checked: {check.why_not}")
    asked = [r for r in check.execution.records if r.asked is not None]
    found = [*not_read(check.trace.steps, asked), *other_servers(check.calls, check.trace.header)]
    found += other_prices(check.calls, check.end, check.trace.header)
    return check.add("answers", sum(r.asked["ok"] for r in asked if r.asked), "answers, read as recorded", found)


def _answer(check: _Check) -> None:
    recorded = check.trace.json("answer.json")
    if check.execution is None:
        return check.add("answer", 0, "", skipped=f"not checked: {check.why_not}")
    now = check.redaction.redact_json(check.execution.answer_json())
    then_at, now_at = check.places()
    sides = by_place(recorded, then_at), by_place(now, now_at)
    moved = sides[0] != sides[1]
    found = [Divergence("D06", "answer", "the answer or its evidence differs", *differing_words(*sides))]
    spans = sum(len(evidence["spans"]) for evidence in recorded.get("evidence", []))
    return check.add("answer", spans, "places of evidence, and the answer", found if moved else [])


def by_place(answer: Any, places: Mapping[tuple[str, str], int]) -> Any:
    """An answer whose evidence names sources by their place in their context: the same bytes may lie elsewhere."""
    parts = []
    for evidence in answer.get("evidence", []):
        spans = [{**span, "source": source_of(span, places)} for span in evidence["spans"]]
        parts.append({**evidence, "spans": spans})
    return {**answer, "evidence": parts} if "evidence" in answer else answer


def source_of(span: Mapping[str, Any], places: Mapping[tuple[str, str], int]) -> int | str | None:
    """A span's source as its place, its own name where it is none of the context's."""
    source = span.get("source")
    return places.get((str(span.get("context")), str(source)), source)


CHECKS = dict(
    zip(LEVELS, (_chain, _files, _context, _program, _plan, _rows, _requests, _answers, _answer), strict=True)
)
OTHERS = {
    schema: {name: CHECKS[name] if name in ("chain", "files") else _level_of(levels, name) for name in LEVELS}
    for schema, levels in ((RECHECK, recheck_level), (OPTIMIZATION, optimization_level))
}
"""What is checked of records that are no runs, by their schema."""
