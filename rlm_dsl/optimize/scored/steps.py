"""How often a program's steps answer as people did: each step, over the rows that were reviewed.

In: a program, its contexts, labels. Out: for each step how many rows are right, with exact limits. Law: every label
that holds counts once, whatever it was drawn for; answers that are known cost nothing, and nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.run import redaction_of, run_log
from rlm_dsl.language.types import Table
from rlm_dsl.models.recording import usage_of
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.evaluator import Evaluator
from rlm_dsl.optimize.labelled import labelled_examples
from rlm_dsl.review.estimates.limits import clopper_pearson


@dataclass(frozen=True, slots=True)
class StepScore:
    """A step's rows: how many are `right` of those that people labelled, the limits of that share at 95 %, and what was
    answered in place of what, the most frequent first."""

    step: str
    right: int
    rows: int
    low: float
    high: float
    mistaken: tuple[tuple[Any, Any, int], ...]

    def told(self) -> str:
        share = f"{self.right / self.rows:.1%} ({self.low:.1%} to {self.high:.1%}, 95 %)"
        return f"{self.step}: {self.right} of {counted(self.rows, 'reviewed row')} right, {share}"

    def as_json(self) -> dict[str, Any]:
        mistaken = [{"right": right, "answered": said, "rows": rows} for right, said, rows in self.mistaken]
        limits = {"low": round(self.low, 4), "high": round(self.high, 4)}
        return {"step": self.step, "right": self.right, "rows": self.rows, **limits, "mistaken": mistaken}


@dataclass(frozen=True, slots=True)
class StepScores:
    """`calls` are the calls that were made, `notes` what labels were left out."""

    steps: tuple[StepScore, ...]
    calls: int
    notes: tuple[str, ...]


def step_scores(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    labels: Path,
    settings: Settings,
    keys: Keys,
    progress: Progress,
    load: Callable[[str, str, Table | None], Context],
    approve: Approve = approve_all,
) -> StepScores:
    """Raises UserError where no label is of a step of the program, and for what ends a run."""
    settings = within_limits(settings, keys)
    redaction = redaction_of(keys, settings)
    with (
        run_log(None, redaction) as log,
        live_calls(settings, keys, log.tell, redaction.redact, None, None, approve) as calls,
    ):
        progress.watch(calls.models.spent)
        evaluator = Evaluator(source, contexts, params, settings, calls, progress, load, {}, lambda line: None)
        try:
            found = labelled_examples(None, labels, evaluator.rounds(source.text))
            answers = evaluator.evaluate(Candidate(source.text), found.examples).answers
        finally:
            evaluator.close()
        made = sum(each.new for each in usage_of(calls.models.recording.calls.values()))
    pairs: dict[str, list[tuple[Any, Any]]] = {}
    for example, answer in zip(found.examples, answers, strict=True):
        pairs.setdefault(example.step, []).append((plain(example.answer), plain(answer)))
    return StepScores(tuple(score_of(step, held) for step, held in pairs.items()), made, found.notes)


def plain(answer: Any) -> Any:
    """An answer of one field as its value; without the probabilities that stand beside it."""
    if not isinstance(answer, Mapping):
        return answer
    own = {name: value for name, value in answer.items() if not name.startswith("#")}
    return next(iter(own.values())) if len(own) == 1 else own


def score_of(step: str, pairs: list[tuple[Any, Any]]) -> StepScore:
    right = sum(one == other for one, other in pairs)
    wrong = Counter((repr(one), repr(other)) for one, other in pairs if one != other)
    values = {repr(value): value for pair in pairs for value in pair}
    mistaken = tuple((values[one], values[other], rows) for (one, other), rows in wrong.most_common())
    return StepScore(step, right, len(pairs), *clopper_pearson(right, len(pairs)), mistaken)
