"""Rows that an answer is made of: all of them as they are, any of them, or none.

In: an answer beside its question. Out: what speaks against it. Law: an answer over rows that were chosen, ordered or
counted is not doubted here; only exact steps are looked at, and none is run that asks a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.explore.doubts.asked import Asked
from rlm_dsl.explore.session import rests_on_data
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import (
    ContextRows,
    Node,
    RecordValue,
    Reference,
    Step,
    children,
    known_value,
    resolved,
    steps_of,
)
from rlm_dsl.language.types import Table, is_numeric, quoted_name
from rlm_dsl.plan.stages import physical_name

MANY = 20
"""Rows of a table that is an answer as it is."""
WHOLE = "That is the whole of `{name}` as it is: nothing was computed from it."
ANY = "`{operator}` takes rows in the order in which they happen to stand; sort them first, if some are meant."
BY_HAND = "`{name}` of that answer rests on no row of any context: compute it from the tables."
SAME = "`{column}` is the same in many rows: `count()` counts rows, `count_distinct({column})` what is different."
IN_ORDER = frozenset(
    "where select derive extract grep drop group distinct explode parse_json fill union join except".split()
)
"""Operators whose rows stand in no order that was asked for."""
SAID = re.compile(
    r"\b(?:first|last|latest|newest|earliest|oldest|recent|sample|any|example|some|random|few|rows?|lines?|head|begin\w*|"
    r"end|next|previous|show|list|all|every)\b",
    re.IGNORECASE,
)
"""Words of questions that ask for rows as they stand."""


def by_hand(asked: Asked) -> Iterator[str]:
    """Numbers of an answer of several parts that nobody computed."""
    whole = resolved(asked.node)
    if isinstance(whole, RecordValue):
        for name, node in whole.fields:
            if is_numeric(node.type) and not rests_on_data(node):
                yield BY_HAND.format(name=name)


def as_they_are(asked: Asked) -> Iterator[str]:
    """A whole table as an answer."""
    whole = resolved(asked.node)
    wanted = re.search(r"\b(?:all|show|list|every)\b", asked.question, re.IGNORECASE)
    if isinstance(whole, ContextRows) and not wanted and asked.session.runner.warehouse.count(whole.name) > MANY:
        yield WHOLE.format(name=whole.name)


def any_rows(asked: Asked) -> Iterator[str]:
    """Some of many rows that nothing has put in order, within the answer itself: what was bound was seen first."""
    if SAID.search(asked.question):
        return
    for step in inline(asked.node):
        if step.operator not in ("take", "first", "last") or not in_no_order(step.inputs[0]):
            continue
        taken = known_value(step.arguments["n"]) if step.operator == "take" else 1
        if isinstance(taken, int) and (rows_of(asked, step.inputs[0]) or 0) > taken:
            yield ANY.format(operator=step.operator)
            return


def inline(node: Node) -> Iterator[Step]:
    """The steps of a statement that stand behind no name."""
    if isinstance(node, Step):
        yield node
    if not isinstance(node, Reference):
        for child in children(node):
            yield from inline(child)


def in_no_order(node: Node) -> bool:
    """Whether rows stand as their source has them, or as groups happen to come."""
    inner = resolved(node)
    while isinstance(inner, Step) and inner.operator in IN_ORDER and inner.inputs:
        inner = resolved(inner.inputs[0])
    return isinstance(inner, ContextRows)


def rows_of(asked: Asked, node: Node) -> int | None:
    """How many rows an exact step makes; None where it asks a model, or cannot be run alone."""
    if any(table_operators()[step.operator].model is not None for step in steps_of(node)):
        return None
    try:
        return asked.session.runner.warehouse.count(physical_name(asked.session.made(node)))
    except (UserError, KeyError):
        return None


def counted_rows(asked: Asked) -> Iterator[str]:
    """Rows that were counted where a column is named in "how many", of which many rows have the same."""
    found = re.search(r"\bhow many (?:different |distinct |unique )?([a-z_ ]+)", asked.question, re.IGNORECASE)
    if found is None or asked.asks or not isinstance(resolved(asked.node), Step):
        return
    step = resolved(asked.node)
    assert isinstance(step, Step)
    if step.operator != "count" or not isinstance(table := step.inputs[0].type, Table):
        return
    said = found[1].split()[0].lower()
    for column in table.columns:
        if said not in plurals(column.name.lower()) or said in {
            name.lower() for name in asked.session.environment.contexts
        }:
            continue
        distinct = rows_of(asked, step.inputs[0])
        different = asked.session.different(step.inputs[0], column.name)
        if distinct and different is not None and 2 * different <= distinct:
            yield SAME.format(column=quoted_name(column.name))


def plurals(word: str) -> set[str]:
    return {f"{word}s", f"{word}es", f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"}
