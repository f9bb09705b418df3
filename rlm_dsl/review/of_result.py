"""A run whose numbers are told with their intervals: its labels found, its trace opened once more, the reviews sealed.

In: how to run to a trace, where labels lie. Out: a result with what reviews say of it. Law: a run without a trace is
recorded for the time of the counting where there are labels, and then nothing of that stays; without labels nothing is
done that was not done before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.engine.result import Result
from rlm_dsl.models.settings import Settings
from rlm_dsl.review.labels.file import labels_beside
from rlm_dsl.review.reviewed import Reviewed
from rlm_dsl.review.telling import statistics_installed, with_reviews

Given = Mapping[str, str | Context]
RunTo = Callable[[Path | None, Settings], Result]


def labels_of_program(program: Path, named: Path | None) -> Path | None:
    """The labels of a program: those that are named, else `PROGRAM.labels.jsonl` where it is there. Raises UserError
    for a named file that is not."""
    if named is not None:
        if not named.exists():
            raise UserError(f"there is no file of labels {named}", "collect them: rlm-dsl review TRACE --labels FILE")
        return named
    beside = labels_beside(program)
    return beside if str(program) != "-" and beside.is_file() else None


def reviewed_run(run_to: RunTo, trace: Path | None, settings: Settings, labels: Path | None, given: Given) -> Result:
    """Run, and count what reviews say of the answer's numbers."""
    if trace is not None or labels is None or not statistics_installed():
        return with_reviews(run_to(trace, settings), labels, given)
    with tempfile.TemporaryDirectory(prefix="rlm-dsl-") as folder:
        place = Path(folder) / "run.trace"
        try:
            result = with_reviews(run_to(place, replace(settings, heads=None)), labels, given, seal=False)
        except BaseException as failure:
            # how to go on from a trace that goes: answers are in the store
            kept = [each for each in getattr(failure, "__notes__", ()) if str(place) not in each]
            failure.__notes__ = kept
            raise
    held = result.reviewed
    if isinstance(held, Reviewed):
        held = replace(held, trace="", notes=tuple(note for note in held.notes if str(place) not in note))
    return replace(result, trace=None, head=None, reviewed=held)
