"""A report as Markdown; its charts are files beside it.

In: a report. Out: text. Law: no text of data is Markdown's sign.
"""

from __future__ import annotations

import re

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import printable
from rlm_dsl.report.build import Report
from rlm_dsl.report.sections import RenderedSection


def report_markdown(report: Report) -> str:
    """The report as Markdown; its charts are files beside it."""
    lines = [f"# {escape(report.title)}", "", report.period, ""]
    for run in report.runs:
        head = run.view.story.seal.get("head", "")
        verified = run.view.verdict is not None and run.view.verdict.ok
        lines += [f"{'Verified' if verified else 'NOT VERIFIED'}, head `{head}`.", ""]
    if report.changed:
        lines += [f"**Since {report.since}:** {escape(report.changed)}", ""]
    for run in report.runs:
        lines += [line for each in run.reviews.lines() for line in (escape(each), "")]
    for number, section in enumerate(report.sections, 1):
        if section.heading:
            lines += [f"## {escape(section.heading)}", ""]
        match section.kind:
            case "text":
                for line in section.lines:
                    lines += ["".join(escape(piece) for piece, _ in line), ""]
            case "findings":
                lines += [*("- " + "".join(escape(piece) for piece, _ in line) for line in section.lines), ""]
            case "table":
                lines += [*table_lines(section), ""]
            case "chart":
                lines += [f"![{escape(section.alt.partition(':')[0])}]({chart_name(number)})", ""]
            case _:
                for place in section.places:
                    text = "".join(piece for piece, _ in place.pieces)
                    lines += [f"> {escape(' '.join(text.split()))}", f"> ({escape(place.source)}, {place.lines})", ""]
    for run in report.runs:
        lines += [*map(named, run.view.coverage), ""]
        held = run.view.reviewed
        for told in held.notes if held.steps else held.lines():
            lines += [escape(told), ""]
        lines += [run.spent, ""]
    return "\n".join(lines).rstrip() + "\n"


def chart_name(number: int) -> str:
    return f"chart-{number}.svg"


def table_lines(section: RenderedSection) -> list[str]:
    assert section.part is not None
    told = section.part.reviewed
    rows = [
        (*row, *(column[at] or "not known" for column in told.values()))
        for at, (_, row) in enumerate(section.part.rows[: section.limit])
    ]
    names = [*section.part.columns, *(f"{column} by reviews" for column in told)]
    head = ["| " + " | ".join(map(escape, names)) + " |", "|" + " --- |" * len(names)]
    more = len(section.part.rows) + section.part.more - len(rows)
    return [
        *head,
        *("| " + " | ".join(map(escape, row)) + " |" for row in rows),
        *([f"\n{counted(more, 'more row')}"] if more else []),
    ]


def named(sentence: str) -> str:
    """A sentence of ours, whose names of steps stay code; all else in it is escaped."""
    return "".join(
        part if at % 2 else escape(part) for at, part in enumerate(re.split(r"(`[A-Za-z_][A-Za-z_0-9]*`)", sentence))
    )


def escape(text: str) -> str:
    """A text that is none of Markdown's signs."""
    return "".join("\\" + c if c in "\\`*_[]<>#|" else c for c in printable(text.replace("\n", " ")))
