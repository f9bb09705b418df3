"""What a check of a trace finds: divergences with codes, and a report by levels.

In: what was recorded and what is now. Out: values and their renderings.
Law: every divergence names its code, level and both sides; totals are kept when a list is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rlm_dsl.diagnostics import printable

TITLES: Mapping[str, str] = {
    "D01": "chain or seal broken",
    "D02": "torn tail",
    "D03": "context changed",
    "D04": "program changed",
    "D05": "plan changed under the same program",
    "D06": "rows differ under the same SQL and data",
    "D07": "prompt differs for a row",
    "D08": "parameters differ",
    "D09": "no recorded answer",
    "D10": "recorded answer never used",
    "D11": "answer no longer parses",
    "D12": "served model changed",
    "D13": "prices changed",
    "D14": "redaction differs",
    "D15": "version unsupported",
}

LEVELS = ("chain", "files", "context", "program", "plan", "rows", "requests", "answers", "answer")
CAP = 20
"""Divergences of one code that a report lists; the count is of all."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference between what was recorded and what is now."""

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

    def as_json(self) -> dict[str, Any]:
        return {"title": TITLES[self.code], **{k: v for k, v in asdict(self).items() if v is not None}}


def render(divergence: Divergence) -> str:
    """The one text form: code and message, where, the two sides, what to do next."""
    where = [f"step {divergence.step}"] if divergence.step else []
    where += [f"line {divergence.line}"] if divergence.line else []
    where += [f"row {divergence.row}"] if divergence.row else []
    head = f"{divergence.code} {TITLES[divergence.code]}: {divergence.message}"
    lines = [head + (f" ({', '.join(where)})" if where else "")]
    sides = (
        ("recorded", divergence.recorded),
        ("now", divergence.now),
        ("cause", divergence.cause),
        ("next", divergence.next_command),
    )
    lines += [f"  {name:<9}{printable(side[:300])}" for name, side in sides if side is not None]
    return "\n".join(lines)


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

    def as_json(self) -> dict[str, Any]:
        return {
            "trace": self.trace,
            "ok": self.ok,
            "model_calls": self.calls,
            "head": self.head,
            "levels": [
                {
                    "level": level.name,
                    "status": level.status,
                    "checked": level.checked,
                    "what": level.what,
                    "skipped": level.skipped,
                    "found": len(level.divergences),
                    "divergences": [d.as_json() for d in capped(level.divergences)],
                }
                for level in self.levels
            ],
        }


def capped(divergences: Sequence[Divergence]) -> list[Divergence]:
    seen: dict[str, int] = {}
    kept = []
    for divergence in divergences:
        seen[divergence.code] = seen.get(divergence.code, 0) + 1
        if seen[divergence.code] <= CAP:
            kept.append(divergence)
    return kept


MARKS = {"ok": "✓", "failed": "✗", "skipped": "-"}


def render_report(report: Report) -> str:
    """A line a level, then what was found, then one line of verdict."""
    lines = [
        f"{MARKS[level.status]} {level.name:<9} " + (level.skipped or f"{level.checked:,} {level.what}".strip())
        for level in report.levels
    ]
    for level in report.levels:
        lines += [f"\n{render(divergence)}" for divergence in capped(level.divergences)]
        if (left := len(level.divergences) - len(capped(level.divergences))) > 0:
            lines.append(f"... {left:,} more of these")
    if report.ok:
        verdict = f"verified: {len(report.levels)} levels hold, {report.calls} model calls, {report.seconds:.1f} s"
    else:
        verdict = f"NOT verified: level {report.first_failed or 'skipped'} fails, {report.holds_after} later ones hold"
    return "\n".join([*lines, "", verdict])
