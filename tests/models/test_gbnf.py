"""Grammars for llama.cpp: they take the compact JSON of a type and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, UnexpectedInput

from rlm_dsl.language.answer_schema import json_schema, read_answer
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    TEXT,
    TIMESTAMP,
    Enum,
    Field,
    ListOf,
    Record,
    Type,
    nullable,
)
from rlm_dsl.models.packs import form_of
from rlm_dsl.models.server.gbnf import grammar, literal, llguidance
from tests.support.guidance import Taken
from tests.support.optional import needs


def record(types: list[Type]) -> Record:
    return Record(tuple(Field(f"field {n}" if n else "größe", type_) for n, type_ in enumerate(types)))


FLAT: list[Type] = [
    TEXT,
    INT,
    FLOAT,
    BOOL,
    DATE,
    TIMESTAMP,
    Enum(("a", 'say "no"', "größe", "line\nend", "back\\slash")),
]
TYPES = st.recursive(
    st.sampled_from(FLAT),
    lambda inner: inner.map(nullable) | inner.map(ListOf) | st.lists(inner, min_size=1, max_size=3).map(record),
    max_leaves=5,
)


def parser(text: str) -> Lark:
    """A grammar read by another reader of grammars: GBNF in Lark's notation."""
    marks = r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{(\d+),(\d+)\}|::='

    def mark(match: re.Match[str]) -> str:
        if match[0] == "::=":
            return ":"
        if match[1]:
            return f"~{match[1]}..{match[2]}"
        return match[0] if match[0].startswith('"') else "/" + match[0].replace("/", "\\/") + "/"

    rules = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return Lark(re.sub(marks, mark, rules), parser="earley", lexer="dynamic_complete", start="root")


def takes(grammar_: Lark, text: str) -> bool:
    try:
        grammar_.parse(text)
    except UnexpectedInput:
        return False
    return True


def test_a_label_is_one_of_its_texts() -> None:
    schema = json_schema(Record((Field("label", Enum(("good", "bad"))),)))
    first, root = grammar(schema).splitlines()
    assert json.loads(first[2:]) == schema
    assert root == r'root ::= "{" "\"label\":" ("\"good\"" | "\"bad\"") "}"'


def test_only_the_rules_that_are_named_are_written() -> None:
    schema = json_schema(record([TEXT, nullable(FLOAT), ListOf(BOOL)]))
    names = [line.partition(" ")[0] for line in grammar(schema).splitlines()[1:]]
    assert sorted(names) == ["boolean", "char", "integer", "null", "number", "root", "string"]


def test_marks_are_written_as_the_notation_wants() -> None:
    assert literal('"a\\n"') == r'"\"a\\n\""' and literal("\x01") == r'"\U00000001"'


def test_a_kind_that_no_type_has_is_an_error() -> None:
    with pytest.raises(KeyError):
        grammar({"type": "object", "properties": {"a": {"type": "wave"}}})


VALUES: dict[Type, st.SearchStrategy[Any]] = {
    TEXT: st.text(st.characters(exclude_categories=["Cs"]), max_size=8), INT: st.integers(-(10**17), 10**17),
    FLOAT: st.floats(-1e9, 1e9).map(lambda value: round(value, 6)) | st.integers(-9, 9), BOOL: st.booleans(),
    DATE: st.dates().map(str), TIMESTAMP: st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds")),
}  # fmt: skip


def values(type_: Type) -> st.SearchStrategy[Any]:
    match type_:
        case Enum(labels):
            return st.sampled_from(labels)
        case ListOf(of):
            return st.lists(values(of), max_size=3)
        case Record(fields):
            held = st.tuples(*(values(field.type) for field in fields))
            return held.map(lambda found: {field.name: each for field, each in zip(fields, found, strict=True)})
        case _ if type_ in VALUES:
            return VALUES[type_]
        case _:
            return st.none() | values(type_.of)  # type: ignore[attr-defined]


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_grammar_takes_the_compact_json_of_its_type_and_no_white_space(data: st.DataObject) -> None:
    type_ = record([data.draw(TYPES)])
    value = data.draw(values(type_))
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    compact = parser(grammar(json_schema(type_)))
    assert takes(compact, text), text
    assert read_answer(text, type_)
    assert not takes(compact, text.replace(":", ": ", 1)) and not takes(compact, f"{text} ")
    assert not takes(compact, text[:-1])


@needs("llguidance")
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_llguidance_takes_the_same(data: st.DataObject) -> None:
    type_ = record([data.draw(TYPES)])
    text = json.dumps(data.draw(values(type_)), ensure_ascii=False, separators=(",", ":"))
    compact = Taken(llguidance(json_schema(type_)).partition("\n")[2])
    assert compact(text), compact.refused(text)
    assert not compact(text.replace(":", ": ", 1)) and not compact(f"{text} ") and not compact(text[:-1])


@needs("llguidance")
@pytest.mark.parametrize("labels", [3, 40])
def test_a_pack_has_its_rows_by_their_numbers_in_llguidance_too(labels: int) -> None:
    single = json_schema(record([Enum(tuple(f"label {n}" for n in range(labels)))]))
    form = form_of(single)
    compact = Taken(llguidance(form.schema(single, 12)).partition("\n")[2])
    said = " ".join(f"{number}{form.codes[number % 3]}" for number in range(1, 13))
    assert compact(json.dumps({form.name: said}, ensure_ascii=False, separators=(",", ":")))
    for wrong in (said.replace("5", "6", 1), f"{said} 13{form.codes[0]}", said.rpartition(" ")[0]):
        assert not compact(json.dumps({form.name: wrong}, ensure_ascii=False, separators=(",", ":")))
