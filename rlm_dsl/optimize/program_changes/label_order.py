"""Variants of a program whose labels stand in another order: weak models favour the first of a list.

In: a candidate, its labelled steps. Out: candidates. Law: the labels are the same; what an order is worth, labelled
rows say.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, replace_call
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.optimize.candidate import Candidate

FEWEST = 3
"""Labels of which the order is varied: two are told apart either way."""


def label_orders(base: Candidate, statements: Collection[str]) -> list[Candidate]:
    """Each `classify` of these statements with its labels turned round, and begun in their middle."""
    tree = parse(Source("program", base.text))
    found = []
    for call in calls_in(tuple(s for s in tree.statements if getattr(s, "name", "") in statements)):
        labels = next((a for a in call.arguments if a.name == "labels"), None)
        if call.operator != "classify" or labels is None or not isinstance(labels.value, t.Items):
            continue
        items = labels.value.items
        if len(items) < FEWEST:
            continue
        middle = len(items) // 2
        for words, order in (("turned round", items[::-1]), ("from the middle on", (*items[middle:], *items[:middle]))):
            changed = replace(labels, value=replace(labels.value, items=order))
            arguments = tuple(changed if a is labels else a for a in call.arguments)
            made = replace_call(tree.statements, call, replace(call, arguments=arguments))
            text = show(replace(tree, statements=made))
            found.append(replace(base, text=text, origin=f"{base.origin}, labels {words}"))
    return found
