"""The result of a run: question, program, steps with their rows, answer, evidence, cost.

In: a result. Out: text. Law: all of it passes through `safe`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlm_dsl.cli.output import indent, safe
from rlm_dsl.cli.render.answer import answer_text, part_lines
from rlm_dsl.cli.render.evidence import evidence_text
from rlm_dsl.cli.render.steps import one_answer_lines, packed_lines, steps_table
from rlm_dsl.explore.view import cut
from rlm_dsl.language.edit.corrections import corrections_told

if TYPE_CHECKING:
    from rlm_dsl.engine.result import Result


NOT_ANSWERED = "no answer was given within {turns} turns: this is what was bound last; ask again with more --turns"

DOUBTED = "in doubt: {doubt}"
"""What its root model was told against an answer that it gave all the same."""


def steps_text(result: Result) -> str:
    return steps_table([record.as_json() for record in result.steps], {r.name: r.seconds for r in result.steps})


def result_text(result: Result) -> str:
    """Question, program, steps with their rows, answer, evidence, cost."""
    execution = result.execution
    parts = [f"question  {result.question}\n"] if result.question else []
    parts += [*work_lines(result), answer_text(execution.answer_json()["parts"]), *reviewed_lines(result)]
    parts += [evidence_text(result.evidence)]
    parts += packed_lines([record.as_json() for record in result.steps])
    parts += one_answer_lines([record.as_json() for record in result.steps])
    parts += corrections_told(result.program)
    if result.not_answered:
        parts.append(NOT_ANSWERED.format(turns=result.not_answered))
    parts += [DOUBTED.format(doubt=doubt) for doubt in result.doubts]
    if result.agreement is not None:
        agree, explored = result.agreement
        parts.append(f"agreement: {agree} of {explored} explorations came to this answer")
    return safe("\n".join([*parts, *cost_lines(result)]))


def reviewed_lines(result: Result) -> list[str]:
    """What reviewed rows say of the answer's numbers; where there are none, that no error is known."""
    from rlm_dsl.review.resting import resting_parts
    from rlm_dsl.review.reviewed import Reviewed

    trace = str(result.trace or "")
    held = result.reviewed or Reviewed(resting=resting_parts(result.execution.plan), trace=trace)
    return held.lines()


def work_lines(result: Result) -> Iterator[str]:
    """The program, its steps with their rows, and what it shows on the way."""
    yield from ("program", indent(result.program.rstrip("\n")), "", "steps", indent(steps_text(result)), "")
    for statement, part in result.execution.shown:
        yield from (cut(" ".join(statement.split()), 100), *part_lines(part.as_json()), "")


def cost_lines(result: Result) -> Iterator[str]:
    """What was spent, and where the run is recorded. What has no price is told by its pace."""
    spent, tokens = result.spent, result.spent.prompt_tokens + result.spent.completion_tokens
    paced = f", {tokens / result.seconds:,.0f} tokens a second" if tokens and not spent.usd and result.seconds else ""
    yield f"{spent.told()}, {result.seconds:.2f} s{paced}"
    for named, answered in spent.others:
        price = "no price is told: that of the other is not its own" if spent.usd is None else "its own price is told"
        yield f"{named} was asked for, and {answered} answered: {price}"
    if result.trace is not None:
        yield f"trace  {result.trace}  head {result.head}"
