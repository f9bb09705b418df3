"""How many rows each correction of a rerun changes.

In: corrections, a run that is not yet recorded, its tables. Out: a count beside each correction. Law: a correction that
changes no row is refused, so that no record tells of one that is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.engine.execution import Execution
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.edit.call_sites import calls_in
from rlm_dsl.language.edit.corrections import Correction
from rlm_dsl.language.edit.set_arguments import statement_of
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show_expression
from rlm_dsl.plan.stages import PlannedStep, QueryStage


def changed_rows(corrections: Sequence[Correction], run: Execution, warehouse: Warehouse) -> tuple[int, ...]:
    """The rows that each correction sets to something else. Raises UserError for one that sets none."""
    counts = []
    for correction in corrections:
        found = step_of(correction, run)
        if found is None:
            raise UserError(
                f"the answer does not rest on `{correction.step}`: a correction there changes nothing",
                "correct a step that the answer is computed from: --at STEP",
            )
        counts.append(int(warehouse.rows(count_of_changed(*found, correction.column))[0][0]))
        if not counts[-1]:
            raise UserError(unchanged(correction), "say which rows they are: --where 'id == 7'")
    return tuple(counts)


def unchanged(correction: Correction) -> str:
    where, to = show_expression(correction.where), show_expression(correction.to)
    return (
        f"the correction changes no row of `{correction.step}`: there is none where {where}, or `{correction.column}` "
        f"is {to} there already"
    )


def step_of(correction: Correction, run: Execution) -> tuple[QueryStage, PlannedStep] | None:
    """The planned step of a correction, and the query that it is part of; None where nothing needs it."""
    tree = parse(Source("program.rlm", run.text))
    statement = tree.statements[statement_of(tree, correction.step)]
    assert isinstance(statement, t.Binding | t.Answer)
    call = [call for call in calls_in(statement) if call == correction.call()][-1]
    queries = (stage for stage in run.plan.stages if isinstance(stage, QueryStage))
    planned = ((stage, step) for stage in queries for step in stage.steps if step.operator == call.operator)
    return next((found for found in planned if found[1].step.span.start == call.span.start), None)


def count_of_changed(stage: QueryStage, step: PlannedStep, column: str) -> Sql:
    """A query that counts the rows in which a step made another value of a column."""
    parts = joined(",\n", (sql("{n} AS ({q})", n=name(n), q=q) for n, q in stage.parts))
    after, before = (
        sql("SELECT {o}, {c} FROM {n}", o=name(ORD), c=name(column), n=name(n)) for n in (step.name, step.inputs[0])
    )
    query = "WITH {parts} SELECT count(*) FROM ({after} EXCEPT ALL {before})"
    return sql(query, parts=parts, after=after, before=before)
