"""Several rows as one request: a model that reads the lines sees the texts, and its answer is theirs or nobody's."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.packs import form_of, pack_of, pack_problem, packable, row_answers
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.testing.packs import Lapses, Several, several

ODD = [
    "",
    " ",
    "2 b",
    "12: no",
    '"quoted"',
    '{"row": 3}',
    "a\nb",
    "1a\n2b",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "end ",
]
TEXTS = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


def closed(name: str, part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: part}, "required": [name], "additionalProperties": False}


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """The schema of a row's answer: labels, a truth value, or an object."""
    kind = draw(st.sampled_from(["labels", "many labels", "truth", "object"]))
    if kind == "object":
        schema = closed("why", {"type": "string"})
        schema["properties"]["score"] = {"type": "integer"}
        return {**schema, "required": ["why", "score"]}
    if kind == "truth":
        return closed(draw(NAMES), {"type": "boolean"})
    count = draw(st.integers(2, 800)) if kind == "many labels" else 0
    labels = [f"{n} of {count}" for n in range(count)] or draw(st.lists(NAMES, min_size=2, max_size=30, unique=True))
    return closed(draw(NAMES), {"type": "string", "enum": labels})


def single(text: str, schema: dict[str, Any], said: str = "What is it?") -> Request:
    messages = (Message("system", said), Message("user", text))
    return Request(ModelSettings("m", "http://model/v1"), messages, schema, 0, "topics")


def said(schema: dict[str, Any]) -> str:
    """What is said about each row: the labels stand in it, as operators have them."""
    labels = next(iter(schema["properties"].values())).get("enum")
    return f"Which of these is it? {json.dumps(labels, ensure_ascii=False)} One alone." if labels else "Is it?"


def read(pack: Request) -> Several:
    """A pack as a model reads it."""
    assert pack.schema is not None
    found = several(pack.messages[1].content, pack.messages[0].content, pack.schema)
    assert found is not None
    return found


def values(draw: st.DrawFn, schema: dict[str, Any], count: int) -> list[dict[str, Any]]:
    def one(part: dict[str, Any]) -> Any:
        if "enum" in part:
            return draw(st.sampled_from(part["enum"]))
        return {"boolean": st.booleans(), "string": TEXTS, "integer": st.integers()}[part["type"]]

    found = []
    for _ in range(count):
        chosen = {name: one(part) for name, part in schema["properties"].items()}
        found.append({n: draw(v) if isinstance(v, st.SearchStrategy) else v for n, v in chosen.items()})
    return found


@given(st.data(), schemas(), st.lists(TEXTS, min_size=2, max_size=9))
def test_a_model_reads_the_texts_and_each_row_gets_its_own_answer(data: Any, schema: Any, texts: list[str]) -> None:
    rows = [single(text, schema, said(schema)) for text in texts]
    pack = pack_of(rows)
    model = read(pack)
    assert list(model.texts) == texts and len(pack.messages[1].content.split("\n")) == len(texts)
    assert len(pack.messages[1].content.splitlines()) == len(texts), "whatever else ends a line elsewhere"
    assert dict(model.schema["properties"]).keys() == schema["properties"].keys()
    wanted = data.draw(st.composite(lambda draw: values(draw, schema, len(texts)))())
    answer = Answer(model.answer([json.dumps(value) for value in wanted]))
    for name, part in (pack.schema or {})["properties"].items():
        assert "pattern" not in part or re.search(part["pattern"], json.loads(answer.text)[name])
    found = row_answers(pack, answer, rows[0])
    assert [key for key, _ in found] == [row.key for row in rows]
    assert [json.loads(each.text) for _, each in found] == wanted and {each.pack for _, each in found} == {pack.key}
    assert row_answers(pack, replace(answer, finish="length"), rows[0]) == [], "cut short"
    assert all(pack_problem(pack, row) == "" for row in rows)


LABELS = closed("label", {"type": "string", "enum": ["good", "bad", "odd"]})
TRUE = closed("holds", {"type": "boolean"})
BOTH = {**closed("why", {"type": "string"}), "required": ["why"]}
TEXT = json.dumps({"label": "1a 2b 3c"})
COUNTS = {
    TEXT: True,
    "1a 2b 3c": True,
    "1a, 2b; 3c\n": True,
    "1: A\n2: B\n3: C": True,
    '{"label": ["1a", "2b", "3c"]}': True,
    '```json\n{"label": "1a 2b 3c"}\n```': True,
    "1a 2b": False,
    "1a 2b 3c 4a": False,
    "1a 3c 2b": False,
    "1a 2b 2b 3c": False,
    "1a 1b 3c": False,
    "1a 2b 3d": False,
    "1a 2b 3aa": False,
    "1a 2b 3": False,
    "1a 2b 3c, I think": False,
    "The codes are 1a 2b 3c": False,
    "0a 1b 2c": False,
    "1a 2b -3c": False,
    '{"label": "1a 2b 3c", "note": 1}\n{"label": "1b 2b 3c"}': False,
    '{"label": "1b 2b 3c"} no, {"label": "1a 2b 3c"}': False,
    '{"label": {"1": "a"}}': False,
    '{"label": null}': False,
    "": False,
    "[" * 10_000: False,
}


@pytest.mark.parametrize("text", COUNTS)
def test_an_answer_in_codes_is_of_every_row_once_and_in_order_or_of_none(text: str) -> None:
    rows = [single(name, LABELS) for name in "xyz"]
    found = [json.loads(each.text)["label"] for _, each in row_answers(pack_of(rows), Answer(text), rows[0])]
    assert found == (["good", "bad", "odd"] if COUNTS[text] else [])


def rows_of(*numbers: Any) -> str:
    return json.dumps({"rows": [{"row": number, "why": f"w{number}"} for number in numbers]})


LISTS = {
    rows_of(1, 2, 3): True,
    rows_of(1, 2): False,
    rows_of(1, 2, 3, 4): False,
    rows_of(1, 3, 2): False,
    rows_of(1, 2, 2): False,
    rows_of(True, 2, 3): False,
    rows_of("1", "2", "3"): False,
    rows_of(1, 2, 3) + rows_of(1, 2, 3).replace("w2", "w9"): False,
    '{"rows": ["w1", "w2", "w3"]}': False,
    '{"rows": {"1": "w1"}}': False,
    "w1 w2 w3": False,
}


@pytest.mark.parametrize("text", LISTS)
def test_a_list_is_of_every_row_once_and_in_order_or_of_none(text: str) -> None:
    rows = [single(name, BOTH) for name in "xyz"]
    found = [json.loads(each.text)["why"] for _, each in row_answers(pack_of(rows), Answer(text), rows[0])]
    assert found == (["w1", "w2", "w3"] if LISTS[text] else [])


def test_truth_values_are_y_and_n_and_one_label_alone_has_no_code() -> None:
    rows = [single(name, TRUE) for name in "xy"]
    found = [json.loads(each.text)["holds"] for _, each in row_answers(pack_of(rows), Answer("1y 2n"), rows[0])]
    assert found == [True, False] and "y for true, n for false" in pack_of(rows).messages[0].content
    assert form_of(closed("label", {"enum": ["only"]})).codes == ()


@pytest.mark.parametrize(
    ("count", "first", "last"), [(26, "a", "z"), (27, "aa", "ba"), (676, "aa", "zz"), (677, "aaa", "baa")]
)
def test_codes_are_of_equal_length(count: int, first: str, last: str) -> None:
    codes = form_of(closed("label", {"enum": [f"l{n}" for n in range(count)]})).codes
    assert (codes[0], codes[-1], len(set(codes))) == (first, last, count)


def test_the_pattern_that_servers_are_given_takes_what_counts_and_the_schema_is_of_so_many_rows() -> None:
    for count in (2, 700):
        form = form_of(closed("label", {"enum": [f"l{n}" for n in range(count)]}))
        pattern = form.pattern(2)
        assert re.search(pattern, f"1{form.codes[0]} 2{form.codes[-1]}")
        assert not re.search(pattern, f"1{form.codes[0]}") and not re.search(pattern, f"1{form.codes[0]} 2a1 3b")
    assert form_of(LABELS).pattern(1) == "^[0-9]+[abc]$"


def test_a_recorded_pack_is_looked_at_from_each_row() -> None:
    rows = [single(name, LABELS) for name in "xyz"]
    pack = pack_of(rows)
    other = replace(pack, messages=(pack.messages[0], Message("user", pack.messages[1].content.replace("y", "Y"))))
    assert [pack_problem(other, row) for row in rows] == ["", "the pack shows another text for the row", ""]
    assert pack_problem(pack, single("w", LABELS)) == "the pack does not name the row"
    longer = replace(pack, messages=(pack.messages[0], Message("user", pack.messages[1].content + "\n4 more")))
    assert pack_problem(longer, rows[0]) == "the pack's lines are not its rows"
    told = replace(pack, messages=(Message("system", "Say a."), pack.messages[1]))
    sampled = replace(pack, sample=1)
    elsewhere = replace(pack, settings=ModelSettings("n", "http://model/v1"))
    wider = replace(pack, schema=TRUE)
    for changed in (told, sampled, elsewhere, wider):
        assert pack_problem(changed, rows[0]) == "the pack asks something else"


def test_what_can_go_together() -> None:
    row = single("x", LABELS)
    assert packable(row)
    for other in (replace(row, schema=None), replace(row, explore=1), row.again("{}", "no"), pack_of([row, row])):
        assert not packable(other)


def test_played_lapses_leave_out_shift_and_confuse() -> None:
    texts, count = [str(n) for n in range(400)], 400
    skipped = Lapses(skip=0.1, seed=1).said(texts, texts)
    assert 20 < count - len(skipped) < 60 and all(number == int(value) + 1 for number, value in skipped)
    shifted = Lapses(shift=0.01, seed=1).said(texts, texts)
    ahead = [int(value) + 1 - number for number, value in shifted]
    assert len(shifted) == count and ahead[:-9] == sorted(ahead[:-9]) and max(ahead) > 0 and shifted[-1][1] == "399"
    assert Lapses(most=20).said(texts[:20], texts[:20]) == [(n + 1, str(n)) for n in range(20)]
    assert [value for _, value in Lapses(most=2).said(["a", "b", "c"], texts[:3])] == ["b", "c", "c"]
