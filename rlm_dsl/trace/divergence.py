"""What a check of a trace finds: divergences with codes, and a report by levels.

In: what was recorded and what is now. Out: values and their renderings.
Law: every divergence names its code, level and both sides; totals are kept when a list is cut; nothing that stands in a
trace can forge a line of a rendering.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean, printable
from rlm_dsl.common.html import escaped, html_table


class Code(Enum):
    """The kinds of divergence: stable names with their titles."""

    D01 = "chain or seal broken"
    D02 = "torn tail"
    D03 = "context changed"
    D04 = "program changed"
    D05 = "plan changed under the same program"
    D06 = "rows differ under the same SQL and data"
    D07 = "prompt differs for a row"
    D08 = "parameters differ"
    D09 = "no recorded answer"
    D10 = "recorded answer never used"
    D11 = "answer no longer parses"
    D12 = "served model changed"
    D13 = "prices changed"
    D14 = "redaction differs"
    D15 = "version unsupported"
    D16 = "reviewed numbers differ"
    D17 = "reviews changed"

    @property
    def title(self) -> str:
        return self.value


NEXT = {
    "D01": "get the trace again from whoever sealed it; its head is what its run printed last",
    "D02": "rlm-dsl resume {trace}",
    "D03": "rlm-dsl verify {trace} --context NAME=PATH, or rlm-dsl rerun {trace} for what is there now",
    "D04": "rlm-dsl rerun {trace}",
    "D05": "rlm-dsl doctor {trace}",
    "D06": "rlm-dsl doctor {trace}",
    "D07": "rlm-dsl doctor {trace}",
    "D08": "rlm-dsl show {trace}",
    "D09": "rlm-dsl rerun {trace}",
    "D10": "rlm-dsl sql {trace} \"select key, shown, answer from calls where step = '{step}'\"",
    "D11": "rlm-dsl sql {trace} \"select key, shown, answer from calls where step = '{step}'\"",
    "D12": 'rlm-dsl sql {trace} "select served_model, count(*) from calls group by all"',
    "D13": "rlm-dsl show {trace}",
    "D14": "rlm-dsl doctor {trace}",
    "D15": "install the version of rlm-dsl that wrote it",
    "D16": "rlm-dsl review {trace} --seal counts the reviews anew, and seals what they say",
    "D17": "get the reviews again from whoever sealed them, or seal today's: rlm-dsl review {trace} --seal",
}
"""What to do next about a divergence that says nothing of it itself."""
LEVELS = ("chain", "files", "context", "program", "plan", "rows", "requests", "answers", "answer")


REVIEWS = "reviews"
"""A level after these, of a trace that has sealed reviews beside it."""
SAMPLE = "sample"
"""A level in place of those from the context's on, where some files are checked instead of all."""


def level_named(text: str | None) -> str:
    """A level by its name or number, from 1; the last one unless said."""
    if text is None:
        return LEVELS[-1]
    if text.isdigit() and 1 <= int(text) <= len(LEVELS):
        return LEVELS[int(text) - 1]
    if text in (REVIEWS, str(len(LEVELS) + 1)):
        return LEVELS[-1]
    if text not in LEVELS:
        raise UserError(f"there is no level {text!r}", *did_you_mean(text, [*LEVELS, REVIEWS], what="levels"))
    return text


CAP = 20
"""Divergences of one code that a report lists; the count is of all."""
LONGEST, BEFORE = 300, 40
"""Characters of one side that a rendering shows, and of these before the place that differs; the JSON form has all."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference between what was recorded and what is now. `code` is the name of a `Code`, `level` one of
    `LEVELS`; ValueError for others."""

    code: str
    level: str
    message: str
    recorded: str | None = None
    now: str | None = None
    step: str | None = None
    line: int | None = None
    row: str | None = None
    cause: str | None = None
    next_command: str | None = None

    def __post_init__(self) -> None:
        if self.code not in Code.__members__ or self.level not in (*LEVELS, REVIEWS, SAMPLE):
            raise ValueError(f"there is no divergence {self.code} at level {self.level}")

    @property
    def title(self) -> str:
        return Code[self.code].title

    def as_json(self) -> dict[str, Any]:
        return {"title": self.title, **{k: v for k, v in asdict(self).items() if v is not None}}


def render(divergence: Divergence) -> str:
    """The one text form: code and message, where, the two sides, cause, what to do next."""
    where = [f"step {divergence.step}"] if divergence.step else []
    where += [f"line {divergence.line}"] if divergence.line else []
    where += [f"row {divergence.row}"] if divergence.row else []
    head = f"{divergence.code} {divergence.title}: {divergence.message}"
    recorded, now = divergence.recorded, divergence.now
    if recorded is not None and now is not None:
        recorded, now = around_difference(recorded, now)
    sides = (
        ("recorded", recorded),
        ("now", now),
        ("cause", divergence.cause),
        ("next", divergence.next_command),
    )
    lines = [printable(head + (f" ({', '.join(where)})" if where else ""))]
    lines += [f"  {name:<9}{printable(shorten(side))}" for name, side in sides if side is not None]
    return "\n".join(lines)


def shorten(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def around_difference(one: str, other: str) -> tuple[str, str]:
    """Two texts, so cut that the place at which they differ is in what is shown of both."""
    shorter = min(len(one), len(other))
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), shorter)
    start = at - BEFORE if one != other and at >= LONGEST - BEFORE else 0
    mark = "... " if start else ""
    return mark + shorten(one[start:]), mark + shorten(other[start:])


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a check: how many things were compared, and what was found. `skipped` says why it was not done."""

    name: str
    checked: int
    divergences: tuple[Divergence, ...] = ()
    skipped: str = ""
    what: str = ""

    @property
    def status(self) -> str:
        return "skipped" if self.skipped else "failed" if self.divergences else "ok"

    @property
    def found(self) -> dict[str, int]:
        """How many divergences of each code, in the order of codes."""
        return dict(sorted(Counter(divergence.code for divergence in self.divergences).items()))

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.name,
            "status": self.status,
            "checked": self.checked,
            "what": self.what,
            "skipped": self.skipped,
            "found": len(self.divergences),
            "found_by_code": self.found,
            "divergences": [divergence.as_json() for divergence in cap_per_code(self.divergences)],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A check by levels, in order. `calls` is how many models were asked: none, ever."""

    trace: str
    levels: tuple[Level, ...]
    calls: int = 0
    seconds: float = 0.0
    head: str = ""

    @property
    def ok(self) -> bool:
        return all(level.status == "ok" for level in self.levels)

    @property
    def first_failed(self) -> str | None:
        return next((level.name for level in self.levels if level.status == "failed"), None)

    @property
    def holds_after(self) -> int:
        """How many levels after the first failed one hold."""
        statuses = [level.status for level in self.levels]
        return statuses[statuses.index("failed") :].count("ok") if "failed" in statuses else 0

    @property
    def divergences(self) -> tuple[Divergence, ...]:
        return tuple(d for level in self.levels for d in level.divergences)

    def _repr_html_(self) -> str:
        """For notebooks: the verdict, each level, and what differs."""
        verdict = "verified" if self.ok else f"NOT verified: level {self.first_failed} fails"
        levels = html_table(
            ("", "level", "what"),
            [(MARKS[each.status], each.name, each.skipped or f"{each.checked:,} {each.what}") for each in self.levels],
        )
        found = [(each.code, each.level, each.message, each.step) for each in self.divergences]
        differs = html_table(("code", "level", "what differs", "step"), found) if found else ""
        return f"<div><b>{escaped(verdict)}</b> {escaped(self.trace)}{levels}{differs}</div>"

    def as_json(self) -> dict[str, Any]:
        return {
            "trace": self.trace,
            "ok": self.ok,
            "first_failed": self.first_failed,
            "holds_after": self.holds_after,
            "model_calls": self.calls,
            "head": self.head,
            "levels": [level.as_json() for level in self.levels],
        }


def cap_per_code(divergences: Sequence[Divergence]) -> list[Divergence]:
    """The first `CAP` of each code, in order."""
    seen: Counter[str] = Counter()
    kept = []
    for divergence in divergences:
        seen[divergence.code] += 1
        if seen[divergence.code] <= CAP:
            kept.append(divergence)
    return kept


MARKS = {"ok": "✓", "failed": "✗", "skipped": "-"}


def render_report(report: Report) -> str:
    """A line a level, then what was found, then one line of verdict."""
    lines = [level_line(level) for level in report.levels]
    for level in report.levels:
        lines += [f"\n{render(divergence)}" for divergence in cap_per_code(level.divergences)]
        lines += [
            f"... {count - CAP:,} more {code} in {level.name}" for code, count in level.found.items() if count > CAP
        ]
    return "\n".join([*lines, "", verdict(report)])


def level_line(level: Level) -> str:
    told = level.skipped or f"{level.checked:,} {level.what}".strip()
    faults = ", ".join(f"{count:,} {code}" for code, count in level.found.items())
    return f"{MARKS[level.status]} {level.name:<9} {printable(told)}" + (f" · found {faults}" if faults else "")


def verdict(report: Report) -> str:
    if report.ok:
        count, last = len(report.levels), report.levels[-1].name
        far = f"; up to {last}, {len(LEVELS) - count} later ones were not looked at"
        if last in (LEVELS[-1], REVIEWS):
            far = ""
        if last == SAMPLE:
            far = "; of the data a sample, of answers and requests nothing"
        holds = "1 level holds" if count == 1 else f"{count} levels hold"
        return f"verified: {holds}, {report.calls} model calls, {report.seconds:.1f} s{far}"
    if report.first_failed is None:
        return "NOT verified: nothing fails, and not every level could be checked"
    return f"NOT verified: level {report.first_failed} fails, {report.holds_after} later ones hold"
