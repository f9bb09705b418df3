"""Which call is being written, and which of its parameters.

In: a text, an offset, what is bound before the text. Out: the call's form with the places of its parameters, or None.
Law: never raises; it is told inside a text too, where arguments are long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlm_dsl.common.source import Span
from rlm_dsl.integrations.editor.cursor import Cursor, Place, cursor, text_start
from rlm_dsl.integrations.editor.reading import EMPTY
from rlm_dsl.language.check import Environment
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.registry import aggregates, functions
from rlm_dsl.language.reference.manual import manual_of, parameter_words


@dataclass(frozen=True, slots=True)
class Signature:
    """A call's form; `active` counts its `parameters`, which are places in the form, each with what it takes."""

    form: str
    manual: str
    parameters: tuple[tuple[Span, str], ...]
    active: int | None


def signature(text: str, offset: int, environment: Environment = EMPTY) -> Signature | None:
    """The innermost call around an offset."""
    start = text_start(text, offset)
    at = cursor(text, offset if start is None else start, environment)
    if at is None:
        return None
    return next((found for place in reversed(at.places) if (found := of_place(at, place)) is not None), None)


def of_place(at: Cursor, place: Place) -> Signature | None:
    name, given = place.frame.call or "", place.frame.given
    piped = place.frame.at >= 2 and at.words[place.frame.at - 2].type == "BAR"
    if (operator := place.operator) is not None:
        told = {p.signature: parameter_words(p) for p in operator.parameters}
        wanted = None if place.parameter is None else place.parameter.signature
        parts = list(parts_of(operator.signature))
        spans = tuple((span, told.get(operator.signature[span.start : span.end], "a table")) for span in parts)
        active = [n for n, span in enumerate(parts) if operator.signature[span.start : span.end] == wanted]
        return Signature(operator.signature, manual_of(operator).markdown(), spans, next(iter(active), None))
    entry = (aggregates() if place.scope.grouped else functions()).get(name) or aggregates().get(name)
    if entry is None or isinstance(entry, Operator):
        return None
    parts = list(parts_of(entry.signature))
    number, spans = len(given) - 1 + piped, tuple((span, "") for span in parts)
    if parts and "..." in entry.signature[parts[-1].start : parts[-1].end]:
        number = min(number, len(parts) - 1)
    return Signature(entry.signature, manual_of(entry).markdown(), spans, number if number < len(parts) else None)


def parts_of(form: str) -> Iterator[Span]:
    """The places of a form's parameters: what stands between the commas of its outermost brackets."""
    start = form.find("(") + 1
    depth, at = 0, start
    for at in range(start, len(form)):
        if form[at] in "([{":
            depth += 1
        elif form[at] in ")]}" and depth:
            depth -= 1
        elif form[at] == ")" or (form[at] == "," and depth == 0):
            begin = start + len(form[start:at]) - len(form[start:at].lstrip())
            if begin < at:
                yield Span(begin, at)
            start = at + 1
            if form[at] == ")":
                return
