"""Labels by probability: over real HTTP, from servers that tell probabilities, refuse them or pass them over; read
from whatever tokens stand in a reply."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.engine.calls.by_probability import decided, leaning
from rlm_dsl.language.operators.core.scoring import UNLABELLED, Scoring
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.models.server.dialects import Dialect, body_of, candidates
from rlm_dsl.models.server.errors import ServerError
from rlm_dsl.models.server.scores import begun, scores_of, whole_answer
from rlm_dsl.testing import serve
from tests.support.commands import command

TEXTS = [f"text {number}" for number in range(24)]
LABELS = ["refund", "refusal", "other"]
GOLD = [{"text": text, "label": LABELS[number % 3]} for number, text in enumerate(TEXTS)]
EMPTY = [{"text": text, "label": label} for text, label in zip(UNLABELLED, LABELS, strict=True)]
PROGRAM = 'answer t | classify(on=text, labels=["refund", "refusal", "other"], into=kind, probability=p{more})'


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    return path


def run(context: Path, url: str, more: str = "", trace: str | None = None, program: str = PROGRAM) -> Any:
    found = context.parent
    store = str(found / f"store{len(list(found.iterdir()))}.sqlite")
    to = found / trace if trace else None
    text = program.replace("{more}", more)
    return rlm_dsl.run(text, {"t": context}, model="m", base_url=url, store=store, trace=to)


def test_labels_with_their_probabilities_from_a_trace_that_verifies(context: Path) -> None:
    with serve(gold=GOLD) as endpoint:
        found = run(context, endpoint.base_url, trace="a")
        bodies = [request.body for request in endpoint.requests]
    assert [(row["text"], row["kind"]) for row in found.value] == [(row["text"], row["label"]) for row in GOLD]
    assert all(0.49 < row["p"] <= 1 for row in found.value)
    assert len({row["p"] for row in found.value}) > 20
    assert len(bodies) == 24
    assert all(body["logprobs"] is True and body["top_logprobs"] == 20 for body in bodies)
    assert rlm_dsl.verify(context.parent / "a").ok


def test_answers_that_are_wrong_are_less_sure(context: Path) -> None:
    with serve(gold=GOLD, error_rate=0.3) as endpoint:
        found = run(context, endpoint.base_url)
    right: dict[bool, list[float]] = {True: [], False: []}
    for row, gold in zip(found.value, GOLD, strict=True):
        right[row["kind"] == gold["label"]].append(row["p"])
    assert sum(right[False]) / len(right[False]) < sum(right[True]) / len(right[True]) - 0.1


def test_orders_and_empty_texts_are_asked_about_announced_and_verified(context: Path) -> None:
    with serve(gold=[*GOLD, *EMPTY]) as endpoint:
        found = run(context, endpoint.base_url, ', orders=2, calibrate="content-free"', trace="b")
        said = [request.body["messages"][0]["content"] for request in endpoint.requests]
    assert len(said) == 2 * (24 + len(UNLABELLED))
    assert sum('["refund", "refusal", "other"]' in each for each in said) == len(said) // 2
    assert sum('["other", "refusal", "refund"]' in each for each in said) == len(said) // 2
    assert [row["kind"] for row in found.value] == [row["label"] for row in GOLD]
    assert rlm_dsl.verify(context.parent / "b").ok
    with serve(gold=[*GOLD, *EMPTY]) as endpoint, pytest.raises(UserError, match="53"):
        rlm_dsl.run(
            PROGRAM.replace("{more}", ', orders=2, calibrate="content-free"'),
            {"t": context},
            model="m",
            base_url=endpoint.base_url,
            budget={"calls": 53},
            store=str(context.parent / "none.sqlite"),
        )
    assert not endpoint.requests


@pytest.mark.parametrize("more", ["", ', orders=2, calibrate="content-free"'])
def test_a_server_without_probabilities_is_asked_as_ever(context: Path, more: str) -> None:
    with serve(gold=[*GOLD, *EMPTY], no_logprobs=True) as endpoint:
        found = run(context, endpoint.base_url, more, trace="c")
    assert [(row["kind"], row["p"]) for row in found.value] == [(row["label"], None) for row in GOLD]
    told = "kinds: the probability is null in 24 of 24 rows: the server told none".replace("kinds", "answer")
    assert told in command(context.parent, "show", "c").out
    assert rlm_dsl.verify(context.parent / "c").ok


def test_an_answer_is_begun_for_servers_of_llama_cpp_and_not_where_one_refuses_that(context: Path) -> None:
    with serve(gold=GOLD, persona="llamacpp") as endpoint:
        found = run(context, endpoint.base_url, trace="f")
        bodies = [request.body for request in endpoint.requests if "messages" in request.body]
    assert [row["kind"] for row in found.value] == [row["label"] for row in GOLD]
    assert {(b["messages"][-1]["role"], b["messages"][-1]["content"]) for b in bodies} == {("assistant", '{"label":"')}
    rest = bodies[0]["grammar"].splitlines()[-1]
    assert all(f'"{label}\\"}}"' in rest for label in LABELS), rest
    assert rlm_dsl.verify(context.parent / "f").ok
    schema = {"type": "object", "properties": {"label": {"enum": LABELS}}}
    settings = ModelSettings("m", "http://x/v1", parameters={"logprobs": True})
    request = Request(settings, (Message("user", "text"),), schema)
    assert next(iter(candidates(request, Dialect("grammar"), ServerError(400, "no")))) == Dialect(
        "grammar", unbegun=True
    )
    assert "assistant" not in str(body_of(request, Dialect("grammar", unbegun=True))["messages"])
    assert begun(replace(request, schema={"properties": {"holds": {"type": "boolean"}}})) == '{"holds":'
    assert begun(replace(request, schema={"properties": {"label": {"enum": ["one"]}}})) == ""
    sent = body_of(request, Dialect("grammar"))
    assert whole_answer(Answer("refund"), (), sent).text == '{"label":"refund'
    assert whole_answer(Answer('{"label":"other"}'), (), sent).text == '{"label":"other"}'
    thought = '<think>\nIs it {this}?\n</think>\n\n{"label":"other"}'
    assert whole_answer(Answer(thought), (), body_of(request, Dialect("schema"))).text == thought


@pytest.mark.parametrize("name", ["vllm", "ollama", "sglang", "lmstudio", "tgi", "gemini", "mistral"])
def test_each_family_of_servers_answers_rows_by_probability(name: str, context: Path) -> None:
    with serve(gold=GOLD, persona=name) as endpoint:
        found = run(context, endpoint.base_url)
    assert [row["kind"] for row in found.value] == [row["label"] for row in GOLD]


def test_weights_make_another_label_the_most_probable(context: Path) -> None:
    with serve(gold=GOLD) as endpoint:
        found = run(context, endpoint.base_url, ", weights={other: 1000}")
    assert {row["kind"] for row in found.value} == {"other"}


def test_rows_are_kept_from_a_probability_on(context: Path) -> None:
    gold = [{"text": text, "holds": number % 2 == 0} for number, text in enumerate(TEXTS)]
    program = 'answer t | keep("It is even.", on=text, probability=p{more})'
    with serve(gold=gold) as endpoint:
        half = run(context, endpoint.base_url, "", "d", program).value
        most = run(context, endpoint.base_url, ", at_least=0.9", None, program).value
        few = run(context, endpoint.base_url, ", at_least=0.01", None, program).value
    assert [row["text"] for row in half] == TEXTS[::2]
    assert all(row["p"] >= 0.5 for row in half)
    assert most == [row for row in half if row["p"] >= 0.9] != half
    assert len(few) > len(half)
    assert rlm_dsl.verify(context.parent / "d").ok


def test_scores_have_a_probability_and_a_mean(context: Path) -> None:
    gold = [{"text": text, "score": str(number % 5 + 1)} for number, text in enumerate(TEXTS)]
    asked = 'ask("How good?", on=text, returns={score: enum["1", "2", "3", "4", "5"]}, probability=p, expected=m)'
    program = f"answer t | {asked}"
    with serve(gold=gold) as endpoint:
        found = run(context, endpoint.base_url, trace="e", program=program).value
    for row, right in zip(found, gold, strict=True):
        rest = (15 - int(right["score"])) * (1 - row["p"]) / 4
        assert row["score"] == right["score"]
        assert abs(row["m"] - (int(right["score"]) * row["p"] + rest)) < 0.002
    assert rlm_dsl.verify(context.parent / "e").ok
    with serve(gold=gold, no_logprobs=True) as endpoint:
        found = run(context, endpoint.base_url, program=program).value
    assert [(row["score"], row["p"], row["m"]) for row in found] == [(right["score"], None, None) for right in gold]
    for wrong in (
        "{score: int}, probability=p",
        '{score: enum["1", "x"]}, probability=p, expected=m',
        "{b: bool}, expected=m",
    ):
        with (
            serve(gold=gold) as endpoint,
            pytest.raises(ProgramError, match=r"closed set|not all answers|none is asked"),
        ):
            run(context, endpoint.base_url, program=f'answer t | ask("How good?", on=text, returns={wrong})')


def test_a_probability_is_a_column_like_others(context: Path) -> None:
    with serve(gold=GOLD) as endpoint:
        program = f"doubtful = {PROGRAM[7:]} | where(p < 0.6)\nanswer count(doubtful)"
        found = run(context, endpoint.base_url, program=program)
    assert 0 < found.value < 24


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (", orders=0", "`orders` is from 1 to 8"),
        (", pack=5", "asked alone"),
        (", weights={none: 2}", "none of the labels"),
        (", weights={other: 0}", "positive number by label"),
        (', calibrate="some"', "content-free"),
    ],
)
def test_arguments_that_do_not_fit_are_told(context: Path, more: str, told: str) -> None:
    program = context.parent / "p.rlm"
    program.write_text(PROGRAM.replace("{more}", more) + "\n")
    said = command(context.parent, "check", str(program), "--context", f"t={context}")
    assert said.code == 2
    assert told in said.err + said.out
    program.write_text(PROGRAM.replace(", probability=p{more}", ", orders=2") + "\n")
    said = command(context.parent, "check", str(program), "--context", f"t={context}")
    assert "none is asked for" in said.err + said.out


SCHEMA = {"type": "object", "properties": {"label": {"enum": ["not good", "not bad", "fine"]}}}


def place(token: str, others: Mapping[str, float]) -> dict[str, Any]:
    listed = [{"token": other, "logprob": math.log(odds)} for other, odds in others.items()]
    return {"token": token, "logprob": math.log(others[token]), "top_logprobs": listed}


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        # one token tells them apart
        ([('{"label":"', {'{"label":"': 1.0}), ("fine", {"fine": 0.5, "not": 0.5}), ('"}', {'"}': 1.0})], [25, 25, 50]),
        # two begin alike: what follows on the way that was taken tells them apart
        (
            [
                ('{"', {'{"': 1.0}),
                ('label":', {'label":': 1.0}),
                (' "', {' "': 1.0}),
                ("no", {"no": 0.8, "fine": 0.2}),
                ("t ", {"t ": 1.0}),
                ("bad", {"bad": 0.75, "good": 0.25}),
                ('"}', {'"}': 1.0}),
            ],
            [20, 60, 20],
        ),
        # a token that holds the quote too, and tokens that begin no label
        (
            [
                ('{"label":', {'{"label":': 1.0}),
                ('"fi', {'"fi': 0.3, '"x': 0.4, "[": 0.1, '"not g': 0.1, '"not b': 0.1}),
                ("ne", {"ne": 1.0}),
            ],
            [20, 20, 60],
        ),
        # an answer that was begun for the model
        ([("not ", {"not ": 0.6, "fine": 0.4}), ("good", {"good": 1.0})], [60, 0, 40]),
    ],
)
def test_scores_are_read_from_whatever_tokens_there_are(tokens: list[Any], told: list[int]) -> None:
    choice = {"logprobs": {"content": [place(token, others) for token, others in tokens]}}
    found = [round(100 * math.exp(score / 1000)) for score in scores_of(choice, SCHEMA)]
    assert found == told
    older = {
        "tokens": [token for token, _ in tokens],
        "token_logprobs": [math.log(others[token]) for token, others in tokens],
        "top_logprobs": [{other: math.log(odds) for other, odds in others.items()} for _, others in tokens],
    }
    assert scores_of({"logprobs": older}, SCHEMA) == scores_of(choice, SCHEMA)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": 5}]},
        {"content": [{"token": "x"}]},
        [1],
        "x",
    ],
)
def test_odd_probabilities_are_none(odd: Any) -> None:
    assert scores_of({"logprobs": odd}, SCHEMA) == ()
    assert scores_of({"logprobs": {"content": [place("hello", {"hello": 1.0})]}}, SCHEMA) == ()


def logs(**odds: float) -> dict[Any, Decimal]:
    return {name: Decimal(str(round(math.log(value), 6))) for name, value in odds.items()}


def test_orders_are_averaged_and_leanings_divided_out() -> None:
    assert decided([logs(a=0.6, b=0.4)], {}, Scoring()) == ("a", 0.6, None)
    assert decided([logs(a=0.5, b=0.5)], {}, Scoring()) == ("a", 0.5, None)
    assert decided([logs(a=0.9, b=0.1), logs(a=0.1, b=0.9)], {}, Scoring(2))[1] == 0.5
    prior = leaning([logs(a=0.9, b=0.1), logs(a=0.7, b=0.3)])
    assert decided([logs(a=0.6, b=0.4)], prior, Scoring()) == ("b", round(0.4 / 0.2 / (0.6 / 0.8 + 0.4 / 0.2), 4), None)
    assert decided([logs(a=0.6, b=0.4)], {}, Scoring(weights={"b": Decimal(3)})) == ("b", round(1.2 / 1.8, 4), None)


@pytest.mark.parametrize("count", [2, 3, 5, 20])
@pytest.mark.parametrize("orders", [1, 2, 4, 8])
def test_orders_hold_all_labels_begin_with_their_own_and_differ(count: int, orders: int) -> None:
    labels = [f"l{number}" for number in range(count)]
    found = [Scoring(orders).order(labels, number) for number in range(orders)]
    assert found[0] == labels and all(sorted(order) == sorted(labels) for order in found)
    assert orders == 1 or found[1] == labels[::-1]
    assert len({tuple(order) for order in found}) >= min(orders, count)
    if count >= orders:
        assert len({order[0] for order in found[::2]}) == len(found[::2])


def test_what_is_asked_at_most_is_told_before_and_failing_rows_end_the_step(context: Path) -> None:
    program = context.parent / "p.rlm"
    program.write_text(PROGRAM.replace("{more}", ', orders=2, calibrate="content-free"') + "\n")
    told = command(context.parent, "explain", str(program), "--context", f"t={context}").out
    assert f"at most {2 * 2 * (24 + len(UNLABELLED))} calls for 24 rows" in told
    program.write_text(PROGRAM.replace("{more}", "") + "\n")
    assert (
        "at most 48 calls for 24 rows"
        in command(context.parent, "explain", str(program), "--context", f"t={context}").out
    )
    with serve(gold=GOLD[:4]) as endpoint, pytest.raises(UserError) as raised:
        run(context, endpoint.base_url, program=PROGRAM.replace("classify(", 'classify(on_error="null", '))
    assert raised.value.code == "failing"
