"""A report's sections with their values: each figure leads to its evidence.

In: a spec's sections, the parts of verified answers. Out: sections to show. Law: every figure is a part of an answer; a
section that names none is told with its place in the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import Diagnostic, ProgramError, did_you_mean
from rlm_dsl.common.yaml_file import span_of
from rlm_dsl.report.charts import Chart, chart_of, with_limits
from rlm_dsl.report.evidence_view import EvidenceView
from rlm_dsl.report.part_view import PartView, estimates_of
from rlm_dsl.report.period import NAMES, PLACEHOLDER, fill_in
from rlm_dsl.report.runs import ReportRun
from rlm_dsl.report.spec import Section, Spec
from rlm_dsl.report.values import as_text, drawn_rows, number_columns

Link = tuple[str, str]
"""A piece of a text, and the id of the evidence that it leads to, if it does."""


@dataclass(frozen=True, slots=True)
class RenderedSection:
    """A section with its values."""

    kind: str
    heading: str
    lines: tuple[tuple[Link, ...], ...] = ()
    part: PartView | None = None
    caption: str = ""
    limit: int | None = None
    images: Mapping[str, str] | None = None
    alt: str = ""
    places: tuple[Any, ...] = ()
    more: int = 0
    link: str = ""
    chart: Chart | None = None


Parts = Mapping[str, tuple[ReportRun, PartView]]


def part_of(spec: Spec, section: Section, name: str, parts: Parts) -> tuple[ReportRun, PartView]:
    """The part of an answer that a section names. Raises ProgramError with its place."""
    if name in parts:
        return parts[name]
    if name in ("", "answer") and len(parts) == 1:
        return next(iter(parts.values()))
    known = [each for each in parts if each]
    raise section_error(spec, section, f"no answer has a part `{name}`", *did_you_mean(name, known, what="parts"))


def section_error(spec: Spec, section: Section, message: str, *hints: str) -> ProgramError:
    return ProgramError([Diagnostic("Y01", message, span_of(section.node), hints)], spec.source)


def render_section(spec: Spec, section: Section, parts: Parts, period: str) -> RenderedSection:
    blank = RenderedSection(section.kind, insert_values(section.heading, parts, period))
    match section.kind:
        case "text":
            lines = [line for line in str(section.what).split("\n\n") if line.strip()]
            return replace(
                blank, lines=tuple(link_values(spec, section, " ".join(x.split()), parts, period) for x in lines)
            )
        case "findings":
            return replace(blank, lines=tuple(link_values(spec, section, x, parts, period) for x in section.what))
        case "evidence":
            run, part = part_of(spec, section, section.what, parts)
            evidence = evidence_of(run, part)
            limit = section.limit or 5
            if evidence is None:
                return replace(blank, kind="text", lines=((("No places are known behind this part.", ""),),))
            more = evidence.count - min(limit, len(evidence.places))
            return replace(blank, places=evidence.places[:limit], more=more, link=run.prefix + evidence.id)
        case _:
            run, part = part_of(spec, section, section.what, parts)
            if not part.columns:
                raise section_error(
                    spec, section, f"`{section.what}` is one value, and no table", "insert it in a text: {...}"
                )
            return table_or_chart(spec, section, blank, run, part)


def table_or_chart(
    spec: Spec, section: Section, blank: RenderedSection, run: ReportRun, part: PartView
) -> RenderedSection:
    rows = tuple((run.prefix + link if link else "", row) for link, row in part.rows)
    if section.kind == "table":
        return replace(blank, part=replace(part, rows=rows), limit=section.limit)
    if missing := [name for name in (section.x, section.y) if name not in part.columns]:
        raise section_error(
            spec,
            section,
            f"there is no column `{missing[0]}`",
            *did_you_mean(missing[0], list(part.columns), what="columns"),
        )
    held = next(p for p in run.view.story.answer["parts"] if ".".join(p["part"]) == part.name)
    if section.y not in (numbers := number_columns(held)):
        told = did_you_mean("", numbers, what="columns of numbers")
        raise section_error(spec, section, f"`{section.y}` holds no numbers, and is not drawn", *told)
    chart = chart_of(section.chart, section.x, section.y, part.columns, drawn_rows(held))
    chart = with_limits(chart, estimates_of(held, run.view.reviewed.of(held["part"]), section.y))
    alt = f"{section.y} by {section.x}: {chart.text(60)}"[:1_000]
    return replace(blank, images=chart.images(), alt=alt, chart=chart)


def evidence_of(run: ReportRun, part: PartView) -> EvidenceView | None:
    return next((each for each in run.view.evidence if each.id == part.evidence), None)


def value_of(run: ReportRun, part: PartView) -> str:
    if part.columns:
        return counted(len(part.rows) + part.more, "row")
    if part.type.startswith("decimal(") and part.value != "null":
        return f"{Decimal(part.value):,f}"
    try:
        number = json.loads(part.value)
    except ValueError:
        return part.value
    return f"{number:,}" if isinstance(number, int | float) and not isinstance(number, bool) else as_text(number)


def link_values(spec: Spec, section: Section, text: str, parts: Parts, period: str) -> tuple[Link, ...]:
    """A text with values inserted; each leads to its evidence."""
    found: list[Link] = []
    at = 0
    for match in PLACEHOLDER.finditer(text):
        found.append((text[at : match.start()], ""))
        at = match.end()
        name = match[1]
        if name in NAMES:
            found.append((fill_in(match[0], period), ""))
            continue
        run, part = part_of(spec, section, name, parts)
        found.append((value_of(run, part), run.prefix + part.evidence if part.evidence else ""))
        if part.told:
            found.append((f" ({'; '.join(part.told)})", ""))
    found.append((text[at:], ""))
    return tuple((piece, link) for piece, link in found if piece)


def insert_values(text: str, parts: Parts, period: str) -> str:
    """A heading with what it names; an unknown name stays as it is written."""

    def value(match: Any) -> str:
        if match[1] in NAMES:
            return fill_in(match[0], period)
        return value_of(*parts[match[1]]) if match[1] in parts else str(match[0])

    return PLACEHOLDER.sub(value, text)
