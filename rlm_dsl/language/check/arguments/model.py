"""Arguments of operators that ask a model: instructions, labels, examples.

In: a slot and what is written for it. Out: the instruction with its inserted values, a list of labels, examples.
Law: they are the same for all rows; nothing of a row gets into an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf
from typing import Any

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.common.source import Span
from rlm_dsl.language.check.arguments.slot import Failed, Slot
from rlm_dsl.language.program import UNKNOWN, Instruction, Literal, Node, known_value, plain_value
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import ListOf, Record, Table, bare, is_text


def check_words(slot: Slot, expression: t.Expression) -> Instruction:
    """The instruction's text with its inserted values. A name bound to a text inserts nothing of its own."""
    if not isinstance(expression, t.Text):
        text = known_value(slot.constant(expression))
        if not isinstance(text, str):
            raise slot.fail("C12", f"`{slot.parameter.name}` is a text", expression.span)
        return Instruction((text,))
    if not expression.value.strip():
        raise slot.fail("C12", f"`{slot.parameter.name}` is empty", expression.span, "say what you want to know")
    return Instruction(tuple(instruction_parts(slot, expression)))


def instruction_parts(slot: Slot, text: t.Text) -> list[str | Node]:
    """An instruction's text and inserted values, in order."""
    found: list[str | Node] = []
    at = 0
    for place in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}", text.value):
        found.append(text.value[at : place.start()] + (place[0][0] if place[1] is None else ""))
        if place[1] is not None:
            found.append(inserted_value(slot, place[1].strip(), text.span))
        at = place.end()
    found.append(text.value[at:])
    return [piece for piece in found if piece != ""]


def inserted_value(slot: Slot, name: str, span: Span) -> Node:
    if not re.fullmatch(r"\w+", name):
        raise slot.fail("C17", f"{{{name}}} is no name", span, "double a brace to mean itself: {{ and }}")
    node = slot.names.bindings.get(name)
    if node is None and slot.table.column(name) is not None:
        raise slot.fail(
            "C17",
            f"`{name}` is a column, and an instruction is the same for all rows",
            span,
            f"show it to the model instead: on=[{name}, ...]",
        )
    if node is None:
        if name not in slot.names.bindings:
            slot.names.report(
                "C17",
                f"nothing is bound to `{name}`",
                span,
                *did_you_mean(name, slot.names.known(), what="bound so far"),
                "double a brace to mean itself: {{ and }}",
            )
        raise Failed
    if isinstance(node.type, Table):
        raise slot.fail("C17", f"`{name}` is a table", span, "insert a value of it: text(t, col), values(t, col)")
    return node


def check_labels(slot: Slot, expression: t.Expression) -> Node:
    """A list of labels, or a record of what each means."""
    node = slot.constant(expression)
    of = bare(node.type)
    if isinstance(of, Record) and all(is_text(field.type) for field in of.fields):
        if len({field.name.strip().casefold() for field in of.fields}) < max(2, len(of.fields)):
            raise slot.fail("C12", "`labels` is at least two texts that differ by more than case", expression.span)
        meanings = plain_value(node)
        return node if meanings is UNKNOWN else Literal(meanings, of)
    if not isinstance(of, ListOf) or not is_text(of.of):
        raise slot.fail(
            "C03",
            f"`labels` is a list of texts, and this is {node.type}",
            expression.span,
            'write labels=["a", "b"], labels={a: "what it means", b: "..."}, or values(t, col)',
        )
    known = known_value(node)
    if known is not None and len({str(label).strip().casefold() for label in known}) < max(2, len(known)):
        raise slot.fail("C12", "`labels` is at least two texts that differ by more than case", expression.span)
    return node


def check_numbers(slot: Slot, expression: t.Expression) -> Mapping[str, int | float]:
    """A number by label, as plain values."""
    found = plain_value(slot.constant(expression))
    numbers = found.values() if isinstance(found, dict) else [None]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and 0 < n < inf for n in numbers):
        usage = f"write {slot.parameter.name}={{label: 1.5}}; 1 leaves it as it is"
        raise slot.fail("C12", f"`{slot.parameter.name}` is a positive number by label", expression.span, usage)
    return dict(found)


def check_demonstrations(slot: Slot, expression: t.Expression) -> tuple[Mapping[str, Any], ...]:
    """Texts with their answers, as plain values."""
    node = slot.constant(expression)
    usage = f'write {slot.parameter.name}=[{{text: "as it is shown", ...}}]'
    found = plain_value(node)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise slot.fail("C12", f"`{slot.parameter.name}` is a list of records, written out", expression.span, usage)
    for each in found:
        if not isinstance(each.get("text"), str) or len(each) < 2:
            raise slot.fail("C12", "an example is a `text` and the fields of its right answer", expression.span, usage)
    return tuple(found)
