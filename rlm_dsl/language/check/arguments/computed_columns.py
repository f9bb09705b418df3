"""Arguments that name what they compute: `name=expression` and `name=aggregate(...)`.

In: a slot and what is written for it. Out: nodes by the names of new columns. Law: a column may use those before it.
"""

from __future__ import annotations

from rlm_dsl.language.check.arguments.slot import Failed, Slot
from rlm_dsl.language.check.scope import Scope
from rlm_dsl.language.program import Node
from rlm_dsl.language.types import Field, Table


def check_derived(slot: Slot) -> tuple[tuple[str, Node], ...]:
    found: list[tuple[str, Node]] = []
    row, fine = slot.table, True
    for argument in slot.written:
        assert argument.name is not None
        slot.spans[f"column {argument.name}"] = argument.name_span
        try:
            node = slot.single(slot.in_row(argument.value, row), argument.value.span)
        except Failed:
            fine = False
            continue
        found.append((argument.name, node))
        row = row.replacing([Field(argument.name, node.type)])
    if not fine:
        raise Failed
    return tuple(found)


def check_aggregates(slot: Slot) -> tuple[tuple[str, Node], ...]:
    found: list[tuple[str, Node]] = []
    fine = True
    for argument in slot.written:
        assert argument.name is not None
        slot.spans[f"column {argument.name}"] = argument.name_span
        node = slot.check(slot.names, argument.value, Scope(row=slot.table, grouped=True))
        if node is None or isinstance(node.type, Table):
            fine = False
            continue
        found.append((argument.name, node))
    if not fine:
        raise Failed
    return tuple(found)
