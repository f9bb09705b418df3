"""The runs of a report: each program once for the period, on what an earlier run answers.

In: programs, data, a trace to begin from. Out: sealed traces, read back, verified and compared. Law: what an earlier
trace answers is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.compare.diff import Difference, diff
from rlm_dsl.compare.reasons import Asked
from rlm_dsl.compare.rerun import Different, rerun
from rlm_dsl.context.context import Context
from rlm_dsl.context.given import Given
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.run import run_program
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.optimize.tuned import apply_tuned, find_tuned
from rlm_dsl.report.run_view import RunView, run_view
from rlm_dsl.review.period import PeriodReviews
from rlm_dsl.trace.reader import Trace


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a report runs its programs: `load` opens what is given by a name; `notify` hears of each step's new
    questions before they go."""

    settings: Settings
    keys: Keys
    load: Callable[[str, Given], Context]
    progress: Progress
    notify: Callable[[Asked], None]
    approve: Approve = approve_all


@dataclass(frozen=True, slots=True)
class ReportRun:
    """One program's run in a report: what it `spent`, in words; its `difference` from the baseline, if there is one."""

    name: str
    prefix: str
    trace: Path
    view: RunView
    spent: str
    difference: Difference | None
    reviews: PeriodReviews = field(default_factory=PeriodReviews)


def tuned_program(source: Source, settings: Settings) -> tuple[Source, Settings, dict[str, Any]]:
    """A program as a tuned file beside it has it, if there is one."""
    path = Path(source.name)
    return apply_tuned(source, find_tuned(path, None) if path.suffix == ".rlm" else None, settings)


def params_of(source: Source, params: Mapping[str, Any]) -> dict[str, Any]:
    """The params that a program has. A name that no program has is caught where the file is read."""
    names = {s.name for s in parse(source).statements if isinstance(s, t.ParamStatement)}
    return {name: value for name, value in params.items() if name in names}


def run_or_rerun(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    trace: Path,
    parent: Path | None,
    options: RunOptions,
    extra: Mapping[str, Any],
) -> str:
    """A program's run into a trace, on what an earlier run answers; says what was asked."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    if parent is None:
        result = run_program(
            source,
            contexts,
            params,
            options.settings,
            keys=options.keys,
            progress=options.progress,
            trace=trace,
            explorer=explore_text,
            approve=options.approve,
            extra=extra,
        )
    else:
        settings = options.settings
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
            keys=options.keys,
            progress=options.progress,
            to=trace,
            told=options.notify,
            approve=options.approve,
            max_failed=settings.max_failed,
        ).result
    return f"{result.spent.told()}, {result.seconds:.1f} s"


def read_run(
    name: str,
    trace: Path,
    baseline: Path | None,
    contexts: Mapping[str, Context],
    spent: str,
    environment: Mapping[str, str],
    reviews: PeriodReviews | None = None,
) -> ReportRun:
    """A finished run as a report shows it: verified, and compared with the baseline."""
    opened = Trace.open(trace)
    difference = None if baseline is None else diff(Trace.open(baseline), opened)
    view = run_view(opened, contexts, environment)
    return ReportRun(name, f"{name}-" if name else "", trace, view, spent, difference, reviews or PeriodReviews())
