"""A plan as text: its SQL, a block a stage, and its bounds.

In: a plan. Out: text for people, and the `plan.sql` of a trace. Law: the text is the same for the same plan.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import Bound as Statement
from rlm_dsl.language.program import Step, constant_text, resolved, steps_of
from rlm_dsl.language.sql import Sql, joined, name, render, sql
from rlm_dsl.language.types import Table
from rlm_dsl.plan.bounds import Bound
from rlm_dsl.plan.stages import ModelStage, Plan, QueryStage


def query(stage: QueryStage) -> Sql:
    """The stage's query: its parts as common table expressions, the last one's rows. What comes from a vast context is
    read again where it is needed twice, not kept meanwhile."""
    last, body = stage.parts[-1]
    if len(stage.parts) == 1:
        return body
    kept = " NOT MATERIALIZED" if stage.relation is not None and stage.relation.vast else ""
    steps = joined(",\n", (sql(f"{{n}} AS{kept} (\n  {{q}}\n)", n=name(n), q=q) for n, q in stage.parts[:-1]))
    return sql("WITH {steps}\n{body}", steps=steps, body=body) if last else body


def plan_sql(plan: Plan) -> str:
    """The whole plan as SQL, a block a stage, with the bound values in comments."""
    return "\n\n".join(block(stage) for stage in plan.stages) + "\n"


def block(stage: QueryStage | ModelStage) -> str:
    match stage:
        case QueryStage(table, _, steps):
            text, values = render(query(stage))
            told = " -> ".join(f"{step.name} ({step.operator})" for step in steps) or "value"
            made = name(table).parts[0]
            return "\n".join([f"-- {told}", *value_lines(values), f"CREATE TABLE {made} AS\n{text};"])
        case ModelStage(table, step, step_name):
            text, values = render(stage.rows)
            made = name(table).parts[0]
            head = f"-- {step_name} ({step.operator}): a model is asked about each row of this query;"
            return "\n".join([head, f"-- its answers become {made}", *value_lines(values), f"{text};"])


def value_lines(values: Mapping[str, Any]) -> list[str]:
    return [f"-- ${n} = {json.dumps(constant_text(v), ensure_ascii=False)}" for n, v in values.items()]


def bound_lines(bounds: Sequence[Bound]) -> list[str]:
    """What model calls there can be at most, a line a round."""
    if not bounds:
        return ["no model calls"]
    return [
        f"{b.step} ({b.operator}): "
        + (
            f"at most {counted(b.calls, 'call')} for {counted(b.rows, 'row')}"
            if b.calls is not None and b.rows is not None
            else "calls are counted when its rows are there"
        )
        for b in bounds
    ]


def step_lines(plan: Plan) -> list[str]:
    """A line a step: its stage, name, operator, what it makes."""
    lines: list[str] = []
    for number, stage in enumerate(plan.stages, 1):
        match stage:
            case ModelStage(_, step, step_name):
                lines.append(
                    f"{number}. ask    {step_name}: {step.operator}, {table_operators()[step.operator].summary}"
                )
            case QueryStage(table, _, steps, _, type_):
                chain = " -> ".join(step.operator for step in steps) or "value"
                made = f"{len(type_.columns)} columns" if isinstance(type_, Table) else str(type_)
                lines.append(f"{number}. query  {table}: {chain} ({made})")
    return lines


def rewrite_lines(plan: Plan, statements: Sequence[Statement]) -> list[str]:
    """What was made of the program, and why: steps moved, fused, shared and left out."""
    lines = [f"{r.moved} goes before {r.before}: {r.why}" for r in plan.rewrites]
    for step in plan.steps:
        lines += [f"{step.name}: {told}" for told in table_operators()[step.operator].rewrites(step.step.arguments)]
    read = Counter(name for step in plan.steps for name in step.inputs)
    for stage in plan.stages:
        if isinstance(stage, ModelStage) and stage.enough is not None:
            lines.append(
                f"{stage.step_name}: asked in waves, until {counted(stage.enough, 'row', 'are')} kept; then no more"
            )
        if isinstance(stage, QueryStage) and len(stage.steps) > 1:
            fused = " -> ".join(step.name for step in stage.steps)
            lines.append(f"{fused}: one query, for nothing else reads the steps on the way")
    lines += [f"{name}: computed once and read {n} times" for name, n in read.items() if n > 1 and name in tables(plan)]
    wanted = [s.node for s in statements if s.kind != "binding"] or [s.node for s in statements[-1:]]
    needed = {inner.identity for node in wanted for inner in steps_of(node)}
    planned = {step.name for step in plan.steps}
    for statement in statements:
        inner = resolved(statement.node)
        if statement.kind != "binding" or not isinstance(inner, Step) or statement.name in planned:
            continue
        unused = inner.identity not in needed
        why = "nothing that is shown or answered needs it" if unused else "what reads it was put before it, as above"
        lines.append(f"{statement.name}: not made, for {why}")
    return lines or ["none"]


def tables(plan: Plan) -> set[str]:
    return {stage.name for stage in plan.stages if isinstance(stage, QueryStage)}
