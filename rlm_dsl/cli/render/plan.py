"""A program's plan: canonical form, stages, rewrites, bounds of what it asks, SQL.

In: a program, its contexts and params. Out: text, or the same as values. Law: nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rlm_dsl.cli.output import indent, safe
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.context.format_registry import own_column
from rlm_dsl.engine.indexes import told_looks
from rlm_dsl.engine.shards.sharded_rows import ShardedRows
from rlm_dsl.engine.warehouse.context_rows import is_vast
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Program
from rlm_dsl.language.sql import name
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import Table
from rlm_dsl.plan.bounds import bounds
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import bound_lines, plan_sql, rewrite_lines, step_lines
from rlm_dsl.plan.stages import Plan
from rlm_dsl.plan.where import where_lines

Planned = tuple[Program, Plan, dict[str, Relation]]


def plan_of(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> Planned:
    """A program, its plan over the contexts, and their relations; nothing is run."""
    types = {known: context.schema for known, context in contexts.items()}
    program = check_program(parse(source), source, Environment(types, {}, params))
    owns = {known: own_column(context) for known, context in contexts.items()}
    vast = {known for known, context in contexts.items() if is_vast(context.rows)}
    relations = {
        field.name: Relation(name(field.name), field.type, False, owns.get(field.name, ""), field.name in vast)
        for field in program.contexts
        if isinstance(field.type, Table)
    }
    return program, build(program.statements, relations, {}), relations


def plan_text(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> str:
    """A program's canonical form, stages, bounds and SQL."""
    program, plan, relations = plan_of(source, contexts, params)
    counts = {known: context.count for known, context in contexts.items()}
    return safe(
        "\n".join(
            [
                "program",
                indent(show(parse(source)).rstrip("\n")),
                "",
                "stages",
                *(f"  {line}" for line in step_lines(plan)),
                "",
                "rewrites",
                *(f"  {line}" for line in rewrite_lines(plan, program.statements)),
                *(f"  {line}" for line in told_looks(plan, relations, contexts)),
                "",
                *placed_lines(plan, contexts),
                "model calls",
                *(f"  {line}" for line in bound_lines(bounds(plan, counts))),
                "",
                "sql",
                indent(plan_sql(plan)),
            ]
        )
    )


def placed_lines(plan: Plan, contexts: Mapping[str, Context]) -> list[str]:
    """What runs where, of contexts in shards; nothing where all of it runs here."""
    lines = where_of(plan, contexts)
    return ["where", *(f"  {line}" for line in lines), ""] if lines else []


def where_of(plan: Plan, contexts: Mapping[str, Context]) -> list[str]:
    shards = {
        known: len(context.rows.shards) for known, context in contexts.items() if isinstance(context.rows, ShardedRows)
    }
    counts = {known: contexts[known].count for known in shards}
    return where_lines(plan, counts, shards) if shards else []


def plan_json(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> dict[str, Any]:
    """The same as values."""
    program, plan, _ = plan_of(source, contexts, params)
    counts = {known: context.count for known, context in contexts.items()}
    return {
        "program": show(parse(source)),
        "stages": step_lines(plan),
        **({"where": where} if (where := where_of(plan, contexts)) else {}),
        "rewrites": list(rewrite_lines(plan, program.statements)),
        "model_calls": [asdict(bound) for bound in bounds(plan, counts)],
        "sql": plan_sql(plan),
    }
