"""A report for a period: run or rerun what it names, compare, put values into its sections.

In: a spec, a period, options. Out: a `Report` for a page, Markdown and JSON; traces in the report's folder. Law: what
an earlier period's trace answers is not asked again; every figure in it is a part of a verified answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.context.files.find import said_in
from rlm_dsl.engine.execution import checked_program
from rlm_dsl.report.period import fill_in
from rlm_dsl.report.runs import ReportRun, RunOptions, params_of, read_run, run_or_rerun, tuned_program
from rlm_dsl.report.sections import RenderedSection, insert_values, render_section
from rlm_dsl.report.spec import Spec
from rlm_dsl.report.summary import summarize_difference
from rlm_dsl.report.trace_folders import (
    PERIOD_OF_REPORT,
    TRACES,
    baseline_label,
    earlier_traces,
    find_baseline,
    finished_traces,
    free_folder,
    newest,
    report_folders,
)
from rlm_dsl.review.labels.file import labels_beside
from rlm_dsl.review.period import review_period


def labels_of(spec: Spec, source: Source) -> Path:
    """Where a program's labels lie: beside it, of steps that stand in the report beside that."""
    path = Path(source.name)
    return labels_beside(path if path.suffix == ".rlm" else spec.folder / Path(spec.source.name).stem)


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it came out. `since` names what it is compared with, `changed` says what is different."""

    title: str
    period: str
    since: str
    changed: str
    runs: tuple[ReportRun, ...]
    sections: tuple[RenderedSection, ...]

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
                    "asked": run.spent,
                    "coverage": list(run.view.coverage),
                    "reviews": {**run.view.reviewed.as_json(), **run.reviews.as_json()},
                    "difference": None if run.difference is None else run.difference.as_json(),
                }
                for run in self.runs
            ],
        }


def build_report(spec: Spec, period: str, options: RunOptions, environment: Mapping[str, str]) -> Report:
    """Run what is new, verify, compare. Raises ProgramError, UserError; what was answered by then is kept."""
    contexts = {
        name: options.load(name, replace(given, path=said_in(spec.folder, fill_in(given.path, period))))
        for name, given in spec.contexts.items()
    }
    programs = {name: tuned_program(source, options.settings) for name, source in spec.programs.items()}
    params = {name: params_of(source, spec.params) for name, (source, _, _) in programs.items()}
    for name, (source, _, _) in programs.items():
        checked_program(source, contexts, params[name])
    folder = spec.path(spec.out, period)
    runs, since = [], ""
    for name, (source, settings, extra) in programs.items():
        earlier = earlier_traces(spec, folder, name, period)
        baseline = find_baseline(spec, period, earlier)
        since = since or ("" if baseline is None else baseline_label(spec, baseline))
        trace = free_folder(folder / TRACES / f"{name or 'report'}.trace")
        known = [*finished_traces(folder, name), *([] if baseline is None else [baseline])]
        parent = newest(known or [t for each in report_folders(spec, folder) for t in finished_traces(each, name)])
        own_options = replace(options, settings=settings)
        spent = run_or_rerun(
            source, contexts, params[name], trace, parent, own_options, {**extra, PERIOD_OF_REPORT: period}
        )
        reviews = review_period(trace, labels_of(spec, source), contexts, spec.reviews, earlier)
        runs.append(read_run(name, trace, baseline, contexts, spent, environment, reviews))
    parts = {f"{run.name}.{part.name}".strip("."): (run, part) for run in runs for part in run.view.parts}
    changed = " ".join(summarize_difference(run.difference) for run in runs if run.difference is not None)
    sections = tuple(render_section(spec, section, parts, period) for section in spec.sections)
    return Report(insert_values(spec.title, parts, period), period, since, changed, tuple(runs), sections)
