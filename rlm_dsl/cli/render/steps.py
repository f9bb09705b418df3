"""What the commands say: turns, results, traces and plans told as a person would tell them.

In: values of the run. Out: text. Law: all text of data, models and traces passes through `safe`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlm_dsl.cli.output import indented, safe, table_text
from rlm_dsl.explore.view import cut

if TYPE_CHECKING:
    from rlm_dsl.common.source import Source
    from rlm_dsl.context.context import Context
    from rlm_dsl.engine.evidence import Evidence
    from rlm_dsl.engine.result import Result
    from rlm_dsl.explore.loop import Told
    from rlm_dsl.models.budget import Estimate

EVIDENCE_SHOWN = 6


def told_turn(told: Told) -> str:
    """One turn as it happens: what the root model wrote and what came of it."""
    program = told.program or "(no statement in the reply)"
    return safe(f"turn {told.number}\n{indented(program, '  > ')}\n{indented(cut(told.observation, 2_000), '    ')}\n")


def told_result(result: Result) -> str:
    """Question, program, steps with their rows, answer, evidence, cost."""
    execution = result.execution
    parts = [f"question  {result.question}\n"] if result.question else []
    parts += [
        "program",
        indented(result.program.rstrip("\n")),
        "",
        "steps",
        indented(steps_table([record.as_json() for record in result.steps], {r.name: r.seconds for r in result.steps})),
        "",
    ]
    for statement, part in execution.shown:
        parts += [cut(" ".join(statement.split()), 100), *told_part(part.as_json()), ""]
    parts += [told_answer(execution.answer_json()["parts"]), told_evidence(result.evidence)]
    if result.agreement is not None:
        agree, explored = result.agreement
        parts.append(f"agreement: {agree} of {explored} explorations came to this answer")
    parts.append(f"{result.spent.told()}, {result.seconds:.2f} s")
    if result.trace is not None:
        parts.append(f"trace  {result.trace}  head {result.head}")
    return safe("\n".join(parts))


def steps_table(steps: Sequence[Mapping[str, Any]], seconds: Mapping[str, float] | None = None) -> str:
    """A line a step: name, operator, rows or value, what it asked, time."""
    rows = [
        [
            step["step"],
            step["operator"],
            rows_or_value(step),
            asked_words(step.get("asked")),
            *([f"{seconds[step['step']] * 1000:,.0f} ms" if seconds.get(step["step"]) else ""] if seconds else []),
        ]
        for step in steps
    ]
    columns = ("step", "operator", "rows", "asked", "time") if seconds else ("step", "operator", "rows", "asked")
    return table_text(columns, rows, limit=200, width=60)


def rows_or_value(step: Mapping[str, Any]) -> str:
    if "rows" in step:
        return f"{step['rows']:,}"
    return f"= {json.dumps(step['value'], ensure_ascii=False)}" if "value" in step else ""


def asked_words(asked: Mapping[str, int] | None) -> str:
    if asked is None:
        return ""
    bad = ", ".join(f"{asked[s]:,} {s}" for s in ("invalid", "refused", "error") if asked.get(s))
    return f"{asked['requests']:,} requests" + (f", {bad}" if bad else "") + told_cascade(asked)


def told_cascade(asked: Mapping[str, Any]) -> str:
    """What a proxy did in the model's stead."""
    if asked.get("proxy_withdrawn"):
        return f", proxy withdrawn ({asked['rechecked_wrong']} of {asked['rechecked']} rechecked wrong)"
    return f", {asked['by_proxy']:,} by proxy" if "by_proxy" in asked else ""


def told_answer(parts: Sequence[Mapping[str, Any]]) -> str:
    """The answer: a value on one line, a table as rows, several parts each under its name."""
    return "\n".join(["answer", *(line for part in parts for line in told_part(part))])


def told_part(part: Mapping[str, Any]) -> list[str]:
    label = ".".join(part["part"])
    if "columns" not in part:
        value = json.dumps(part["value"], ensure_ascii=False)
        return [f"  {label} = {value}" if label else f"  {value}"]
    rows = table_text(tuple(part["columns"]), part["value"])
    return [f"  {label}", indented(rows, "    ")] if label else [indented(rows)]


def told_evidence(evidence: Sequence[Evidence]) -> str:
    """The first places that each part of the answer rests on, and how many there are."""
    lines = []
    before: dict[tuple[object, ...], str] = {}
    for one in evidence:
        part = ".".join(one.path)
        label = f" of {part}" if part else ""
        if (same := before.setdefault(one.spans, part)) != part:
            lines.append(f"\nevidence{label}: the {one.count:,} places of {same}")
            continue
        lines.append(f"\nevidence{label}: {one.count:,} {'place' if one.count == 1 else 'places'}")
        for span in one.spans[:EVIDENCE_SHOWN]:
            text = cut(" ".join(span.text.split()), 90)
            lines.append(f"  {place(span.source, span.first_line, span.last_line)}  {text}".rstrip())
        if one.count > EVIDENCE_SHOWN:
            lines.append(f"  ... {one.count - min(len(one.spans), EVIDENCE_SHOWN):,} more")
        for quoted in one.quotes[:EVIDENCE_SHOWN]:
            where = place(quoted.span.source, quoted.span.first_line, quoted.span.last_line)
            part_of = f" bytes {quoted.span.start}-{quoted.span.end}" if quoted.exact else ", spelled otherwise there"
            lines.append(f"  quote {quoted.at} of row {quoted.row}: {where}{part_of}")
    return "\n".join(line.replace("\n\n", "\n") if not line.startswith("\n") else line for line in lines) + "\n"


def place(source: str, first: int, last: int) -> str:
    return f"{source}:{first}" if first == last else f"{source}:{first}-{last}"


def planned(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """A program, its plan over the contexts, and their relations; nothing is run."""
    from rlm_dsl.engine.warehouse import VAST
    from rlm_dsl.language.check import Environment, check_program
    from rlm_dsl.language.operators.core.relation import Relation
    from rlm_dsl.language.sql import name
    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.language.types import Table
    from rlm_dsl.plan.build import build

    types = {known: context.schema for known, context in contexts.items()}
    program = check_program(parse(source), source, Environment(types, {}, params))
    owns = {known: context.own for known, context in contexts.items()}
    vast = {known for known, context in contexts.items() if context.count > VAST}
    relations = {
        field.name: Relation(name(field.name), field.type, False, owns.get(field.name, ""), field.name in vast)
        for field in program.contexts
        if isinstance(field.type, Table)
    }
    return program, build(program.statements, relations, {}), relations


def told_plan(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> str:
    """A program's canonical form, stages, bounds and SQL."""
    from rlm_dsl.engine.indexes import told_looks
    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.language.syntax.show import show
    from rlm_dsl.plan.bounds import bounds
    from rlm_dsl.plan.explain import bound_lines, plan_sql, rewrite_lines, step_lines

    program, plan, relations = planned(source, contexts, params)
    counts = {known: context.count for known, context in contexts.items()}
    return safe(
        "\n".join(
            [
                "program",
                indented(show(parse(source)).rstrip("\n")),
                "",
                "stages",
                *(f"  {line}" for line in step_lines(plan)),
                "",
                "rewrites",
                *(f"  {line}" for line in rewrite_lines(plan, program.statements)),
                *(f"  {line}" for line in told_looks(plan, relations, contexts)),
                "",
                "model calls",
                *(f"  {line}" for line in bound_lines(bounds(plan, counts))),
                "",
                "sql",
                indented(plan_sql(plan)),
            ]
        )
    )


def plan_json(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> dict[str, Any]:
    """The same as values."""
    from dataclasses import asdict

    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.language.syntax.show import show
    from rlm_dsl.plan.bounds import bounds
    from rlm_dsl.plan.explain import plan_sql, rewrite_lines, step_lines

    program, plan, _ = planned(source, contexts, params)
    counts = {known: context.count for known, context in contexts.items()}
    return {
        "program": show(parse(source)),
        "stages": step_lines(plan),
        "rewrites": list(rewrite_lines(plan, program.statements)),
        "model_calls": [asdict(bound) for bound in bounds(plan, counts)],
        "sql": plan_sql(plan),
    }


def told_dry_run(estimate: Estimate, source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> str:
    """What a run would ask: its first round as counted, the others as bounded."""
    from rlm_dsl.cli.approval import told_estimate
    from rlm_dsl.plan.bounds import bounds
    from rlm_dsl.plan.explain import bound_lines

    _, plan, _ = planned(source, contexts, params)
    all_ = bounds(plan, {known: context.count for known, context in contexts.items()})
    later = [bound for bound in all_ if bound.step != estimate.step]
    lines = [f"would ask  {told_estimate(estimate)}"]
    lines += [f"later      {line}" for line in bound_lines(later)] if later else []
    return safe("\n".join([*lines, "nothing was asked"]))


PROMPTS_SHOWN = 2
"""Rows whose prompts are shown."""


def told_prompts(source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> str:
    """What the first model step says to a model about its first rows; the steps before it are run, nothing is asked."""
    from rlm_dsl.engine.calls.prompts import first_prompts
    from rlm_dsl.models.settings import Settings

    step, requests, count = first_prompts(source, contexts, params, Settings())
    if not step:
        return "no model is asked"
    lines = [f"{step}: {count:,} requests; the first {len(requests)}:" if len(requests) > 1 else f"{step}: 1 request:"]
    for request in requests:
        lines += ["", f"about {request.prompt_tokens:,} tokens, answers of {json.dumps(request.schema)}"]
        for message in request.messages:
            lines += [f"--- {message.role}", indented(cut(message.content, 2_000))]
    return safe("\n".join(lines))
