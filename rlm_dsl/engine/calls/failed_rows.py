"""Rows of a step that have no valid answer: which they are, why, and whether another statement may do better.

In: what a round came to. Out: the rows, as values and as an error. Law: the same rows and answers give the same words,
of bounded length; where a server blames no row the step is refused as a whole, which no other statement mends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import StepFailed, UserError, printable
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.models.request import REJECTED
from rlm_dsl.models.typed_retry import Outcome

LISTED = 5
"""Rows that are told of one by one."""
REASON, TEXT = 400, 60
"""Characters of a row's reason and text that are shown."""
INSTEAD = (
    'on_error="null" lets them be null; or leave them out (where), or cut long texts first (partition). Answers that '
    "are there cost nothing again"
)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row without a valid answer: its number in the step's rows (from 1), its key, and what it shows."""

    number: int
    key: int
    status: str
    problem: str
    text: str

    def told(self, place: str, before: FailedRow | None) -> str:
        """The row in a line; a reason that the one `before` it had too is not told again."""
        at = f" ({place})" if place else ""
        same = before is not None and (before.status, before.problem) == (self.status, self.problem)
        why = f"{self.status}, likewise" if same else f"{self.status}: {short(self.problem, REASON)}"
        return f"row {self.number:,}{at} {why}; it begins {short(self.text, TEXT)!r}"


def short(text: str, most: int) -> str:
    told = printable(" ".join(text.split()))
    return told if len(told) <= most else f"{told[:most]}..."


def failed_rows(
    rows: Sequence[Row], outcomes: Mapping[int, Outcome[Any] | None], redact: Callable[[str], str]
) -> Iterator[FailedRow]:
    """The rows whose outcome is not ok, in their order, without secrets."""
    for number, row in enumerate(rows, 1):
        outcome = outcomes.get(row.key)
        if outcome is not None and outcome.status != "ok":
            yield FailedRow(number, row.key, outcome.status, outcome.problem or "", redact(" ".join(row.texts[:1])))


class RowsFailed(StepFailed):
    """Rows without a valid answer, in a step that may not have any. `places` say where the first of them lie."""

    what, mends = "have no valid answer", ""
    code, exit_code = "rows", 3

    def __init__(
        self, step: str, failed: Sequence[FailedRow], rows: int, places: Mapping[int, str] | None = None
    ) -> None:
        self.step, self.failed, self.rows = step, tuple(failed), rows
        listed = zip(failed[:LISTED], (None, *failed), strict=False)
        told = [row.told((places or {}).get(row.key, ""), before) for row, before in listed]
        told += [f"... and {len(failed) - LISTED:,} more"] if len(failed) > LISTED else []
        super().__init__(
            "\n  ".join([f"{step}: {len(failed):,} of {counted(rows, 'row')} {self.what}", *told]),
            f'{self.mends or mend_of(failed[0])}, or let them be null: on_error="null"',
            exit_code=self.exit_code,
            code=self.code,
            instead=INSTEAD,
        )

    def among(self, rows: Sequence[Row], places: Mapping[int, str]) -> RowsFailed:
        """The same with each row's number among all rows of the step, and with where rows lie."""
        numbers = {row.key: number for number, row in enumerate(rows, 1)}
        failed = [replace(row, number=numbers[row.key]) for row in self.failed]
        return type(self)(self.step, failed, len(rows), places)


def mend_of(first: FailedRow) -> str:
    """What a person may do: what a row holds stays, what a model says may change."""
    return "look at these rows" if first.status == "error" else "run again to ask them again"


class RowsTooLong(RowsFailed):
    """Rows that no call has room for, in a step that may not do without them: seen before any row of it is asked."""

    what = "do not fit the model's window"
    mends = 'cut them first: partition(by="paragraphs", size=20)'
    code, exit_code = "window", 2


class TooManyFailed(StepFailed):
    """So many of the first answers are not valid that the rest are not worth their money."""

    def __init__(self, step: str, failed: int, answered: int, last: Outcome[Any], most: float) -> None:
        super().__init__(
            f"{step}: {failed:,} of the first {counted(answered, 'answer')} are not valid; "
            f"the last is {last.status}: "
            f"{last.problem}",
            f"see what is asked with explain --prompts, or allow more than {most:.0%}: --max-failed 1",
            exit_code=3,
            code="failing",
            instead="ask otherwise, about other rows, or about texts that are cut first (partition)",
        )


class StepRejected(UserError):
    """Every row of a step was refused, and the server does not say that a row is to blame."""

    def __init__(self, step: str, problem: str) -> None:
        super().__init__(
            f"{step}: {problem}",
            "no row is at fault: see what is asked with explain --prompts, and what the model takes under `parameters`",
            exit_code=3,
            code="rejected",
        )


def all_rejected(result: RoundResult) -> str:
    """What the server says, where it refused every row and blames none; else ""."""
    asked = [outcome for outcome in result.outcomes.values() if outcome is not None]
    return (asked[0].problem or "") if asked and all(map(is_rejected, asked)) else ""


def is_rejected(outcome: Outcome[Any]) -> bool:
    return bool(outcome.raw) and outcome.raw[-1][1].finish == REJECTED


ENOUGH = 20
"""Answers after which the share that failed tells something."""


@dataclass(slots=True)
class Failing:
    """Counts a round's failures; raises when they are too many for the rest to be worth its money."""

    step: str
    most: float
    answered: int = 0
    failed: int = 0
    rejected: int = 0

    def count(self, outcome: Outcome[Any]) -> None:
        self.answered += 1
        self.failed += outcome.status != "ok"
        self.rejected += is_rejected(outcome)
        if outcome.status != "ok" and self.answered >= ENOUGH and self.failed > self.most * self.answered:
            if self.rejected == self.answered:
                raise StepRejected(self.step, outcome.problem or "")
            raise TooManyFailed(self.step, self.failed, self.answered, outcome, self.most)
