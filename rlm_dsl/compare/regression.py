"""Traces as tests: each must verify, and its program must still come to the blessed answer on the data of today.

In: a folder of traces, and what was blessed there. Out: a verdict for each. Law: no model is asked; what was blessed
changes by `bless` alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.compare.blessed_answers import BLESSED, answer_digest, gone, read_blessed, write_blessed
from rlm_dsl.compare.diff import PartDiff, part_diffs
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.sub_runs import replayed_calls
from rlm_dsl.engine.execution import execute
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.run_trace import recorded_calls, recorded_settings
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.replay.sources import load_context
from rlm_dsl.replay.verify_calls import Tolerant
from rlm_dsl.review.verified import verify_reviewed as verify
from rlm_dsl.trace.divergence import Report, render_report
from rlm_dsl.trace.layout import ANSWER, HEADER, SEAL
from rlm_dsl.trace.reader import ODD_FORM, Trace


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of one trace: `problem` says in a line what is wrong, `detail` in full; "" if nothing is."""

    name: str
    seconds: float
    problem: str = ""
    detail: str = ""
    told: str = ""
    changed: tuple[PartDiff, ...] = ()
    skipped: bool = False

    @property
    def ok(self) -> bool:
        return not self.problem

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"trace": self.name, "ok": self.ok, "seconds": round(self.seconds, 3)}
        found |= {"told": self.told, "problem": self.problem, "detail": self.detail, "skipped": self.skipped}
        return found | {"changed": [part.as_json() for part in self.changed if part.differs]}


def traces_in(folder: Path) -> list[Path]:
    """The traces in a folder and below it, zips too, and those that are gone but were blessed; a trace itself is one.
    Raises UserError where there are none."""
    if (folder / HEADER).is_file() or folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    found = [path.parent for path in folder.rglob(HEADER)] + list(folder.rglob("*.trace.zip"))
    found += [path for blessed in folder.rglob(BLESSED) for path in gone(blessed.parent)]
    if not found:
        raise UserError(f"{folder} holds no trace", "record one: rlm-dsl run PROGRAM --trace FOLDER/NAME.trace")
    return sorted(found)


def run_test(path: Path, given: Mapping[str, str | Context], environment: Mapping[str, str]) -> Tested:
    """One trace as a test. `given` says where data lies today, where that is not where it lay."""
    started = time.perf_counter()

    def done(problem: str = "", detail: str = "", told: str = "", changed: Iterable[PartDiff] = ()) -> Tested:
        return Tested(path.name, time.perf_counter() - started, problem, detail, told, tuple(changed))

    if is_stopped(path) and path.name not in read_blessed(path.parent):
        told = f"unfinished, and not tested; finish it: rlm-dsl resume {path}"
        return replace(done(told=told), skipped=True)
    if not path.exists():
        return done(f"it is gone, and {BLESSED} holds it to an answer", "bring it back, or take its entry out")
    try:
        trace = Trace.open(path, changed=True)
    except UserError as failure:
        return done(failure.message, str(failure).removeprefix(failure.message).strip())
    try:
        report = verify(trace, given, environment)
        if not report.ok and not only_data_differs(report):
            first = next((f"{found.code} {found.message}" for found in report.divergences), "not all could be checked")
            return done(f"does not verify: {first}", render_report(report))
        parts: list[Any] = trace.answer["parts"] if report.ok else answer_today(trace, given)
        own = {"digest": answer_digest(trace.answer["parts"]), "parts": trace.answer["parts"]}
        wanted = read_blessed(path.parent).get(path.name, own)
        if wanted.get("head", trace.head) != trace.head:
            other = f"{BLESSED} has the answer of another trace of this name, whose head is {wanted['head'][:16]}"
            return done(other, f"accept this one's: rlm-dsl bless {path}")
        if answer_digest(parts) == wanted["digest"]:
            return done(told="verified" if report.ok else "other data, the same answer")
        changed = part_diffs(wanted["parts"], parts) if "parts" in wanted else ()
        return done("another answer than was blessed", f"accept it: rlm-dsl bless {path}", changed=changed)
    except ProgramError as failure:
        return done("its program does not check any more", str(failure))
    except UserError as failure:
        return done(failure.message, str(failure).removeprefix(failure.message).strip())
    except ODD_FORM as failure:
        return done(trace.odd_form(failure))


def is_stopped(path: Path) -> bool:
    """Whether a folder is that of a run that stopped before its answer, or goes on now: it has nothing to hold it to.
    A trace whose seal is gone has its answer still, and is none."""
    return (path / HEADER).is_file() and not (path / SEAL).exists() and not (path / ANSWER).exists()


def only_data_differs(report: Report) -> bool:
    """Whether all that is wrong is that the data is other data: then its answer of today is looked at."""
    return bool(report.divergences) and {found.code for found in report.divergences} == {"D03"}


def answer_today(trace: Trace, given: Mapping[str, str | Context]) -> list[dict[str, Any]]:
    """The answer of a recorded program on the data of today, by recorded answers alone. Raises UserError where some
    are missing."""
    header = trace.header
    contexts = {str(c["name"]): load_context(c, given, trace.folder) for c in header["contexts"]}
    held = recorded_calls(trace)
    recorded = Tolerant(held.answer, held.packs)
    redact = recorded_redaction(header, contexts)[0].redact
    calls = replayed_calls(recorded_settings(trace), recorded, CallOptions.recorded(header, redact))
    with Warehouse(contexts=contexts.values()) as warehouse:
        source = Source(f"{trace.name}/program.rlm", trace.program)
        try:
            execution = execute(
                source, contexts, header.get("params", {}), calls, NoProgress(), ignore_event, warehouse
            )
        except UserError:
            if not recorded.missing:
                raise
    if recorded.missing:
        count = len(recorded.missing)
        message = f"its data changed, and {counted(count, 'request', 'have')} no recorded answer"
        raise UserError(message, f"ask them: rlm-dsl rerun {trace.folder}")
    return [part.as_json() for part in execution.parts]


def bless(
    path: Path, given: Mapping[str, str | Context], environment: Mapping[str, str]
) -> tuple[Path, list[PartDiff]]:
    """Accept a trace's answer, on the data of today, as the one that it is held to; where that is written, and what
    changed in it. Raises UserError for a trace that does not verify but for its data."""
    trace = Trace.open(path, changed=True)
    report = verify(trace, given, environment)
    if not report.ok and not only_data_differs(report):
        raise UserError(f"{path.name} does not verify, and is not blessed", f"see: rlm-dsl verify {path}")
    parts: list[Any] = trace.answer["parts"] if report.ok else answer_today(trace, given)
    before = read_blessed(path.parent, to_bless=True).get(path.name, {}).get("parts") or trace.answer["parts"]
    return write_blessed(path, trace.head, parts), [part for part in part_diffs(before, parts) if part.differs]
