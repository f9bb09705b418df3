"""Traces as tests: each must verify, and its program must still come to the blessed answer on the data of today.

In: a folder of traces, and what was blessed there. Out: a verdict for each, and requests that were answered
differently. Law: no model is asked; what was blessed changes by `bless` alone.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.common.source import Source
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
from rlm_dsl.replay.verify import loaded, verify
from rlm_dsl.replay.verify_calls import Tolerant
from rlm_dsl.trace.divergence import Report, render_report
from rlm_dsl.trace.layout import HEADER
from rlm_dsl.trace.reader import Trace

BLESSED = "blessed.yaml"
HEAD = "# What `rlm-dsl test` holds these traces to, and `rlm-dsl bless` writes.\n"
LONGEST = 4_000
"""Characters of an answer that is written out; of a longer one the digest alone is."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of one trace: `problem` says in a line what is wrong, `detail` in full; "" if nothing is."""

    name: str
    seconds: float
    problem: str = ""
    detail: str = ""
    told: str = ""
    changed: tuple[PartDiff, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problem

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"trace": self.name, "ok": self.ok, "seconds": round(self.seconds, 3)}
        found |= {"told": self.told, "problem": self.problem, "detail": self.detail}
        return found | {"changed": [part.as_json() for part in self.changed if part.differs]}


@dataclass(frozen=True, slots=True)
class Flaky:
    """A request that was answered differently: its step, key and the answers, each with the trace that has it."""

    step: str
    key: str
    answers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "key": self.key, "answers": dict(self.answers)}


def traces_in(folder: Path) -> list[Path]:
    """The traces in a folder and below it, zips too; a trace itself is one. Raises UserError where there are none."""
    if (folder / HEADER).is_file() or folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    found = [path.parent for path in folder.rglob(HEADER)] + list(folder.rglob("*.trace.zip"))
    if not found:
        raise UserError(f"{folder} holds no trace", "record one: rlm-dsl run PROGRAM --trace FOLDER/NAME.trace")
    return sorted(found)


def tested(path: Path, given: Mapping[str, str | Context], environment: Mapping[str, str]) -> Tested:
    """One trace as a test. `given` says where data lies today, where that is not where it lay."""
    started = time.perf_counter()

    def done(problem: str = "", detail: str = "", told: str = "", changed: Iterable[PartDiff] = ()) -> Tested:
        return Tested(path.name, time.perf_counter() - started, problem, detail, told, tuple(changed))

    try:
        trace = Trace.open(path)
        report = verify(trace, given, environment)
        if not report.ok and not only_data_changed(report):
            first = report.divergences[0] if report.divergences else None
            return done(f"does not verify: {first.code} {first.message}" if first else "", render_report(report))
        parts: list[Any] = trace.answer["parts"] if report.ok else answer_today(trace, given)
        own = {"digest": digest(trace.answer["parts"]), "parts": trace.answer["parts"]}
        wanted = read_blessed(path.parent / BLESSED).get(path.name, own)
        if digest(parts) == wanted["digest"]:
            return done(told="verified" if report.ok else "other data, the same answer")
        changed = part_diffs(wanted["parts"], parts) if "parts" in wanted else ()
        return done("another answer than was blessed", f"accept it: rlm-dsl bless {path}", changed=changed)
    except ProgramError as failure:
        return done("its program does not check any more", str(failure))
    except UserError as failure:
        return done(failure.message, str(failure).removeprefix(failure.message).strip())
    except (LookupError, TypeError, ValueError, AttributeError) as failure:
        return done(f"a file of it is not of its form: {type(failure).__name__}: {failure}"[:300])


def only_data_changed(report: Report) -> bool:
    """Whether all that is wrong is that the data is other data: then its answer of today is looked at."""
    return bool(report.divergences) and {found.code for found in report.divergences} == {"D03"}


def answer_today(trace: Trace, given: Mapping[str, str | Context]) -> list[dict[str, Any]]:
    """The answer of a recorded program on the data of today, by recorded answers alone. Raises UserError where some
    are missing."""
    header = trace.header
    contexts = {str(c["name"]): loaded(c, given, trace.folder) for c in header["contexts"]}
    recorded = Tolerant(recorded_calls(trace).answer)
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
        message = f"its data changed, and {count:,} requests have no recorded answer"
        raise UserError(message, f"ask them: rlm-dsl rerun {trace.folder}")
    return [part.as_json() for part in execution.parts]


def digest(parts: Any) -> str:
    return identity("answer-v1", without_floats(parts))


def read_blessed(path: Path) -> dict[str, Any]:
    """What was blessed in a folder. Raises UserError for a file that is none of ours."""
    import yaml

    if not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as failure:
        raise UserError(f"{path} cannot be read: {str(failure).splitlines()[0]}") from None
    if not isinstance(found, dict) or not all(isinstance(v, dict) and "digest" in v for v in found.values()):
        raise UserError(f"{path} is not what `rlm-dsl bless` writes", "remove it, and bless the traces anew")
    return found


def bless(
    path: Path, given: Mapping[str, str | Context], environment: Mapping[str, str]
) -> tuple[Path, list[PartDiff]]:
    """Accept a trace's answer, on the data of today, as the one that it is held to; where that is written, and what
    changed in it. Raises UserError for a trace that does not verify but for its data."""
    import yaml

    trace = Trace.open(path)
    report = verify(trace, given, environment)
    if not report.ok and not only_data_changed(report):
        raise UserError(f"{path.name} does not verify, and is not blessed", f"see: rlm-dsl verify {path}")
    parts: list[Any] = trace.answer["parts"] if report.ok else answer_today(trace, given)
    file = path.parent / BLESSED
    held = read_blessed(file)
    before = held.get(path.name, {}).get("parts") or trace.answer["parts"]
    entry: dict[str, Any] = {
        "head": trace.head,
        "blessed": datetime.date.today().isoformat(),
        "digest": digest(parts),
    }
    if len(json.dumps(parts)) <= LONGEST:
        entry["parts"] = parts
    held[path.name] = entry
    write_file(file, HEAD + yaml.safe_dump(held, allow_unicode=True, sort_keys=True, width=120))
    return file, [part for part in part_diffs(before, parts) if part.differs]


def flaky_in(paths: Iterable[Path]) -> list[Flaky]:
    """Requests that several traces made and that were answered differently, by step and key."""
    first: dict[str, tuple[str, str, str]] = {}
    found: dict[str, Flaky] = {}
    for path, step, key, text in answers_in(paths):
        before = first.setdefault(key, (path, step, text))
        if before[2] != text:
            answers = found[key].answers if key in found else {before[0]: before[2]}
            found[key] = Flaky(step, key, {**answers, path: text})
    return sorted(found.values(), key=lambda each: (each.step, each.key))


def answers_in(paths: Iterable[Path]) -> Iterator[tuple[str, str, str, str]]:
    """Trace, step, key and text of each recorded answer; traces that cannot be read have none."""
    for path in paths:
        try:
            table = Trace.open(path).table("calls", ("key", "step", "answer"))
            rows = zip(*(table.column(name).to_pylist() for name in ("key", "step", "answer")), strict=True)
            for key, step, answer in rows:
                yield path.name, step, key, json.loads(answer)["text"]
        except (UserError, LookupError, ValueError, TypeError):
            continue
