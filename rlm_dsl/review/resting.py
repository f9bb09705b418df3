"""Which parts of an answer are numbers that rest on a model step: told from the program alone, without its data.

In: a plan, or a sealed trace. Out: names of parts. Law: a trace whose program asks no model is not looked at further.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.operators.core.registry import recorded_versions
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.sql import name as named
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.plan.build import build
from rlm_dsl.plan.stages import Plan
from rlm_dsl.review.numbers import numbers_of
from rlm_dsl.trace.reader import Trace

LISTED = "its rows are listed, not counted"


def resting_parts(plan: Plan) -> tuple[str, ...]:
    """The parts of a plan's answer that are numbers and rest on a model, by name; "" is a whole answer."""
    found = (each for each in numbers_of(plan) if each.why not in ("it is no number", LISTED))
    return tuple(dict.fromkeys(".".join(each.part) for each in found))


def resting_of(trace: Trace) -> tuple[str, ...]:
    """The same of a finished trace; nothing where its program is not understood."""
    if not any(step.get("asked") for step in trace.steps):
        return ()
    try:
        return resting_parts(plan_of(trace))
    except (ProgramError, UserError, StopIteration):
        return ()


def plan_of(trace: Trace) -> Plan:
    """The plan of a recorded program, by the types of its data."""
    header, source = trace.header, Source("program.rlm", trace.program)
    held = {str(c["name"]): parse_table_type(str(c["schema"])) for c in header["contexts"]}
    types = {name: table for name, table in held.items() if table is not None}
    environment = Environment(types, {}, header.get("params", {}), recorded_versions(header))
    program = check_program(parse(source), source, environment)
    return build(program.statements, {name: Relation(named(name), table, False) for name, table in types.items()}, {})
