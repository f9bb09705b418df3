"""Variants of a program that leave its words as they are: whom a step asks, rows a call, order of labels, chunks.

In: a candidate, its steps. Out: candidates, each with what was changed in words. Law: a variant is a candidate like any
other, measured on labels before it is taken; nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, replace_call
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.settings import Settings
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.cost import asked_models
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.program_changes.label_order import label_orders
from rlm_dsl.optimize.steps import Tunable

ROWS_PER_CALL = (5, 20)
MOST_VARIANTS = 64


def variants_of(
    base: Candidate, steps: Mapping[str, Tunable], examples: Sequence[Labelled], settings: Settings
) -> list[Candidate]:
    """All of them: models where the settings name several, rows a call and orders of labels where rows are labelled,
    chunks where whole runs are."""
    aliases = asked_models(settings, [step.using for step in steps.values()])
    several_models = len({(each.model, each.base_url) for each in aliases.values()}) > 1
    rows = [step for step in steps if any(e.step == step for e in examples)]
    found = model_variants(base, steps, aliases) if several_models else []
    found += packing_variants(base, rows) if rows else []
    found += label_orders(base, {steps[step].statement for step in rows if step in steps})
    if any(not example.step for example in examples):
        found += chunk_variants(base)
    return found


def model_variants(base: Candidate, steps: Mapping[str, Tunable], aliases: Iterable[str]) -> list[Candidate]:
    """Each step asked of each model of the run's settings."""
    found = []
    names, known = list(steps), sorted(aliases)
    for chosen in product(*([steps[n].using, *(a for a in known if a != steps[n].using)] for n in names)):
        changed = {n: a for n, a in zip(names, chosen, strict=True) if a != steps[n].using}
        candidate = base
        for name, alias in changed.items():
            candidate = candidate.with_arguments(steps[name], "", using=alias)
        if changed:
            words = ", ".join(f"{name} by {alias}" for name, alias in changed.items())
            found.append(replace(candidate, origin=f"{base.origin}, {words}"))
    return found[:MOST_VARIANTS]


def packing_variants(base: Candidate, steps: Iterable[str], counts: Sequence[int] = ROWS_PER_CALL) -> list[Candidate]:
    """Several rows a call."""
    packed = [(n, {**base.rows_per_call, **dict.fromkeys(steps, n)}) for n in counts]
    return [replace(base, rows_per_call=rows, origin=f"{base.origin}, {n} rows a call") for n, rows in packed]


def chunk_variants(base: Candidate) -> list[Candidate]:
    """Other sizes and overlaps of chunks: half and twice the size, and an overlap of a tenth."""
    tree = parse(Source("program", base.text))
    found = []
    for call in calls_in(tree.statements):
        if call.operator != "partition":
            continue
        written = {a.name: a.value for a in call.arguments if a.name}
        size = written.get("size")
        if not isinstance(size, t.Number) or not isinstance(size.value, int) or size.value < 2:
            continue
        for changed in (
            {"size": size.value // 2},
            {"size": size.value * 2},
            {"size": size.value, "overlap": max(1, size.value // 10)},
        ):
            kept = tuple(a for a in call.arguments if a.name not in changed)
            added = tuple(t.Argument(name, t.Number(value)) for name, value in changed.items())
            statements = replace_call(tree.statements, call, replace(call, arguments=(*kept, *added)))
            words = " ".join(f"{name} {value}" for name, value in changed.items())
            text = show(replace(tree, statements=statements))
            found.append(replace(base, text=text, origin=f"{base.origin}, chunks of {words}"))
    return found
