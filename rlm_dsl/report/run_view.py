"""What a page tells of a run, gathered from its trace: answer, evidence, how it was reached, cost, what failed.

In: a trace, where its contexts lie. Out: a value for a page. Law: a page stays small however large a run was,
and says what it left out; every text in it is data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.context.context import Context
from rlm_dsl.replay.cite import Citation, cite_all
from rlm_dsl.report.coverage import coverage
from rlm_dsl.report.evidence_view import EvidenceView, evidence_view, is_cut
from rlm_dsl.report.failed_rows import failed_rows
from rlm_dsl.report.graph import Graph, graph
from rlm_dsl.report.highlight import patterns_in
from rlm_dsl.report.part_view import PartView, part_view
from rlm_dsl.report.step_rows import step_rows
from rlm_dsl.report.step_view import StepView, asked_text, rows_of, step_views
from rlm_dsl.review.reviewed import Reviewed
from rlm_dsl.review.telling import told_reviews
from rlm_dsl.review.verified import verify_reviewed as verify
from rlm_dsl.trace.divergence import Report
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.story import Story, story

LINKED, PLACES = 25, 40
"""Rows of an answer with evidence of their own, places of each."""
MOST_EVIDENCE = 1_500_000
"""Characters of all evidence on a page."""


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that the page of a run shows."""

    story: Story
    verdict: Report | None
    verdict_problem: str
    parts: tuple[PartView, ...]
    evidence: tuple[EvidenceView, ...]
    evidence_problem: str
    coverage: tuple[str, ...]
    graph: Graph
    steps: tuple[StepView, ...]
    failed: tuple[tuple[str, str, str], ...]
    failed_count: int
    left_out: tuple[str, ...] = field(default=())
    tuned: Mapping[str, Any] = field(default_factory=dict)
    reviewed: Reviewed = field(default_factory=Reviewed)


def run_view(
    trace: Trace,
    given: Mapping[str, str | Context],
    environment: Mapping[str, str],
    *,
    verified: bool = True,
    labels: Path | None = None,
) -> RunView:
    """What there is to see of a trace. Sources that are gone leave a page without evidence, and say so. `labels` are
    reviewed rows, where these are not beside the trace."""
    run = story(trace)
    if not run.finished:
        return so_far(run)
    reviewed = Reviewed() if run.changed else told_reviews(trace, labels, given)
    verdict, problem = (None, "not asked for") if not verified else try_verify(trace, given, environment)
    citations, evidence_problem = try_cite(trace, given)
    patterns = patterns_in(trace.program)
    budget = [MOST_EVIDENCE]
    evidence = tuple(evidence_view(each, patterns, budget) for each in citations)
    left = [f"{each.name}: {counted(each.count - len(each.places), 'more place')}" for each in evidence if is_cut(each)]
    known = {each.id for each in evidence}
    parts = tuple(part_view(part, known, reviewed) for part in run.answer.get("parts", ()))
    left += [f"{part.name or 'the answer'}: {counted(part.more, 'more row')}" for part in parts if part.more]
    failed, count = failed_rows(trace)
    return RunView(
        run,
        verdict,
        problem,
        parts,
        evidence,
        evidence_problem,
        tuple(coverage(run)),
        graph(trace.header["contexts"], trace.steps),
        tuple(step_views(trace, step_rows(trace, given, compute=verified and not evidence_problem))),
        failed,
        count,
        tuple(left),
        trace.header.get("tuned", {}),
        reviewed,
    )


def so_far(run: Story) -> RunView:
    """What there is to see of a run that came to no answer: its turns, its program and steps so far."""
    last = {s["step"]: s for s in run.steps}  # a turn may have bound a name anew
    steps = tuple(
        StepView(name, s["operator"], rows_of(s), asked_text(s.get("asked")), "", ()) for name, s in last.items()
    )
    drawn = graph(run.header.get("contexts", ()), run.steps)
    return RunView(run, None, "it is unfinished", (), (), "", (), drawn, steps, (), 0)


def try_verify(
    trace: Trace, given: Mapping[str, str | Context], environment: Mapping[str, str]
) -> tuple[Report | None, str]:
    try:
        return verify(trace, given, environment), ""
    except UserError as failure:
        return None, failure.message


def try_cite(trace: Trace, given: Mapping[str, str | Context]) -> tuple[tuple[Citation, ...], str]:
    try:
        return cite_all(trace, given, LINKED, PLACES), ""
    except (UserError, ProgramError) as failure:
        return (), str(failure).split("\n")[0]
