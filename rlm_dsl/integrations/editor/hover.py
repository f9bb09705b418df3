"""What a word of a program means.

In: a text, an offset, what is bound before the text. Out: Markdown and the word's place, or None.
Law: never raises; a name is told with its type, a call with its manual, an argument with what it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlm_dsl.common.source import Span
from rlm_dsl.integrations.editor.cursor import Cursor, Place, cursor
from rlm_dsl.integrations.editor.reading import EMPTY, environment_after, plain_name, scanned
from rlm_dsl.language.check import Environment
from rlm_dsl.language.operators.core.registry import aggregates, functions, table_operators
from rlm_dsl.language.reference.manual import entry_called, manual_of, parameter_words
from rlm_dsl.language.syntax.tokens import NAMES, Token
from rlm_dsl.language.types import Record, Table, Type, bare, quoted_name

WORDS: Mapping[str, str] = {
    "context": "`context name: table(column: type)` says what a table of the data looks like.",
    "param": "`param name: type = value` is a value that may be given anew for each run.",
    "show": "`show expression` shows a value on the way.",
    "answer": "`answer expression` is what the program comes to; a program has one.",
}


@dataclass(frozen=True, slots=True)
class Hover:
    """What to say, and of which part of the text."""

    markdown: str
    span: Span


def hover(text: str, offset: int, environment: Environment = EMPTY) -> Hover | None:
    """What the word at an offset means."""
    words = scanned(text).tokens
    touching = [at for at, word in enumerate(words) if word.start <= offset <= word.end]
    at = next((i for i in reversed(touching) if words[i].text[0].isalpha() or words[i].text[0] in "_`"), None)
    if at is None or words[at].type in ("TEXT", "RAW"):
        return None
    place = cursor(text, words[at].start, environment)
    after = words[at + 1].type if at + 1 < len(words) else ""
    told = None if place is None else meaning(words[at], after, place, text, environment)
    return None if told is None else Hover(told, words[at].span)


def meaning(word: Token, after: str, place: Cursor, text: str, environment: Environment) -> str | None:
    name = plain_name(word.text)
    before = place.before.type if place.before else ""
    if before == "DOT":
        return typed(name, field_type(name, place), "field")
    if word.type not in NAMES:
        return WORDS.get(word.text) or (manual_of(functions()[name]).markdown() if name in functions() else None)
    if after == "LPAR":
        return called(name, place)
    if after == "EQUAL" and place.inside is not None:
        return argument(name, place.inside)
    bound = environment_after(text, environment)
    held: Mapping[str, Type] = {**bound.contexts, **{known: node.type for known, node in bound.bindings.items()}}
    if not place.words or before in ("CONTEXT", "PARAM"):
        return typed(name, held.get(name), "context" if before == "CONTEXT" else "name")
    if place.scope.row is not None and not place.scope.grouped and (type_ := place.scope.row.column(name)) is not None:
        return typed(name, type_, "column")
    if after == "COLON":
        return None
    return typed(name, held.get(name), "context" if name in bound.contexts else "name")


def typed(name: str, type_: Type | None, what: str) -> str | None:
    return None if type_ is None else f"```rlm\n{quoted_name(name)}: {type_}\n```\n\n{what}"


def field_type(name: str, place: Cursor) -> Type | None:
    side = place.words[-2].text if len(place.words) > 1 else ""
    table = {"left": place.scope.left, "right": place.scope.right}.get(side)
    if table is not None:
        return table.column(name)
    type_ = place.type_before(len(place.words) - 1)
    record = None if type_ is None else bare(type_)
    return record.field(name) if isinstance(record, Record) else None


def called(name: str, place: Cursor) -> str | None:
    """The manual of what is called: in a group an aggregate, over a row or behind a value a function."""
    if place.scope.grouped and name in aggregates():
        return manual_of(aggregates()[name]).markdown()
    piped = place.before is not None and place.before.type == "BAR"
    type_ = place.type_before(len(place.words) - 1) if piped else None
    of_value = (type_ is not None and not isinstance(type_, Table)) or (not piped and place.scope.row is not None)
    if of_value and name in functions():
        return manual_of(functions()[name]).markdown()
    entry = entry_called(name)
    return None if entry is None else manual_of(entry).markdown()


def argument(name: str, inside: Place) -> str | None:
    """What a keyword argument takes."""
    operator = inside.operator or table_operators().get(inside.frame.call or "")
    found = next((p for p in operator.parameters if p.name == name and not p.variadic), None) if operator else None
    if operator is None or found is None:
        return None
    return f"```rlm\n{found.signature}\n```\n\nargument of `{operator.name}`: {parameter_words(found)}"
