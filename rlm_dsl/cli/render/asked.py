"""The result of a question: the answer first, then what it rests on, whether it was agreed on, what would change it.

In: a result. Out: text. Law: every sentence is made from the program, its steps and its evidence, never by a model; all
of it passes through `safe`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rlm_dsl.cli.output import indent, safe
from rlm_dsl.cli.render.answer import answer_text
from rlm_dsl.cli.render.evidence import evidence_text
from rlm_dsl.cli.render.result import DOUBTED, NOT_ANSWERED, cost_lines, work_lines
from rlm_dsl.cli.render.steps import one_answer_lines, packed_lines
from rlm_dsl.common.counted import counted
from rlm_dsl.language.edit.corrections import corrections_told
from rlm_dsl.language.reference.in_words import in_words
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.report.coverage import answered, read_of

if TYPE_CHECKING:
    from rlm_dsl.engine.result import Result


def asked_text(result: Result, *, explained: bool = False) -> str:
    """Answer, what it rests on, what would change it, program, steps, cost; `explained` tells the program in words."""
    parts = [answer_text(result.execution.answer_json()["parts"]), evidence_text(result.evidence)]
    parts += ["rests on", *map(indent, rests_on(result)), ""]
    parts += ["would change it", *map(indent, would_change(result)), ""]
    if explained:
        parts += ["in words", *map(indent, in_words(result.tree)), ""]
    return safe("\n".join([*parts, *work_lines(result), *cost_lines(result)]))


def rests_on(result: Result) -> Iterator[str]:
    """How much was read and by whom, whether each row that was asked about has an answer, and who agrees."""
    steps = [record.as_json() for record in result.steps]
    yield from read_of(steps, result.context_rows)
    yield from answered(steps)
    yield from corrections_told(result.program)
    yield from packed_lines(steps)
    yield from one_answer_lines(steps)
    if result.not_answered:
        yield NOT_ANSWERED.format(turns=result.not_answered)
    yield from (DOUBTED.format(doubt=doubt) for doubt in result.doubts)
    if result.agreement is not None:
        agree, explored = result.agreement
        yield f"{agree} of {explored} explorations came to this answer."


def would_change(result: Result) -> Iterator[str]:
    """What the answer depends on beside the program: models, params, data."""
    models = " or ".join(sorted({usage.model for usage in result.usage if not usage.root}))
    asking = [
        f"`{r.name}` ({counted(r.asked['rows'], 'row')})"
        for r in result.steps
        if r.asked is not None and r.asked["rows"]
    ]
    trace = result.trace or "TRACE"
    if asking:
        yield f"another answer of {models or 'the model'} in {', '.join(asking)}"
    for statement in result.tree.statements:
        if isinstance(statement, t.ParamStatement):
            yield f"another `{statement.name}`: rlm-dsl rerun {trace} --param {statement.name}=VALUE"
    names = [s.name for s in result.tree.statements if isinstance(s, t.ContextStatement)]
    if names:
        data = " ".join(f"--context {name}=PATH" for name in names)
        yield f"other data: rlm-dsl rerun {trace} {data}"
