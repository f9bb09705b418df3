"""A report for a period: run or rerun what it names, compare, show.

In: a spec, a period, settings. Out: a value for a page, Markdown and JSON; traces in the report's folder. Law: what an
earlier period's trace answers is not asked again; every figure in it is a part of a verified answer.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_files
from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.source import Source
from rlm_dsl.common.yaml_file import span_of
from rlm_dsl.compare.diff import Difference, diff
from rlm_dsl.compare.reasons import Asked
from rlm_dsl.compare.rerun import Different, rerun
from rlm_dsl.context.context import Context
from rlm_dsl.engine.execution import checked_program
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.run import run_program
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.optimize.tuned import apply_tuned, find_tuned
from rlm_dsl.report.charts import Chart, chart_of
from rlm_dsl.report.run_view import Evidence, PartView, RunView, run_view, shown
from rlm_dsl.report.spec import HELD, Section, Spec, with_period
from rlm_dsl.report.summary import told_change
from rlm_dsl.trace.layout import SEAL
from rlm_dsl.trace.reader import Trace

TRACES = "traces"
Link = tuple[str, str]
"""A piece of a text, and the id of the evidence that it leads to, if it does."""


@dataclass(frozen=True, slots=True)
class How:
    """How to run: `load` opens a context by name and path; `told` hears of each step's new questions before they go."""

    settings: Settings
    keys: Keys
    load: Callable[[str, str], Context]
    progress: Progress
    told: Callable[[Asked], None]
    approve: Approve = approve_all


@dataclass(frozen=True, slots=True)
class RunShown:
    """One program's run in a report: `difference` from the baseline, if there is one."""

    name: str
    prefix: str
    trace: Path
    view: RunView
    told: str
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class SectionShown:
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


@dataclass(frozen=True, slots=True)
class Made:
    """A report as it came out."""

    title: str
    period: str
    since: str
    changed: str
    runs: tuple[RunShown, ...]
    sections: tuple[SectionShown, ...]

    @property
    def ok(self) -> bool:
        return all(run.view.verdict is not None and run.view.verdict.ok for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "period": self.period,
            "since": self.since,
            "changed": self.changed,
            "verified": self.ok,
            "runs": [
                {
                    "program": run.name,
                    "trace": str(run.trace),
                    "head": run.view.story.seal.get("head"),
                    "answer": run.view.story.answer.get("parts"),
                    "asked": run.told,
                    "coverage": list(run.view.coverage),
                    "difference": None if run.difference is None else run.difference.as_json(),
                }
                for run in self.runs
            ],
        }


def make(spec: Spec, period: str, how: How, environment: Mapping[str, str]) -> Made:
    """Run what is new, verify, compare. Raises ProgramError, UserError; what was answered by then is kept."""
    contexts = {name: how.load(name, str(spec.path(path, period))) for name, path in spec.contexts.items()}
    programs = {name: tuned_program(source, how.settings) for name, source in spec.programs.items()}
    params = {name: own_params(source, spec.params) for name, (source, _, _) in programs.items()}
    for name, (source, _, _) in programs.items():
        checked_program(source, contexts, params[name])
    out = spec.path(spec.out, period)
    runs, since = [], ""
    for name, (source, settings, extra) in programs.items():
        base = baseline(spec, out, name, period)
        since = since or ("" if base is None else told_since(spec, base))
        trace = free(out / TRACES / f"{name or 'report'}.trace")
        parent = newest([*finished(out, name), *([] if base is None else [base])]) or base
        told = run_one(source, contexts, params[name], trace, parent, replace(how, settings=settings), extra)
        runs.append(run_shown(name, trace, base, contexts, told, environment))
    parts = {f"{run.name}.{part.name}".strip("."): (run, part) for run in runs for part in run.view.parts}
    changed = " ".join(told_change(run.difference) for run in runs if run.difference is not None)
    sections = tuple(shown_section(spec, section, parts, period) for section in spec.sections)
    return Made(with_values(spec.title, parts, period), period, since, changed, tuple(runs), sections)


def tuned_program(source: Source, settings: Settings) -> tuple[Source, Settings, dict[str, Any]]:
    """A program as a tuned file beside it has it, if there is one."""
    path = Path(source.name)
    return apply_tuned(source, find_tuned(path, None) if path.suffix == ".rlm" else None, settings)


def own_params(source: Source, params: Mapping[str, Any]) -> dict[str, Any]:
    """The params that a program has. A name that no program has is caught where the file is read."""
    names = {s.name for s in parse(source).statements if isinstance(s, t.ParamStatement)}
    return {name: value for name, value in params.items() if name in names}


def told_since(spec: Spec, base: Path) -> str:
    """What a report is compared with, in a word: its period, or the day that it was made."""
    if not spec.baseline and "{" in spec.out:
        return base.parent.parent.name
    return str(Trace.open(base).header.get("created", ""))[:10]


def free(path: Path) -> Path:
    """The trace's folder: an unfinished one is begun anew, a finished one is kept and another taken."""
    number, found = 1, path
    while (found / SEAL).exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}.trace")
    return found


def finished(out: Path, name: str) -> list[Path]:
    """The finished traces of a program in a report's folder."""
    stem = name or "report"
    held = (out / TRACES).glob("*.trace")
    return [path for path in held if (path / SEAL).is_file() and re.fullmatch(rf"{re.escape(stem)}(-\d+)?", path.stem)]


def newest(traces: Sequence[Path]) -> Path | None:
    return max(traces, key=lambda path: ((path / SEAL).stat().st_mtime_ns, str(path)), default=None)


def baseline(spec: Spec, out: Path, name: str, period: str) -> Path | None:
    """What a period is compared with: the trace that the file names, else the newest of another period; where all
    periods share a folder, the newest there."""
    if spec.baseline == "none":
        return None
    if spec.baseline:
        path = spec.path(spec.baseline, period)
        if not (path / SEAL).is_file():
            raise UserError(f"the baseline {path} is no finished trace", "leave it out to compare with the last period")
        return path
    if "{" not in spec.out:
        return newest(finished(out, name))
    others = [folder for folder in out.parent.glob("*") if folder.is_dir() and folder != out]
    return newest([trace for folder in others for trace in finished(folder, name)])


def run_one(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    trace: Path,
    parent: Path | None,
    how: How,
    extra: Mapping[str, Any],
) -> str:
    """A program's run into a trace, on what an earlier run answers; says what was asked."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    if parent is None:
        result = run_program(
            source,
            contexts,
            params,
            how.settings,
            keys=how.keys,
            progress=how.progress,
            trace=trace,
            explorer=explore_text,
            approve=how.approve,
            extra=extra,
        )
    else:
        settings = how.settings
        different = Different(
            dict(contexts),
            params,
            settings.models,
            settings.base_url,
            program=source,
            rows_per_call=settings.rows_per_call,
            proxies=settings.proxies,
            tuned=extra,
        )
        result = rerun(
            Trace.open(parent),
            different,
            settings,
            settings.limits,
            keys=how.keys,
            progress=how.progress,
            to=trace,
            told=how.told,
            approve=how.approve,
            max_failed=settings.max_failed,
        ).result
    return f"{result.spent.told()}, {result.seconds:.1f} s"


def run_shown(
    name: str,
    trace: Path,
    base: Path | None,
    contexts: Mapping[str, Context],
    told: str,
    environment: Mapping[str, str],
) -> RunShown:
    opened = Trace.open(trace)
    difference = None if base is None else diff(Trace.open(base), opened)
    view = run_view(opened, contexts, environment)
    return RunShown(name, f"{name}-" if name else "", trace, view, told, difference)


# ---- sections ----

Parts = Mapping[str, tuple[RunShown, PartView]]


def part_of(spec: Spec, section: Section, name: str, parts: Parts) -> tuple[RunShown, PartView]:
    """The part of an answer that a section names. Raises ProgramError with its place."""
    if name in parts:
        return parts[name]
    if name in ("", "answer") and len(parts) == 1:
        return next(iter(parts.values()))
    known = [each for each in parts if each]
    raise fault(spec, section, f"no answer has a part `{name}`", *did_you_mean(name, known, what="parts"))


def fault(spec: Spec, section: Section, message: str, *hints: str) -> ProgramError:
    from rlm_dsl.common.diagnostics import Diagnostic

    return ProgramError([Diagnostic("Y01", message, span_of(section.node), hints)], spec.source)


def shown_section(spec: Spec, section: Section, parts: Parts, period: str) -> SectionShown:
    blank = SectionShown(section.kind, with_values(section.heading, parts, period))
    match section.kind:
        case "text":
            lines = [line for line in str(section.what).split("\n\n") if line.strip()]
            return replace(blank, lines=tuple(linked(spec, section, " ".join(x.split()), parts, period) for x in lines))
        case "findings":
            return replace(blank, lines=tuple(linked(spec, section, x, parts, period) for x in section.what))
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
                raise fault(spec, section, f"`{section.what}` is one value, and no table", "insert it in a text: {...}")
            return table_or_chart(spec, section, blank, run, part)


def table_or_chart(spec: Spec, section: Section, blank: SectionShown, run: RunShown, part: PartView) -> SectionShown:
    rows = tuple((run.prefix + link if link else "", row) for link, row in part.rows)
    if section.kind == "table":
        return replace(blank, part=replace(part, rows=rows), limit=section.limit)
    if missing := [name for name in (section.x, section.y) if name not in part.columns]:
        raise fault(
            spec,
            section,
            f"there is no column `{missing[0]}`",
            *did_you_mean(missing[0], list(part.columns), what="columns"),
        )
    values = next(p for p in run.view.story.answer["parts"] if ".".join(p["part"]) == part.name)["value"]
    chart = chart_of(section.chart, section.x, section.y, part.columns, values)
    alt = f"{section.y} by {section.x}: {chart.text(60)}"[:1_000]
    return replace(blank, images=chart.images(), alt=alt, chart=chart)


def evidence_of(run: RunShown, part: PartView) -> Evidence | None:
    return next((each for each in run.view.evidence if each.id == part.evidence), None)


def value_of(run: RunShown, part: PartView) -> str:
    if part.columns:
        return f"{len(part.rows) + part.more:,} rows"
    try:
        number = json.loads(part.value)
    except ValueError:
        return part.value
    return f"{number:,}" if isinstance(number, int | float) and not isinstance(number, bool) else shown(number)


def linked(spec: Spec, section: Section, text: str, parts: Parts, period: str) -> tuple[Link, ...]:
    """A text with values inserted; each leads to its evidence."""
    found: list[Link] = []
    at = 0
    for match in HELD.finditer(text):
        found.append((text[at : match.start()], ""))
        at = match.end()
        name = match[1]
        if name in ("period", "year", "month"):
            found.append((with_period(match[0], period), ""))
            continue
        run, part = part_of(spec, section, name, parts)
        found.append((value_of(run, part), run.prefix + part.evidence if part.evidence else ""))
    found.append((text[at:], ""))
    return tuple((piece, link) for piece, link in found if piece)


def with_values(text: str, parts: Parts, period: str) -> str:
    """A heading with what it names; an unknown name stays as it is written."""

    def value(match: Any) -> str:
        if match[1] in ("period", "year", "month"):
            return with_period(match[0], period)
        return value_of(*parts[match[1]]) if match[1] in parts else str(match[0])

    return HELD.sub(value, text)


# ---- outputs ----


def markdown(made: Made) -> str:
    """The report as Markdown; its charts are files beside it."""
    lines = [f"# {plain(made.title)}", "", made.period, ""]
    for run in made.runs:
        head = run.view.story.seal.get("head", "")
        verified = run.view.verdict is not None and run.view.verdict.ok
        lines += [f"{'Verified' if verified else 'NOT VERIFIED'}, head `{head}`.", ""]
    if made.changed:
        lines += [f"**Since {made.since}:** {plain(made.changed)}", ""]
    for number, section in enumerate(made.sections, 1):
        if section.heading:
            lines += [f"## {plain(section.heading)}", ""]
        match section.kind:
            case "text":
                for line in section.lines:
                    lines += ["".join(plain(piece) for piece, _ in line), ""]
            case "findings":
                lines += [*("- " + "".join(plain(piece) for piece, _ in line) for line in section.lines), ""]
            case "table":
                lines += [*table_lines(section), ""]
            case "chart":
                lines += [f"![{plain(section.alt.partition(':')[0])}]({chart_name(number)})", ""]
            case _:
                for place in section.places:
                    text = "".join(piece for piece, _ in place.pieces)
                    lines += [f"> {plain(' '.join(text.split()))}", f"> ({plain(place.source)}, {place.lines})", ""]
    for run in made.runs:
        lines += [*map(plain, run.view.coverage), "", run.told, ""]
    return "\n".join(lines).rstrip() + "\n"


def chart_name(number: int) -> str:
    return f"chart-{number}.svg"


def table_lines(section: SectionShown) -> list[str]:
    assert section.part is not None
    rows = [row for _, row in section.part.rows[: section.limit]]
    head = ["| " + " | ".join(map(plain, section.part.columns)) + " |", "|" + " --- |" * len(section.part.columns)]
    more = len(section.part.rows) + section.part.more - len(rows)
    return [
        *head,
        *("| " + " | ".join(map(plain, row)) + " |" for row in rows),
        *([f"\n{more:,} more rows"] if more else []),
    ]


def plain(text: str) -> str:
    """A text that is none of Markdown's signs."""
    from rlm_dsl.common.diagnostics import printable

    return "".join("\\" + c if c in "\\`*_[]<>#|" else c for c in printable(text.replace("\n", " ")))


def write(made: Made, spec: Spec, command: str) -> list[Path]:
    """Every output into the report's folder; the last file is written when all are made."""
    from rlm_dsl.report.pages import page

    folder = spec.path(spec.out, made.period)
    texts = {}
    if "json" in spec.outputs:
        texts["report.json"] = json.dumps(made.as_json(), ensure_ascii=False, indent=1, default=str) + "\n"
    if "md" in spec.outputs:
        charts = {chart_name(n): each.chart.svg() for n, each in enumerate(made.sections, 1) if each.chart}
        texts |= {**charts, "report.md": markdown(made)}
    if "html" in spec.outputs:
        texts["report.html"] = page("report.html", made.title, command, report=made)
    folder.mkdir(parents=True, exist_ok=True)
    write_files({folder / name: text for name, text in texts.items()})
    return [folder / name for name in texts]


def init(trace: Trace, folder: Path) -> list[Path]:
    """`report.yaml` and `report.rlm` of a trace, in a folder. Raises UserError rather than write over either."""
    import yaml

    files = [folder / "report.yaml", folder / "report.rlm"]
    for path in files:
        if path.exists():
            raise UserError(f"{path} is there already", "name another folder with --out")
    sections: list[dict[str, Any]] = []
    for part in trace.answer["parts"]:
        name = ".".join(part["part"])
        if "columns" in part:
            sections.append({"table": name or "answer", "heading": name or "Answer", "limit": 50})
            numbers = [
                c
                for n, c in enumerate(part["columns"])
                if part["value"] and isinstance(part["value"][0][n], int | float)
            ]
            words = [c for c in part["columns"] if c not in numbers]
            if numbers and words:
                sections.append({"chart": name or "answer", "x": words[0], "y": numbers[0]})
        else:
            sections.insert(0, {"text": f"{name or 'answer'}: {{{name or 'answer'}}}"})
            sections.append({"evidence": name or "answer", "heading": f"Behind {name or 'the answer'}", "limit": 5})
    folder.mkdir(parents=True, exist_ok=True)
    contexts = {c["name"]: relative(c["given"], folder) for c in trace.header["contexts"]}
    whole = {
        "title": f"{trace.header.get('question') or 'Report'} ({{period}})",
        "contexts": contexts,
        "program": "report.rlm",
        **({"params": dict(trace.header["params"])} if trace.header.get("params") else {}),
        "models": {name: model["model"] for name, model in trace.header["models"].items()},
        "sections": sections,
        "out": "reports/{period}",
    }
    text = "# `{period}`, `{year}` and `{month}` may stand in paths: contexts: {tickets: data/{period}.csv}\n"
    files[0].write_text(text + yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=100), encoding="utf-8")
    files[1].write_text(trace.program, encoding="utf-8")
    return files


def relative(given: str, folder: Path) -> str:
    return given if given == "-" else os.path.relpath(given, folder).replace("{", "{{")
