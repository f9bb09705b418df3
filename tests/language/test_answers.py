"""Reading answers: what counts as one, what is none, and that no text is a crash."""

from __future__ import annotations

import datetime
import json
import math
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlm_dsl.language.answer_schema import NotOfType, check_quotes, holds_quotes, json_schema, quotes, read_answer
from rlm_dsl.language.spoken import spoken
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    QUOTE,
    TEXT,
    TIMESTAMP,
    Enum,
    Field,
    ListOf,
    Nullable,
    Record,
    Type,
)
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS

ANSWERS = CORPUS / "answers.txt"
LABEL = Record((Field("label", Enum(("good", "bad"))),))


def of(type_: Type, name: str = "x") -> Record:
    return Record((Field(name, type_),))


def read(text: str, type_: Record = LABEL) -> str:
    try:
        return json.dumps(read_answer(text, type_), ensure_ascii=False)
    except NotOfType as problem:
        return f"no answer: {problem}"


@pytest.mark.parametrize("title", corpus_cases(ANSWERS))
def test_what_models_send_is_read_as_it_was_meant(title: str, request: pytest.FixtureRequest) -> None:
    text, expected = corpus_cases(ANSWERS)[title]
    got = read(text)
    if request.config.getoption("--accept"):
        accept(ANSWERS, title, "value", got)
        return
    assert got == expected
    assert "bad" not in got.split("one of")[0], "every `bad` in these cases is thought, a draft, or somebody else's"


@pytest.mark.parametrize(
    "body",
    [
        "the row says <think> and stops",
        "</think>{'label': 'bad'}",
        '<|im_end|> \\" </s>',
        "<|channel|>final<|message|>x",
        "```json {} ```",
        "analysisWe assistantfinal",
        '{"label": "bad"}',
        "[INST] \n [/INST]",
    ],
)
def test_marks_within_an_answers_texts_are_its_texts(body: str) -> None:
    whole = json.dumps({"x": body}, ensure_ascii=False)
    assert read_answer(whole, of(TEXT)) == {"x": body}
    assert read_answer(f"<think>hm</think>\n{whole}", of(TEXT)) == {"x": body}
    assert read_answer(f"```json\n{whole}\n```", of(TEXT)) == {"x": body}
    assert read_answer(f"It is this: {whole}", of(TEXT)) == {"x": body}
    assert read_answer(f"{whole}\nOnce more:\n```json\n{whole}\n```\nThat is it.", of(TEXT)) == {"x": body}


# ---- numbers and moments ----


@pytest.mark.parametrize(
    ("written", "type_", "value"),
    [
        ("-0", INT, 0),
        ("-0", FLOAT, 0.0),
        (str(2**63 - 1), INT, 2**63 - 1),
        (str(-(2**63)), INT, -(2**63)),
        ("1e3", FLOAT, 1000.0),
        ("1" * 309, FLOAT, float("1" * 309)),
        ("1.7976931348623157e308", FLOAT, 1.7976931348623157e308),
        ("1e-999", FLOAT, 0.0),
        ('"0001-01-01"', DATE, datetime.date(1, 1, 1)),
        ('"9999-12-31T23:59:59+05:00"', TIMESTAMP, datetime.datetime(9999, 12, 31, 18, 59, 59)),
        ('"2024-05-01T00:00:00Z"', TIMESTAMP, datetime.datetime(2024, 5, 1)),
    ],
)
def test_what_a_type_holds_is_read(written: str, type_: Type, value: Any) -> None:
    assert read_answer(f'{{"x": {written}}}', of(type_)) == {"x": value}
    assert read_answer(f"{{x: {written},}}", of(type_)) == {"x": value}


FLOAT_WANTED = "answer.x must be a number no larger than 1.8e+308"
INT_WANTED = "answer.x must be a whole number of 64 bits"
DATE_WANTED = "answer.x must be a date such as YYYY-MM-DD"
TIMESTAMP_WANTED = "answer.x must be a timestamp such as YYYY-MM-DDTHH:MM:SS"


@pytest.mark.parametrize(
    ("written", "type_", "wanted"),
    [
        ("1" + "0" * 400, FLOAT, FLOAT_WANTED),
        ("-1" + "0" * 400, FLOAT, FLOAT_WANTED),
        ("1" * 5000, FLOAT, FLOAT_WANTED),
        ("1e999", FLOAT, FLOAT_WANTED),
        ("-1e999", FLOAT, FLOAT_WANTED),
        (str(2**63), INT, INT_WANTED),
        (str(-(2**63) - 1), INT, INT_WANTED),
        ("1" * 4000, INT, INT_WANTED),
        ("1" * 5000, INT, INT_WANTED),
        ("1e999", INT, INT_WANTED),
        ("5.0", INT, INT_WANTED),
        ("true", INT, INT_WANTED),
        ('"5"', INT, INT_WANTED),
        ("true", FLOAT, "answer.x must be a number, not true"),
        ('"5"', FLOAT, 'answer.x must be a number, not "5"'),
        ("1", BOOL, "answer.x must be true or false, not 1"),
        ("1" * 5000, TEXT, "answer.x must be a text, not Infinity"),
        ("null", INT, INT_WANTED),
        ('"10000-01-01"', DATE, DATE_WANTED),
        ('"2024-02-30"', DATE, DATE_WANTED),
        ('"２０２４-01-01"', DATE, DATE_WANTED),
        ('"0001-01-01T00:00:00+05:00"', TIMESTAMP, TIMESTAMP_WANTED),
        ('"9999-12-31T23:59:59-05:00"', TIMESTAMP, TIMESTAMP_WANTED),
        ('"10000-01-01T00:00:00"', TIMESTAMP, TIMESTAMP_WANTED),
        ('"2024-\\ud800-01"', TIMESTAMP, TIMESTAMP_WANTED),
        ("20240101", DATE, "answer.x must be date, not 20240101"),
    ],
)
def test_what_a_type_does_not_hold_is_a_misfit(written: str, type_: Type, wanted: str) -> None:
    assert read(f'{{"x": {written}}}', of(type_)).startswith(f"no answer: {wanted}")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_none(word: str) -> None:
    assert read(f'{{"x": {word}}}', of(FLOAT)) == f'no answer: answer.x must be a number, not "{word}"'


def test_an_infinity_that_was_computed_is_one() -> None:
    from rlm_dsl.language.answer_schema import typed

    assert typed(math.inf, FLOAT, "x") == math.inf
    with pytest.raises(NotOfType, match=r"x must be a number no larger than"):
        typed(10**5000, FLOAT, "x")
    with pytest.raises(NotOfType, match="x must be a whole number of 64 bits, not a value of Python's date"):
        typed(datetime.date(2024, 1, 1), INT, "x")


# ---- labels and names ----

CAFE, CAFE_APART = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("labels", "said", "meant"),
    [
        (("good", "bad"), " good\n", "good"),
        (("good", "bad"), "GOOD", "good"),
        ((" good", "bad"), "Good ", " good"),
        ((" a", "a"), "a ", "a"),
        ((CAFE, "tea"), CAFE_APART, CAFE),
        ((CAFE_APART, "tea"), CAFE, CAFE_APART),
        ((CAFE, "tea"), CAFE_APART.upper(), CAFE),
        ((CAFE, CAFE_APART), CAFE_APART, CAFE_APART),
        (("Straße", "tea"), "STRASSE", "Straße"),
        (("ΟΔΟΣ", "tea"), "οδος", "ΟΔΟΣ"),
        (("good", "bad"), "Ｇｏｏｄ", "good"),
        (("ガス", "水"), "ｶﾞｽ", "ガス"),
        (("a (b)", "c"), "ａ（ｂ）", None),
        (("a(b)", "c"), "ａ（ｂ）", "a(b)"),
        (("a b", "c"), "ａ\u3000ｂ", "a b"),
        (("m2", "km"), "m²", None),
        (("fine", "bad"), "ﬁne", "fine"),
        (("good", "Good"), "GOOD", None),
        ((CAFE, CAFE_APART), CAFE.upper(), CAFE),
        (("good", "ｇｏｏｄ"), "Ｇｏｏｄ", "ｇｏｏｄ"),
        (("good", "bad"), "goodness", None),
        (("good", "bad"), "goo", None),
        (("good", "bad"), "", None),
        (("good", "bad"), "good.", None),
    ],
)
def test_a_label_is_meant_where_only_one_can_be(labels: tuple[str, ...], said: str, meant: str | None) -> None:
    got = read(json.dumps({"x": said}), of(Enum(labels)))
    wanted = f"no answer: answer.x must be one of {json.dumps(list(labels), ensure_ascii=False)}"
    assert got == (wanted if meant is None else json.dumps({"x": meant}, ensure_ascii=False))


def test_names_meet_however_their_letters_are_composed() -> None:
    size, apart = unicodedata.normalize("NFC", "größe"), unicodedata.normalize("NFD", "größe")
    assert read_answer(json.dumps({apart: 1}), of(INT, size)) == {size: 1}
    assert read_answer(json.dumps({size: 1}), of(INT, apart)) == {apart: 1}
    assert read_answer(f"Hm {{}} {{{apart}: 1}}", of(INT, size)) == {size: 1}
    both = Record((Field(size, INT), Field(apart, INT)))
    assert read_answer(json.dumps({size: 1, apart: 2}), both) == {size: 1, apart: 2}
    assert read(json.dumps({size: 1, apart: 2}), of(INT, size)).startswith("no answer: answer must have exactly")
    assert read(json.dumps({"grosse": 1}), of(INT, size)).startswith("no answer: answer must have exactly")


def test_a_quote_stands_in_what_was_shown_word_for_word() -> None:
    type_ = Record((Field("all", ListOf(Record((Field("said", Nullable(QUOTE)),)))), Field("x", TEXT)))
    value = read_answer('{"all": [{"said": "one two"}, {"said": null}, {"said": ""}], "x": "no quote"}', type_)
    assert [*quotes(value, type_)] == [("answer.all[0].said", "one two"), ("answer.all[2].said", "")]
    assert holds_quotes(type_) and holds_quotes(Nullable(ListOf(QUOTE))) and not holds_quotes(of(ListOf(TEXT)))
    for shown, at in [(["one", "two"], 0), (["a", "one two"], 2)]:
        with pytest.raises(NotOfType, match=rf"answer.all\[{at}\].said must be copied word for word from the text"):
            check_quotes(value, type_, shown)
    check_quotes({"all": [{"said": "one two"}, {"said": None}], "x": "?"}, type_, ["a", "one two three"])


# ---- nearly JSON ----

NEARLY = Record(
    (
        Field("a", Nullable(TEXT)),
        Field("b", ListOf(TEXT)),
        Field("c", Record((Field("d", BOOL), Field("e", FLOAT)))),
    )
)
MEANT = {"a": "x", "b": ["y", "z"], "c": {"d": True, "e": 1.5}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'x', 'b': ['y', 'z'], 'c': {'d': True, 'e': 1.5}}", MEANT),
        ("{a: x, b: [y, z], c: {d: true, e: 1.5}}", MEANT),
        ('{“a”: “x”, `b`: [`y`, ‘z’], c: {"d": TRUE, "e": +1.5}}', MEANT),
        ('{"a": "x", "b": ["y", "z",], "c": {"d": true, "e": 1.5,},}', MEANT),
        ('{\n "a": "x"\n "b": ["y" \n "z"]\n "c": {"d": true "e": 1.5}}', MEANT),
        ('{"a": "x", // a\n "b": ["y", /* * b */ "z"], # c\n "c": {"d": true, "e": 1.5}}', MEANT),
        ("{a: None, b: [], c: {d: False, e: .5}}", {"a": None, "b": [], "c": {"d": False, "e": 0.5}}),
        ('{a: "two\nlines", b: [], c: {d: true, e: 5.}}', {"a": "two\nlines", "b": [], "c": {"d": True, "e": 5.0}}),
        ('{a: "he said "no", then left", b: [], c: {d: true, e: 1e3}}',
         {"a": 'he said "no", then left', "b": [], "c": {"d": True, "e": 1000.0}}),
        ("{a: 'it\\'s \\d \\u00e9 \\ud83d\\ude00 \\n', b: [\"it's\"], c: {d: true, e: 007}}",
         {"a": "it's \\d é 😀 \n", "b": ["it's"], "c": {"d": True, "e": 7.0}}),
        ("{a: not a bug // sure\n, b: [#\n], c: {d: true, e: 2}}",
         {"a": "not a bug", "b": [], "c": {"d": True, "e": 2.0}}),
    ],
)  # fmt: skip
def test_what_nearly_is_json_is_read(text: str, value: Any) -> None:
    assert read_answer(text, NEARLY) == value
    assert read_answer(f"Here:\n```json5\n{text}\n```\nDone.", NEARLY) == value


@pytest.mark.parametrize(
    "text",
    [
        "{a: , b: [], c: {d: true, e: 1}}",
        "{a: x, b: [], c: {d: true, e: 1}",
        "{a: x, b: [, c: {d: true, e: 1}}",
        "{a x, b: [], c: {d: true, e: 1}}",
        "{a = x, b: [], c: {d: true, e: 1}}",
        "{a: x,, b: [], c: {d: true, e: 1}}",
        "{a: 'x, b: [], c: {d: true, e: 1}}",
        "{a: x: y, b: [], c: {d: true, e: 1}}",
        "{5: x, b: [], c: {d: true, e: 1}}",
        "{a: /* x, b: [], c: {d: true, e: 1}}",
        "{a: x, b: [(], c: {d: true, e: one}}",
        "{,a: x, b: [], c: {d: true, e: 1}}",
    ],
)
def test_what_is_missing_is_not_made_up(text: str) -> None:
    assert read(text, NEARLY).startswith("no answer: ")


def test_only_so_much_is_mended() -> None:
    text = "{{label: 'good', {}}}".format("/* " + "x" * 99_950 + " */")
    assert read(text) == '{"label": "good"}'
    assert read(text.replace("x ", "x" * 100)).startswith("no answer: the answer is no JSON")
    assert read("{} " * 99 + '{"label": "good"}') == '{"label": "good"}'
    assert read("{} " * 100 + '{"label": "good"}') == "no answer: the answer holds more than 100 objects: give one"
    assert read("```\n{}\n```\n" * 101) == "no answer: the answer holds more than 100 objects: give one"


# ---- any text at all ----

BITS = st.sampled_from(
    [
        *"{}[]\":,\\'`~<>|/#*=() \n\r\té\ud800０١",
        *(
            "label",
            "good",
            "bad",
            "x",
            "1",
            "-",
            "1e999",
            "true",
            "null",
            "NaN",
            '"label": "good"',
            '{"label": "good"}',
        ),
        *("{'label': 'bad'}", "<think>", "</think>", "<THINK a='b'>", "[THINK]", "[/THINK]", "<|im_end|>", "</s>"),
        *("<|channel|>", "final", "analysis", "<|message|>", "<|end|>", "<|start|>assistant", "assistantfinal"),
        *("```", "```json\n", "\n```", "~~~", "//", "/*", "*/", '"""', "'''", "0001-01-01T00:00:00+05:00", "<answer>"),
    ]
)
TEXTS = st.text(max_size=60) | st.lists(BITS, max_size=40).map("".join)
TYPES = st.recursive(
    st.sampled_from([INT, FLOAT, BOOL, TEXT, DATE, TIMESTAMP, Enum(("good", "bad", "é"))]),
    lambda of: of.map(ListOf) | of.map(lambda each: each if isinstance(each, Nullable) else Nullable(each)),
    max_leaves=3,
)
HELD: dict[str, type] = {
    "int": int, "float": float, "bool": bool, "text": str, "date": datetime.date, "timestamp": datetime.datetime,
}  # fmt: skip


def is_of(value: Any, type_: Type) -> bool:
    match type_:
        case Nullable(of):
            return value is None or is_of(value, of)
        case ListOf(of):
            return isinstance(value, list) and all(is_of(item, of) for item in value)
        case Enum(values):
            return value in values
        case Record(fields):
            return list(value) == [f.name for f in fields] and all(is_of(value[f.name], f.type) for f in fields)
        case _:
            fits = type(value) is HELD[str(type_)]
            return fits and (str(type_) != "int" or -(2**63) <= value < 2**63) and value not in (math.inf, -math.inf)


@given(TEXTS, TYPES)
@example('{"x": ' * 100_000, INT)
@example("[" * 1_000_000, INT)
@example('{"x": [' + "[" * 150 + "]" * 150 + "]}", ListOf(INT))
def test_any_text_is_an_answer_of_the_type_or_no_answer(text: str, type_: Type) -> None:
    for written in (text, f'{{"x": {text}}}', f"{{x: {text}}}"):
        try:
            value = read_answer(written, of(type_))
        except NotOfType as problem:
            assert str(problem)
        else:
            assert is_of(value, of(type_))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["label", "x", "größe"]), JSON) | JSON, st.booleans())
def test_json_is_read_whatever_stands_around_it(value: Any, ascii_only: bool) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only)
    first = read(whole)
    assert read(f"<think>{{}} hm\n</think>\n{whole}\n<|im_end|>") == first
    assert read(f"```json\n{whole}\n```") == first


@given(st.lists(BITS, max_size=12).map("".join), st.lists(BITS, max_size=12).map("".join))
@example("</think>\"\"\"'''", "'''")
@example("</think>\"\"\"'''", "'''\"\"\"'''\"\"\"")
def test_nothing_in_a_thought_is_said(thought: str, said: str) -> None:
    """Whatever a model thinks, and whatever it says: a word that stands in the thought alone is in no answer."""
    assert "SECRET" not in spoken(f"<think>{thought}\nSECRET\n{thought}\n</think>\n{said}")
    analysis = thought.replace("<|channel|>", "channel")  # which would begin another message
    assert "SECRET" not in spoken(f"<|channel|>analysis<|message|>{analysis}\nSECRET\n<|end|>{said}")
    assert "SECRET" not in spoken(f"{thought}\nSECRET\n</thought>\n")


@given(st.text(st.characters(exclude_characters="<[◁aHcf\r")))
def test_a_text_without_marks_is_said_as_it_stands(text: str) -> None:
    assert spoken(text) == text


LONG = [
    *(
        "[",
        "{",
        '{"a":',
        '{"a": 1, "a": 1, ',
        "{'x}",
        "{a:b,",
        "{a: {",
        "/*{",
        "{{}",
        '"',
        "'",
        '\\"',
        '"""',
        "(r'",
        '"a","',
    ),
    *("`", "```\n", "```\n{}\n", '```\n{"a":[', "\n", " ", "<", "<|", "<think>", "</think>", "<think a='", "</s>"),
    "<|channel|>final<|message|>",
]


@pytest.mark.parametrize("piece", LONG)
@pytest.mark.parametrize(
    "around", [("", ""), ("{", "}"), ('{"label": "', '"}'), ("<think>", '</think>{"label": "good"}')]
)
def test_a_long_answer_is_read_in_time_that_grows_as_it_does(piece: str, around: tuple[str, str]) -> None:
    began = time.process_time()
    for size in (10_000, 90_000):
        read(around[0] + piece * (size // len(piece)) + around[1])
    assert time.process_time() - began < 10, "a tenth of it is usual; in the square of the length it takes minutes"


def test_schema_and_reading_agree_on_names_outside_ascii() -> None:
    type_ = Record((Field("größe", INT), Field("東京", Nullable(TEXT))))
    assert list(json_schema(type_)["properties"]) == ["größe", "東京"]
    assert read_answer('{"größe": 3, "東京": null}', type_) == {"größe": 3, "東京": None}
