"""What a query looks for in a context, so that rows which cannot have it need not be read.

In: a stage. Out: by context, for each step that reads it, sets of texts, one of each of which stands in every row that
the step takes. Law: a context is named only if nothing else in the query reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.sql import render
from rlm_dsl.plan.explain import query
from rlm_dsl.plan.stages import PlannedStep, QueryStage

Looks: TypeAlias = tuple[tuple[Collection[str], ...], ...]


def looks(stage: QueryStage, contexts: Mapping[str, Relation]) -> dict[str, Looks]:
    """The looks of a stage, by the contexts that they alone read."""
    read = {name: [step for step in stage.steps if name in step.inputs] for name in contexts}
    found = {name: tuple(look(step, contexts[name]) for step in steps) for name, steps in read.items() if steps}
    wanted = {name: sets for name, sets in found.items() if all(sets)}
    if not wanted:
        return {}
    text, _ = render(query(stage))
    return {name: sets for name, sets in wanted.items() if text.count(str(contexts[name].sql.parts[0])) == len(sets)}


def look(step: PlannedStep, context: Relation) -> tuple[Collection[str], ...]:
    """The sets of texts that a step's rows must have in the column that holds a context's own bytes."""
    column, sets = table_operators()[step.operator].required_texts(step.step.arguments)
    return sets if column == context.own != "" and len(step.inputs) == 1 else ()
