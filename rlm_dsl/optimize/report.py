"""An optimization's result as data: the report, and the tuned file that it stands for.

In: the search, the test, the picked candidate. Out: an `OptimizationResult`. Law: every figure in it was measured; none
is computed here but by rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import unified_diff
from importlib.metadata import version
from typing import Any

from rlm_dsl.common.hashing import identity
from rlm_dsl.common.source import Source
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.held_out import HeldOutTest
from rlm_dsl.optimize.job import OptimizationResult
from rlm_dsl.optimize.pareto import pareto_front
from rlm_dsl.optimize.provable import Provable
from rlm_dsl.optimize.record import SCHEMA
from rlm_dsl.optimize.search import Search
from rlm_dsl.optimize.tuned import Tuned, merge_calls, program_digest


def result_of(
    search: Search, result: Candidate, test: HeldOutTest, told: Provable, notes: list[str]
) -> OptimizationResult:
    job = search.job
    on_front = {point.name for point in pareto_front(search.points)}
    points = [replace(point, on_front=point.name in on_front) for point in search.points]
    scores = scores_of(search, result, test)
    report = {
        "schema": SCHEMA,
        "program": job.source.name,
        "examples": {name: len(getattr(search.splits, name)) for name in ("train", "validation", "test")},
        "optimizers": list(job.optimizers),
        "seed": job.seed,
        "pick": job.pick,
        "bound": dict(search.bounds.questions),
        "provable": told.as_json(),
        "points": [point.as_json() for point in points],
        "picked": result.origin,
        "why": search.why,
        "notes": notes,
        **scores,
        "diff": difference(job.source, result),
    }
    tuned = tuned_of(search, result, {name: value for name, value in scores.items() if value})
    return OptimizationResult(tuned, test.proved, report)


def scores_of(search: Search, result: Candidate, test: HeldOutTest) -> dict[str, Any]:
    """What report and tuned file both say of the result."""
    before, after = test.costs
    return {
        "verdict": test.verdict,
        "metric": search.job.metric,
        "test": test.as_json(),
        "cost": {"unit": search.cost.name, "before": round(before, 6), "after": round(after, 6)},
        "certificates": {digest[:12]: dict(each["certificate"]) for digest, each in sorted(result.proxies.items())},
    }


def tuned_of(search: Search, result: Candidate, scores: Mapping[str, Any]) -> Tuned:
    job = search.job
    made = {
        "optimizer": result.origin,
        "seed": job.seed,
        "examples": identity("examples-v1", sorted(e.identity for e in search.examples)),
        "dspy": version("dspy"),
        **({"labels": True} if job.labels is not None else {}),
    }
    return Tuned(
        program_digest(job.source.text),
        merge_calls(result.calls),
        dict(result.rows_per_call),
        result.text if result.text != job.source.text else "",
        made,
        scores,
        dict(result.proxies),
    )


def difference(source: Source, result: Candidate) -> str:
    """What is other in the program that runs, as a unified diff."""
    before, after = Candidate(source.text).program_text(), result.program_text()
    lines = unified_diff(before.splitlines(), after.splitlines(), source.name, "tuned", lineterm="")
    return "\n".join(lines)
