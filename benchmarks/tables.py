"""Results as Markdown: the page of results, and the tables inside docs/performance.md.

In: results.json as it was written. Out: text. Law: a table is a function of results.json alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from measure import Goal, Measure, Spread, measure_of

HEAD = (
    "| what | ours | peer | peer's | ratio (least to most) | now / reach / ideal | |\n|---|---|---|---|---|---|---|\n"
)


def results_page(held: Mapping[str, Any]) -> str:
    """The whole page: machine, how to read it, a section a benchmark."""
    parts = [
        "# Results\n\nWritten by `python benchmarks/run.py`; docs/performance.md says what is measured and how. A "
        "ratio is ours divided by the peer's, and better when smaller, unless `x faster` stands behind it.\n",
        machine_table(held),
    ]
    for name, found in held["benchmarks"].items():
        parts.append(f"## {name} ({found['effort']})\n\n{found['about']}\n\n{table(found)}")
    return "\n".join(parts)


def machine_table(held: Mapping[str, Any]) -> str:
    rows = "".join(f"| {key} | {value} |\n" for key, value in held["machine"].items())
    return f"| machine | |\n|---|---|\n{rows}"


def table(found: Mapping[str, Any]) -> str:
    """The measures of one benchmark."""
    lines = [line_of(measure_of(held)) for held in found["measures"]]
    failed = f"\nIt ended early: {found['failed']}\n" if found.get("failed") else ""
    return HEAD + "".join(lines) + failed


def line_of(measure: Measure) -> str:
    goal = measure.goal
    ratio = spread(measure.ratio) + (" x faster" if measure.ratio and goal and goal.more else "")
    cells = [
        escaped(measure.what),
        value(measure.ours, measure.unit),
        escaped(measure.peer),
        value(measure.theirs, measure.unit),
        ratio,
        goal_cell(goal),
        ", ".join(part for part in (measure.met, measure.note) if part),
    ]
    return "| " + " | ".join(cells) + " |\n"


def escaped(text: str) -> str:
    return re.sub(r"([|*_<\[`])", r"\\\1", text)


def value(held: Spread | None, unit: str) -> str:
    return f"{number(held.median)} {unit}" if held else ""


def spread(held: Spread | None) -> str:
    if held is None:
        return ""
    if held.least == held.most:
        return f"**{number(held.median)}**"
    return f"**{number(held.median)}** ({number(held.least)} to {number(held.most)})"


def number(amount: float) -> str:
    """Three digits that count."""
    rounded = float(f"{amount:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"


def goal_cell(goal: Goal | None) -> str:
    if goal is None:
        return ""
    return f"{'-' if goal.now is None else number(goal.now)} / {number(goal.reach)} / {number(goal.ideal)}"


def goals_table(held: Mapping[str, Any]) -> str:
    """Every measure that has a goal, but the single patterns of grep."""
    found = [
        (name, measure)
        for name, benchmark in held["benchmarks"].items()
        for measure in map(measure_of, benchmark["measures"])
        if measure.goal and (name != "grep" or "all patterns" in measure.what)
    ]
    return HEAD.replace("| what |", "| benchmark, what |") + "".join(
        line_of(measure).replace("| ", f"| {name}: ", 1) for name, measure in found
    )


def patterns_table(held: Mapping[str, Any]) -> str:
    """A line a pattern, its ratio against each peer in a column."""
    found = [measure_of(m) for m in held["benchmarks"].get("grep", {"measures": []})["measures"]]
    single = [m for m in found if "all patterns" not in m.what]
    peers = list(dict.fromkeys(m.peer for m in single if m.peer))
    rows: dict[str, dict[str, str]] = {}
    for measure in single:
        base, _, alone = measure.what.partition(", query alone")
        column = f"{measure.peer}, query alone" if measure.what != base or alone else measure.peer
        rows.setdefault(base, {})[column] = number(measure.ratio.median) if measure.ratio else "-"
    columns: Sequence[str] = list(dict.fromkeys(c for row in rows.values() for c in row)) or peers
    head = "| pattern | " + " | ".join(map(escaped, columns)) + " |\n|---|" + "---|" * len(columns) + "\n"
    lines = [
        "| " + " | ".join([escaped(what), *(row.get(c, "") for c in columns)]) + " |\n" for what, row in rows.items()
    ]
    return head + "".join(lines)


LARGE = re.compile(r"([\d.]+) GB, --memory (\d+)MB: (.*)")


def plan_table(held: Mapping[str, Any]) -> str:
    """What the largest corpus measured took, and a hundred gigabytes at the same slopes."""
    found = [measure_of(m) for m in held["benchmarks"].get("large", {"measures": []})["measures"]]
    parts = [(match, m) for m in found if (match := LARGE.fullmatch(m.what))]
    most = max((float(match[1]) for match, _ in parts), default=0)
    peaks = {match[3]: m for match, m in parts if match[3].endswith(", peak") and float(match[1]) == most}
    head = f"| {number(most)} GB | seconds | seconds for a GB | peak, of the limit | 100 GB at this slope |\n"
    lines = [head, "|---|---|---|---|---|\n"]
    for match, m in parts:
        if float(match[1]) == most and m.unit == "s/GB" and m.ours:
            peak = peaks.get(f"{match[3]}, peak")
            share = f"{number(peak.ours.median)} of {match[2]} MB" if peak and peak.ours else m.note
            slope = m.ours.median
            cells = (match[3], number(slope * most), number(slope), share, duration(slope * 100))
            lines.append("| " + " | ".join(cells) + " |\n")
    kept = [m for m in found if m.what == f"{most:g} GB kept on disk" and m.ours]
    lines += [
        f"| room on disk, of the size | {number(m.ours.median)} | | | {m.ours.median * 100:,.0f} GB |\n"
        for m in kept
        if m.ours
    ]
    return "".join(lines)


def duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


TABLES = {"plan": plan_table, "machine": machine_table, "goals": goals_table, "patterns": patterns_table}


def documented(text: str, held: Mapping[str, Any]) -> str:
    """The document with each table between its markers made anew."""
    for name, made in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda found, made=made: f"{found[1]}{made(held)}{found[2]}", text)  # type: ignore[misc]
    return text
