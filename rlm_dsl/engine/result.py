"""What a user gets from a run: the answer, and everything about how it came to be, showing itself well.

In: an execution and what it cost. Out: `Result`. Law: its text and its HTML hold only escaped data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.diagnostics import printable
from rlm_dsl.common.html import escaped, html_table
from rlm_dsl.common.source import Source
from rlm_dsl.engine.evidence import Evidence
from rlm_dsl.engine.execution import Execution, Part
from rlm_dsl.engine.runner import StepRecord
from rlm_dsl.language.reference.in_words import in_words
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.tree import Tree
from rlm_dsl.models.recording import Usage

SHOWN_ROWS = 20


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run asked: new calls, answers that were there before, tokens by the servers' own count, dollars if a
    price is known; of the tokens given, how many the servers had read before; `others` are models that were named, each
    with another one that answered, whose price is not known by that name."""

    calls: int = 0
    stored: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    cached_tokens: int = 0
    others: tuple[tuple[str, str], ...] = ()

    def as_event(self) -> dict[str, Any]:
        """What a trace's last event says of it."""
        return {
            "calls": self.calls,
            "gen_ai.usage.input_tokens": self.prompt_tokens,
            "gen_ai.usage.output_tokens": self.completion_tokens,
            **({"gen_ai.usage.cache_read.input_tokens": self.cached_tokens} if self.cached_tokens else {}),
            **({} if self.usd is None else {"llm.cost.total": self.usd}),
        }

    def told(self) -> str:
        known = f", {counted(self.stored, 'answer')} known before" if self.stored else ""
        cost = f", {money(self.usd)}" if self.usd is not None else ""
        cached = f" ({self.cached_tokens:,} of them cached)" if self.cached_tokens else ""
        tokens = self.prompt_tokens + self.completion_tokens
        return f"{counted(self.calls, 'model call')}{known}, {counted(tokens, 'token')}{cached}{cost}"


class Reviews(Protocol):
    """What reviewed rows say of a result's numbers, and how people read it."""

    @property
    def numbers(self) -> Sequence[Any]: ...

    def lines(self) -> list[str]: ...

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Result:
    """A run's answer with its program, steps and evidence; `trace` is where it was recorded, if it was."""

    value: Any
    execution: Execution
    spent: Spent
    seconds: float
    question: str | None = None
    turns: int | None = None
    trace: Path | None = None
    head: str | None = None
    usage: tuple[Usage, ...] = ()
    not_answered: int = 0
    """Turns that were used up without an answer: what was bound last stands for it. 0 where there was one."""
    doubts: tuple[str, ...] = ()
    """What speaks against the answer, as its root model was told; it was given all the same."""
    agreement: tuple[int, int] | None = None
    """Of a question that was explored several times: how many came to this answer, and how many there were."""
    context_rows: Mapping[str, int] = field(default_factory=dict)
    """Rows of each context that the program reads."""
    reviewed: Reviews | None = None
    """What reviewed rows say of the answer's numbers."""

    @property
    def estimates(self) -> Sequence[Any]:
        """Each number that rests on a model, corrected and with its interval, where rows were reviewed:
        `result.estimates[0].told()`, and its `part`, `column`, `group` and `estimate`."""
        return () if self.reviewed is None else self.reviewed.numbers

    @property
    def program(self) -> str:
        """The program in canonical form."""
        return self.execution.text

    @property
    def tree(self) -> Tree:
        return parse(Source("program.rlm", self.program))

    @property
    def in_words(self) -> str:
        """The program in words, made from it alone."""
        return "\n".join(in_words(self.tree))

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        return self.execution.records

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return self.execution.evidence

    def __repr__(self) -> str:
        told = printable(json.dumps(self.value, ensure_ascii=False))
        return f"Result({told[:200]}{'...' if len(told) > 200 else ''}; {self.spent.told()})"

    def _repr_html_(self) -> str:
        """For notebooks: the answer's parts, then the program and its steps, folded."""
        steps = html_table(
            ("step", "operator", "rows"),
            [(r.name, r.operator, None if r.rows is None else f"{r.rows:,}") for r in self.steps],
        )
        return (
            "<div>"
            + "".join(part_html(part) for part in self.execution.parts)
            + "".join(f"<div>{escaped(line)}</div>" for line in (self.reviewed.lines() if self.reviewed else ()))
            + f"<details><summary>program, {len(self.steps)} steps, {escaped(self.spent.told())}</summary>"
            + f"<pre>{escaped(self.program)}</pre>{steps}</details></div>"
        )


def part_html(part: Part) -> str:
    label = f"<b>{escaped('.'.join(part.path))}</b> " if part.path else ""
    if part.columns is None:
        told = part.value if isinstance(part.value, str) else json.dumps(part.value, ensure_ascii=False)
        return f"<div>{label}{escaped(told)}</div>"
    more = len(part.value) - SHOWN_ROWS
    rest = f"<div>{counted(more, 'more row')}</div>" if more > 0 else ""
    return f"<div>{label}{html_table(part.columns, part.value[:SHOWN_ROWS])}{rest}</div>"
