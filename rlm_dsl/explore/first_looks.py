"""A first look at all contexts together: each as fully as a few tokens for all of them allow.

In: contexts by name. Out: text. Law: it has at most MOST_TOKENS estimated tokens, however many contexts there are and
whatever they hold; every context is named as long as the names alone fit; where all fits, nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlm_dsl.common.counted import counted
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.first_look import first_look, heading
from rlm_dsl.explore.view import cell, cut
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.types import Table, quoted_name
from rlm_dsl.models.request import estimated_tokens

MOST_TOKENS = 1_400
"""Estimated tokens of all that is told before the first turn."""
BRIEF = (160, 60, 1)
"""Characters of a context's columns where there is room for no more: the most with which all contexts are told of."""
PARTS = (120, 250, 500, 900, 1_300)
"""Estimated tokens of a context that is told of in part."""


def first_looks(contexts: Mapping[str, Relation], warehouse: Warehouse, most: int = MOST_TOKENS) -> str:
    """What is told of all contexts, in `most` estimated tokens. Each is told briefly, then one after the other more
    fully, while there is room: first those whose columns no other has had before."""
    for columns in BRIEF:
        told = {name: briefly(name, contexts, warehouse, columns) for name in contexts}
        if (room := most - sum(map(tokens, told.values()))) >= 0:
            break
    else:
        return "\n".join(as_many_as_fit(list(told.items()), most))
    known = {name for name in contexts if len(contexts) > FEW_ALIKE and alike(name, contexts) is not None}
    for some in (contexts.keys() - known, known):
        fuller = {
            name: more_fully(name, contexts, warehouse, told[name], name in known) for name in told if name in some
        }
        for level in range(max(map(len, fuller.values()), default=0)):
            for name, each in fuller.items():
                if level < len(each) and (more := tokens(each[level]) - tokens(told[name])) <= room:
                    told[name], room = each[level], room - more
    return "\n".join(told.values())


def briefly(name: str, contexts: Mapping[str, Relation], warehouse: Warehouse, columns: int) -> str:
    """A context in a line: its columns, or whose they are too, and how many rows."""
    relation, count = contexts[name], warehouse.count(name)
    if len(contexts) > FEW_ALIKE and (other := alike(name, contexts)) is not None:
        return f"context {quoted_name(name)}: the columns of {quoted_name(other)}, {counted(count, 'row')}"
    return heading(name, relation.type, count, columns)


def more_fully(name: str, contexts: Mapping[str, Relation], warehouse: Warehouse, brief: str, known: bool) -> list[str]:
    """Fuller ways of telling a context, to all of it; one whose columns are known is told with its first row."""
    relation = contexts[name]
    if known:
        rows = (" | ".join(cell(value, 120) for value in row) for row in warehouse.table(relation, 1))
        return ["\n".join([brief, *(f"  {cut(row, BRIEF[0])}" for row in rows)])]
    whole = first_look(name, relation, warehouse)
    return [*(part(whole.split("\n"), brief, room) for room in PARTS), whole]


def part(lines: Sequence[str], brief: str, room: int) -> str:
    """As many lines as go into so many tokens; a long one is cut short, so that others have room too."""
    kept = [lines[0] if tokens(lines[0]) <= room // 2 else brief]
    room -= tokens(kept[0])
    for line in lines[1:]:
        short = line if tokens(line) <= room // 3 else cut(line, max(20, room * len(line) // (4 * tokens(line))))
        if tokens(short) > room:
            break
        kept.append(short)
        room -= tokens(short)
    return "\n".join(kept)


FEW_ALIKE = 4
"""Up to so many contexts each is told by itself, also those whose columns are the same."""


def alike(name: str, contexts: Mapping[str, Relation]) -> str | None:
    """An earlier context of the same columns."""
    type_: Table = contexts[name].type
    earlier = next(other for other, relation in contexts.items() if relation.type == type_)
    return None if earlier == name else earlier


def as_many_as_fit(told: Sequence[tuple[str, str]], most: int = MOST_TOKENS) -> list[str]:
    """The first contexts briefly, of the rest as many names as fit."""
    kept: list[str] = []
    room = most // 2
    while len(kept) < len(told) and (room := room - tokens(told[len(kept)][1])) >= 0:
        kept.append(told[len(kept)][1])
    names: list[str] = []
    room = most // 2 - 20
    for name, _ in told[len(kept) :]:
        if (room := room - estimated_tokens(quoted_name(name)) - 1) < 0:
            break
        names.append(quoted_name(name))
    left_out = len(told) - len(kept) - len(names)
    more = f", and {left_out:,} others" if left_out else ""
    return [*kept, f"more contexts: {', '.join(names)}{more}"]


def tokens(text: str) -> int:
    return estimated_tokens(text) + 1
