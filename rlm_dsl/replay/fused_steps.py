"""Steps whose rows were not recorded, as they are a part of another step's query: computed again for who asks for them.

In: a trace, where its data lies, names of steps. Out: their rows. Law: no model is asked, every answer is the recorded
one; the data must be what it was; secrets that the recorder took out are taken out here too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.sub_runs import replayed_calls
from rlm_dsl.engine.execution import checked_program
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.run_trace import recorded_calls, recorded_settings, redacted_table
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.registry import recorded_versions
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import name, sql
from rlm_dsl.models.recorded import Recorded
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import query
from rlm_dsl.plan.stages import QueryStage
from rlm_dsl.replay.sources import load_context, require_names
from rlm_dsl.replay.verify import differences
from rlm_dsl.trace.reader import Trace

if TYPE_CHECKING:
    import pyarrow as pa


def fused_tables(trace: Trace, given: Mapping[str, str | Context], wanted: Collection[str]) -> dict[str, pa.Table]:
    """The rows of steps that are parts of other steps' queries, by name. Raises UserError where the data is not there,
    or not what it was."""
    header = trace.header
    contexts = {each["name"]: data_of(each, given, trace) for each in header["contexts"]}
    redaction, _, _ = recorded_redaction(header, contexts)
    answers = recorded_calls(trace)
    options = CallOptions.recorded(header, redaction.redact)
    calls = replayed_calls(recorded_settings(trace), Recorded(answers.answer, answers.packs), options)
    source = Source("program.rlm", trace.program)
    try:
        program = checked_program(source, contexts, header.get("params", {}), recorded_versions(header))
    except ProgramError as failure:
        raise UserError(f"{trace.name}: its program does not check: {failure}", "see: rlm-dsl verify") from None
    with Warehouse(contexts=contexts.values()) as warehouse:
        plan = build(program.statements, warehouse.contexts, {})
        Runner(warehouse, calls, NoProgress(), digests=False).run(plan)
        held = {}
        for stage in plan.stages:
            for number, (part, _) in enumerate(stage.parts if isinstance(stage, QueryStage) else ()):
                if part in wanted:
                    assert isinstance(stage, QueryStage)
                    held[part] = redacted_table(part_rows(warehouse, stage, number), redaction)
        return held


def data_of(recorded: Mapping[str, Any], given: Mapping[str, str | Context], trace: Trace) -> Context:
    """A recorded context, if it is what it was."""
    require_names(given, (str(context["name"]) for context in trace.header["contexts"]))
    hint = f"say where the data lies: --context {recorded['name']}=PATH"
    try:
        context = load_context(recorded, given, trace.folder)
    except UserError as failure:
        raise UserError(f"{failure.message}: steps without recorded rows are computed from the data", hint) from None
    if changes := differences(recorded, context):
        raise UserError(f"{changes[0].message}: steps without recorded rows are computed from the data", hint)
    return context


def part_rows(warehouse: Warehouse, stage: QueryStage, number: int) -> pa.Table:
    """The rows of one part of a stage's query, in their order."""
    import pyarrow as pa

    part = query(replace(stage, parts=stage.parts[: number + 1]))
    return pa.concat_tables(warehouse.tables(sql("SELECT * FROM ({q}) ORDER BY {o}", q=part, o=name(ORD))))


def recorded_nowhere(trace: Trace, recorded: Collection[str]) -> list[str]:
    """The steps of a run that are tables, and of which no rows were recorded."""
    known = {step.lower() for step in recorded}
    found = []
    with suppress(UserError):
        found = [step["step"] for step in trace.steps if "rows" in step and step["step"].lower() not in known]
    return found
