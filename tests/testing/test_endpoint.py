"""The endpoint for tests, through the openai client, and through plain HTTP where the client hides what is sent."""

import asyncio
import io
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import aiohttp
import openai
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.testing import Gold, Script, is_wrong, plugin, serve
from rlm_dsl.testing.answers import Answering, answer
from rlm_dsl.testing.endpoint import main
from rlm_dsl.testing.faults import FAULTS, Faults, fault_met, latency_of
from rlm_dsl.testing.gold import BadGold
from rlm_dsl.testing.schemas import first_value, properties, schema_in
from rlm_dsl.testing.script import BadScript
from rlm_dsl.testing.wire import FINGERPRINT, Problem, Reply, deltas, estimated_tokens
from tests.support.paths import ROOT

model_endpoint = plugin.model_endpoint

TOPICS = ["cards", "loans", "fees"]
SCHEMA = {
    "type": "object",
    "properties": {"topic": {"type": "string", "enum": TOPICS}},
    "required": ["topic"],
    "additionalProperties": False,
}
GOLD = [{"text": "I lost my card", "topic": "cards"}, {"text": "What does it cost?", "label": "fees"}]


def schema_of(**parts):
    return {**SCHEMA, "properties": parts, "required": list(parts)}


def asking(text, schema=SCHEMA, **more):
    """The body of a request that shows one row."""
    form = {"type": "json_schema", "json_schema": {"name": "result", "schema": schema, "strict": True}}
    return {
        "model": "any-model",
        "messages": [{"role": "system", "content": "Which topic?"}, {"role": "user", "content": text}],
        "response_format": form,
        **more,
    }


def talking(*contents, **more):
    """The body of a root turn: user and assistant in turn."""
    roles = ("user", "assistant")
    said = [{"role": roles[place % 2], "content": content} for place, content in enumerate(contents)]
    return {"model": "any-model", "messages": said, **more}


def client_of(server, **options):
    """A client that tries once; without certificates, whose loading takes longer than a test."""
    http_client = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(
        **{"base_url": server.base_url, "api_key": "any", "max_retries": 0, "timeout": 10, **options},
        http_client=http_client,
    )


def ask(server, body=None, **options):
    with client_of(server, **options) as client:
        return client.chat.completions.create(**(body or asking("I lost my card")))


def content_of(server, body=None):
    return ask(server, body).choices[0].message.content


async def plain(server, *bodies, path="/chat/completions", headers=None):
    """Status, headers and text of each reply, over one connection."""
    async with aiohttp.ClientSession(headers=headers) as session:
        found = []
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            async with session.post(server.base_url + path, data=io.BytesIO(data)) as reply:
                found.append((reply.status, reply.headers, await reply.text()))
        return found


def fetched(server, path, **headers):
    async def get():
        url = server.base_url.removesuffix("/v1") + path
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
            return reply.status, await reply.json()

    return asyncio.run(get())


def said(text="I lost my card", schema=SCHEMA, **known):
    """The answer without any HTTP."""
    known["gold"] = Gold.of(known.get("gold", GOLD))
    return answer(asking(text, schema), Answering(**known))


# --- rows from gold ---


def test_a_row_is_answered_by_its_property_or_its_label(model_endpoint):
    server = model_endpoint(gold=GOLD)
    assert content_of(server) == '{"topic":"cards"}'
    assert content_of(server, asking("What does it cost?")) == '{"topic":"fees"}'
    assert content_of(server, asking("  I lost my card\n")) == '{"topic":"cards"}'


def test_every_reply_says_that_no_model_spoke(model_endpoint):
    server = model_endpoint(gold=GOLD, script=["count(rows)"], at={"empty": [3]})
    replies = [ask(server), ask(server, talking("Go")), ask(server)]
    assert [reply.model for reply in replies] == [f"rlm_dsl.testing/{name}" for name in ("gold", "script", "fault")]
    assert {reply.system_fingerprint for reply in replies} == {FINGERPRINT}
    status, listed = fetched(server, "/v1/models")
    assert status == 200
    assert all(model["id"].startswith("rlm_dsl.testing/") for model in listed["data"])


def test_several_columns_are_found_in_any_order_and_spacing(model_endpoint):
    server = model_endpoint(gold=[{"text": {"subject": "Card", "body": "It is gone"}, "topic": "cards"}])
    assert content_of(server, asking('{"body": "It is gone ", "subject": "Card"}')) == '{"topic":"cards"}'
    assert content_of(server, asking(json.dumps({"subject": "Card", "body": "It is gone"}))) == '{"topic":"cards"}'
    with pytest.raises(openai.BadRequestError):
        ask(server, asking('{"subject": "Card"}'))


def test_an_unknown_text_is_an_error_and_never_a_guess(model_endpoint):
    server = model_endpoint(gold=GOLD)
    with pytest.raises(
        openai.BadRequestError, match="no gold answer is known for topic of this text: 'Hello'"
    ) as failed:
        ask(server, asking("Hello"))
    assert failed.value.code == "no_gold_answer"
    assert server.calls == 1


def test_a_label_outside_the_enum_is_no_answer():
    assert isinstance(said("x", gold=[{"text": "x", "label": "weather"}]), Problem)


def test_the_fallback_gives_first_values_and_says_so(model_endpoint):
    schema = schema_of(
        topic={"enum": TOPICS},
        count={"type": "integer"},
        note={"type": "string"},
        sure={"type": "boolean"},
        tags={"type": "array", "items": {"type": "string"}},
        when={"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        share={"type": ["number", "null"]},
    )
    reply = ask(model_endpoint(fallback="first"), asking("Hello", schema))
    assert json.loads(reply.choices[0].message.content) == {
        "topic": "cards",
        "count": 0,
        "note": "",
        "sure": False,
        "tags": [],
        "when": None,
        "share": None,
    }
    assert reply.model == "rlm_dsl.testing/fallback"


def test_properties_come_in_the_order_of_the_schema():
    schema = schema_of(b={"type": "integer"}, a={"type": "string"})
    assert said("x", schema, gold=[{"text": "x", "a": "é", "b": 2}]).content == '{"b":2,"a":"é"}'


def test_references_into_the_schema_are_followed():
    schema = {
        "$defs": {
            "Topic": {"type": "string", "enum": TOPICS},
            "Inner": {"type": "object", "properties": {"topic": {"$ref": "#/$defs/Topic"}}},
        },
        "type": "object",
        "properties": {"topic": {"$ref": "#/$defs/Topic"}, "inner": {"$ref": "#/$defs/Inner"}},
    }
    assert said("x", schema, gold=[{"text": "x", "label": "fees"}], fallback="first").content == (
        '{"topic":"fees","inner":{"topic":"cards"}}'
    )


def test_gold_may_be_a_callable(model_endpoint):
    server = model_endpoint(gold=lambda text, schema: {"topic": "loans"} if "borrow" in text else None)
    assert content_of(server, asking("May I borrow?")) == '{"topic":"loans"}'
    with pytest.raises(openai.BadRequestError):
        ask(server, asking("Hello"))


def test_a_callable_that_fails_is_named(model_endpoint):
    with pytest.raises(openai.BadRequestError, match="gold callable failed: KeyError"):
        ask(model_endpoint(gold=lambda text, schema: {}[text]))


def test_a_row_asked_for_again_is_the_first_one_shown(model_endpoint):
    body = asking("I lost my card")
    body["messages"] += [{"role": "assistant", "content": "card"}, {"role": "user", "content": "topic must be one of"}]
    assert content_of(model_endpoint(gold=GOLD), body) == '{"topic":"cards"}'


def test_the_schema_may_stand_in_the_system_message(model_endpoint):
    server = model_endpoint(gold=GOLD)
    body = talking("I lost my card")
    body["messages"].insert(0, {"role": "system", "content": f"Answer {{so}}: {json.dumps(SCHEMA)}. JSON only."})
    assert content_of(server, body) == '{"topic":"cards"}'
    assert content_of(server, {**body, "response_format": {"type": "json_object"}}) == '{"topic":"cards"}'


def test_without_any_schema_a_json_object_is_all_that_gold_knows(model_endpoint):
    body = talking("I lost my card", response_format={"type": "json_object"})
    assert content_of(model_endpoint(gold=GOLD), body) == '{"topic":"cards"}'


def test_parts_of_a_message_are_read_as_one_text(model_endpoint):
    parts = [{"type": "text", "text": "I lost "}, {"type": "text", "text": "my card"}]
    assert content_of(model_endpoint(gold=GOLD), asking(parts)) == '{"topic":"cards"}'


def test_text_of_any_kind_goes_through(model_endpoint):
    texts = ["\ud800 half a pair", "emoji \U0001f600", "nul \x00", "{not json", '{"a": 1', "[1]", " ", "x" * 3_000_000]
    server = model_endpoint(gold=[{"text": text, "echo": text} for text in texts])
    schema = schema_of(echo={"type": "string"})
    replies = asyncio.run(plain(server, *(asking(text, schema) for text in texts)))
    contents = [json.loads(text)["choices"][0]["message"]["content"] for _, _, text in replies]
    assert [json.loads(content)["echo"] for content in contents] == texts


def test_gold_that_cannot_be_used_is_refused_with_its_line():
    with pytest.raises(BadGold, match="gold line 2 is no JSON"):
        Gold.parse('{"text": "a"}\n{"text": \n')
    with pytest.raises(BadGold, match="`text`"):
        Gold.of([{"topic": "cards"}])
    with pytest.raises(BadGold, match="row 2 contradicts an earlier row of the same text on topic"):
        Gold.of([{"text": "a", "topic": "cards"}, {"text": "a", "topic": "fees"}])


def test_rows_of_one_text_add_up():
    gold = [{"text": "a", "topic": "cards"}, {"text": "a", "n": 2}]
    assert said("a", schema_of(topic={"enum": TOPICS}, n={"type": "integer"}), gold=gold).content == (
        '{"topic":"cards","n":2}'
    )


# --- errors made on purpose ---


def test_errors_are_those_that_is_wrong_names_whatever_the_order(model_endpoint):
    texts = [f"row {number}" for number in range(2_000)]
    server = model_endpoint(gold=[{"text": text, "topic": "cards"} for text in texts], error_rate=0.05, seed=7)

    def topics(order):
        replies = asyncio.run(plain(server, *map(asking, order)))
        contents = [json.loads(text)["choices"][0]["message"]["content"] for _, _, text in replies]
        return {text: json.loads(content)["topic"] for text, content in zip(order, contents, strict=True)}

    answers = topics(texts)
    wrong = {text for text, topic in answers.items() if topic != "cards"}
    assert wrong == {text for text in texts if is_wrong(7, text, "topic", 0.05)}
    assert 0.035 < len(wrong) / len(texts) < 0.065
    assert {answers[text] for text in wrong} == {"loans", "fees"}
    assert topics(texts[::-20]) == {text: answers[text] for text in texts[::-20]}


def test_errors_keep_the_type():
    gold = [{"text": "x", "topic": "fees", "sure": True, "n": 5, "note": "as it is"}]
    schema = schema_of(
        topic={"enum": TOPICS}, sure={"type": "boolean"}, n={"type": "integer", "minimum": 5}, note={"type": "string"}
    )
    found = json.loads(said("x", schema, gold=gold, error_rate=1.0).content)
    assert found["topic"] in ("cards", "loans")
    assert (found["sure"], found["n"], found["note"]) == (False, 6, "as it is")


@given(st.integers(), st.text(), st.text(), st.floats(0, 1))
def test_errors_grow_with_the_rate_and_space_does_not_count(seed, text, property, rate):
    assert is_wrong(seed, text, property, 1.0)
    assert not is_wrong(seed, text, property, 0.0)
    assert is_wrong(seed, f" {text}\n", property, rate) == is_wrong(seed, text, property, rate)


def test_is_wrong_takes_columns_as_an_object_or_as_shown():
    for number in range(50):
        columns = {"a": f"{number}", "b": "x"}
        assert is_wrong(0, columns, "topic", 0.5) == is_wrong(0, json.dumps(columns, indent=1), "topic", 0.5)


# --- scripts ---


def test_turns_follow_the_conversation_and_the_last_one_repeats(model_endpoint):
    server = model_endpoint(script=["one", "two"])
    assert content_of(server, talking("Q")) == "one"
    assert content_of(server, talking("Q", "one", "result")) == "two"
    assert content_of(server, talking("Q", "one", "result", "two", "result")) == "two"


def test_a_turn_named_in_the_last_message_counts_and_the_last_mention_wins(model_endpoint):
    server = model_endpoint(script=["one", "two", "three"])
    assert content_of(server, talking("Question. Turn 1 of 9: nothing. TURN 3 of 9")) == "three"
    assert content_of(server, talking("turn 3 of 9", "x", "turn 1 of 9")) == "one"


def test_past_its_end_a_strict_script_fails(model_endpoint):
    server = model_endpoint(script=["one"], strict_script=True)
    with pytest.raises(openai.InternalServerError, match="ends after turn 1"):
        ask(server, talking("Q", "one", "result"))


def test_a_question_picks_its_script(model_endpoint):
    server = model_endpoint(script={"how many": ["count"], "which": ["list"]})
    assert content_of(server, talking("Tell me which one", "list", "result")) == "list"
    with pytest.raises(openai.BadRequestError, match="no script"):
        ask(server, talking("Why?"))


def test_a_turn_may_be_an_object(model_endpoint):
    call = {"name": "look", "arguments": {"rows": 3}}
    turns = [{"content": "cut", "finish_reason": "length"}, {"refusal": "No."}, {"tool_calls": [call]}, {"status": 503}]
    server = model_endpoint(script=turns)
    choices = [ask(server, talking(f"turn {turn} of 4")).choices[0] for turn in (1, 2, 3)]
    assert (choices[0].message.content, choices[0].finish_reason) == ("cut", "length")
    assert (choices[1].message.content, choices[1].message.refusal) == (None, "No.")
    assert choices[2].finish_reason == "tool_calls"
    assert json.loads(choices[2].message.tool_calls[0].function.arguments) == {"rows": 3}
    with pytest.raises(openai.InternalServerError):
        ask(server, talking("turn 4 of 4"))


def test_a_turn_may_be_slow(model_endpoint):
    server = model_endpoint(script=[{"content": "late", "delay": 0.2}])
    began = time.perf_counter()
    assert content_of(server, talking("Q")) == "late"
    assert time.perf_counter() - began >= 0.2


def test_scripts_in_files(tmp_path, model_endpoint):
    plain_text, listed = tmp_path / "turns.txt", tmp_path / "turns.json"
    plain_text.write_text("first\nline two\n---\nsecond --- still\n--- \nthird\n")
    listed.write_text('["a", {"content": "b"}]')
    server = model_endpoint(script=plain_text)
    turns = [content_of(server, talking(f"turn {turn} of 3")) for turn in (1, 2, 3)]
    assert turns == ["first\nline two", "second --- still", "third"]
    assert content_of(model_endpoint(script=listed), talking("turn 2 of 2")) == "b"


@pytest.mark.parametrize("script", ["[]", "{", "3", '[{"contents": "a"}]', "[3]"])
def test_a_script_that_cannot_be_used_is_refused(script):
    with pytest.raises(BadScript):
        Script.parse(script)


# --- streams ---


def test_a_stream_says_the_same_and_ends_with_its_usage(model_endpoint):
    long = "word " * 100
    server = model_endpoint(gold=GOLD, script=[long])
    with client_of(server) as client:
        body = talking("Q", stream=True, stream_options={"include_usage": True})
        chunks = list(client.chat.completions.create(**body))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == long
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 125)
    assert all(chunk.model == "rlm_dsl.testing/script" for chunk in chunks)
    assert len(chunks) > 10


def test_a_stream_has_no_usage_unless_asked(model_endpoint):
    server = model_endpoint(gold=GOLD)
    with client_of(server) as client:
        chunks = list(client.chat.completions.create(**asking("I lost my card", stream=True)))
    assert all(chunk.usage is None for chunk in chunks)


def test_refusals_and_tool_calls_stream(model_endpoint):
    server = model_endpoint(script=[{"refusal": "No."}, {"tool_calls": [{"name": "look", "arguments": {}}]}])
    with client_of(server) as client:
        refused, called = (
            list(client.chat.completions.create(**talking(f"turn {turn} of 2", stream=True))) for turn in (1, 2)
        )
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in refused) == "No."
    assert [chunk.choices[0].delta.tool_calls[0].function.name for chunk in called if chunk.choices[0].delta.tool_calls]


@given(st.text(max_size=2_000))
def test_the_parts_of_a_stream_make_the_whole(text):
    assert "".join(delta.get("content") or "" for delta in deltas(Reply(text, "script"))) == text


def test_the_async_client_and_its_streams(model_endpoint):
    server = model_endpoint(gold=GOLD)

    async def both():
        async with openai.AsyncOpenAI(
            base_url=server.base_url, api_key="any", http_client=openai.DefaultAioHttpClient(), max_retries=0
        ) as client:
            whole = await client.chat.completions.create(**asking("I lost my card"))
            stream = await client.chat.completions.create(**asking("I lost my card", stream=True))
            parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return whole.choices[0].message.content, "".join(parts)

    assert asyncio.run(both()) == ('{"topic":"cards"}', '{"topic":"cards"}')


# --- usage, models, keys, bodies ---


def test_usage_is_a_quarter_of_the_bytes_and_four_a_message(model_endpoint):
    usage = ask(model_endpoint(script=["12345"]), talking("éé", "abcd", "")).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (4 + 1 + 4 + 1 + 4, 2, 16)


def test_the_callers_limit_of_tokens_cuts_the_answer(model_endpoint):
    choice = ask(model_endpoint(script=["x" * 100]), talking("Q", max_completion_tokens=5)).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("x" * 20, "length")


def test_only_named_models_are_served(model_endpoint):
    server = model_endpoint(gold=GOLD, models=["small"])
    assert ask(server, asking("I lost my card") | {"model": "small"}).model == "rlm_dsl.testing/gold"
    with client_of(server) as client:
        listed = [model.id for model in client.models.list()]
        assert "rlm_dsl.testing/small" in listed
        assert client.models.retrieve("rlm_dsl.testing/small").id in listed
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("large")
    with pytest.raises(openai.NotFoundError) as failed:
        ask(server)
    assert failed.value.code == "model_not_found"


def test_the_key_is_checked_and_never_echoed(model_endpoint):
    server = model_endpoint(gold=GOLD, key="right-key")
    assert ask(server, api_key="right-key").model == "rlm_dsl.testing/gold"
    with pytest.raises(openai.AuthenticationError) as failed:
        ask(server, api_key="wrong-key")
    assert failed.value.code == "invalid_api_key"
    replies = asyncio.run(plain(server, asking("I lost my card")))
    assert replies[0][0] == 401
    told = str(failed.value) + replies[0][2] + repr(server.requests) + json.dumps(server.stats())
    assert "right-key" not in told
    assert "wrong-key" not in told
    assert fetched(server, "/v1/models", Authorization="Bearer wrong-key")[0] == 401
    assert fetched(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        ({"messages": [{"role": "user", "content": "x"}]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": ["x"]}, "messages"),
        (talking("x", n=2), "n"),
        (talking("x", stream_options="yes"), "stream_options"),
        (talking("x", response_format={"type": "xml"}), "response_format"),
        (talking("x", response_format={"type": "json_schema", "json_schema": {"name": "a"}}), "response_format"),
        (talking("x", response_format={"type": "json_schema", "json_schema": {"schema": {}}}), "response_format"),
    ],
)
def test_a_body_that_is_wrong_gets_400_in_openais_form(model_endpoint, body, param):
    status, _, text = asyncio.run(plain(model_endpoint(), body))[0]
    error = json.loads(text)["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


def test_unknown_paths_get_404_in_openais_form(model_endpoint):
    server = model_endpoint()
    assert fetched(server, "/v1/embeddings")[1]["error"]["code"] == "unknown_url"
    assert fetched(server, "/v1/chat/completions")[0] == 405


# --- faults ---


def at(**numbers):
    return {name.removeprefix("_"): requests for name, requests in numbers.items()}


def test_429_carries_the_time_to_wait_and_the_retry_succeeds(model_endpoint):
    server = model_endpoint(gold=GOLD, at=at(_429=[1, 2]), retry_after=0.05)
    with pytest.raises(openai.RateLimitError) as failed:
        ask(server)
    assert failed.value.response.headers["retry-after"] == "0.05"
    assert ask(server, max_retries=2).model == "rlm_dsl.testing/gold"
    assert [received.status for received in server.requests] == [429, 429, 200]


def test_500_is_over_at_the_next_request(model_endpoint):
    server = model_endpoint(gold=GOLD, at=at(_500=[1]))
    assert ask(server, max_retries=1).model == "rlm_dsl.testing/gold"
    assert [received.fault for received in server.requests] == ["500", None]


@pytest.mark.parametrize("fault", ["drop", "reset_midway"])
def test_a_connection_that_closes_too_early(model_endpoint, fault, caplog):
    server = model_endpoint(gold=GOLD, at={fault: [1, 2]})
    with pytest.raises(openai.APIConnectionError):
        ask(server)
    with pytest.raises(aiohttp.ClientError):
        asyncio.run(plain(server, asking("I lost my card")))
    assert content_of(server) == '{"topic":"cards"}'
    assert [received.status for received in server.requests] == [0 if fault == "drop" else 200] * 2 + [200]
    assert not caplog.records


def test_a_stream_that_breaks_off(model_endpoint):
    server = model_endpoint(script=["word " * 50], at={"reset_midway": [1]})
    with client_of(server) as client, pytest.raises(Exception, match=r"incomplete|closed|peer|Connection error"):
        list(client.chat.completions.create(**talking("Q", stream=True)))


def test_malformed_results_are_no_json(model_endpoint):
    with pytest.raises(json.JSONDecodeError):
        json.loads(content_of(model_endpoint(gold=GOLD, rate_malformed=1.0)))


def test_a_page_of_html_where_json_should_be(model_endpoint):
    status, headers, text = asyncio.run(
        plain(model_endpoint(gold=GOLD, rate_not_json_body=1.0), asking("I lost my card"))
    )[0]
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert "<html>" in text


def test_truncated_answers_say_length(model_endpoint):
    choice = ask(model_endpoint(gold=GOLD, rate_truncated=1.0)).choices[0]
    assert (choice.message.content, choice.finish_reason) == ('{"topic"', "length")


def test_refusals_have_no_content(model_endpoint):
    message = ask(model_endpoint(gold=GOLD, rate_refusal=1.0)).choices[0].message
    assert (message.content, message.refusal) == (None, "This is a scripted refusal.")


@pytest.mark.parametrize("part", [{"enum": TOPICS}, {"type": "integer"}, {"type": "string"}, {"type": "boolean"}])
def test_off_schema_answers_are_json_that_does_not_fit(model_endpoint, part):
    server = model_endpoint(fallback="first", rate_off_schema=1.0)
    found = json.loads(content_of(server, asking("x", schema_of(it=part, other={"type": "integer"}))))
    assert found["other"] == 0
    assert found["it"] not in TOPICS
    assert not isinstance(found["it"], {"integer": int, "boolean": bool}.get(part.get("type"), tuple))
    assert isinstance(found["it"], dict) == (part.get("type") == "string")


def test_empty_and_fenced_answers(model_endpoint):
    server = model_endpoint(gold=GOLD, at={"empty": [1], "fenced": [2]})
    assert content_of(server) == ""
    assert '```json\n{"topic":"cards"}\n```' in content_of(server)


def test_faults_of_results_leave_prose_alone(model_endpoint):
    server = model_endpoint(script=["prose"], at={"malformed": [1], "off_schema": [2]})
    assert [content_of(server, talking("Q")) for _ in range(2)] == ["prose", "prose"]
    assert [received.fault for received in server.requests] == [None, None]


def test_a_slow_drip_takes_its_time_and_arrives_whole(model_endpoint):
    server = model_endpoint(gold=GOLD, slow_drip=0.3)
    began = time.perf_counter()
    assert content_of(server) == '{"topic":"cards"}'
    assert time.perf_counter() - began >= 0.3


@pytest.mark.parametrize("slow", [{"slow_drip": 4.0}, {"latency": 0.4}, {"latency": 0.4, "slow_drip": 0.1}])
def test_a_client_that_gives_up_disturbs_nobody(model_endpoint, slow, caplog):
    server = model_endpoint(gold=GOLD, **slow)
    with pytest.raises(openai.APITimeoutError):
        ask(server, timeout=0.1)
    deadline = time.monotonic() + 10
    while server.stats()["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.stats()["in_flight"] == 0
    assert server.stats()["by_status"] == {"200": 1}
    server.stop()
    assert not caplog.records


def test_a_server_that_goes_down_drops_everything(model_endpoint):
    server = model_endpoint(gold=GOLD, down_after=1)
    assert ask(server).model == "rlm_dsl.testing/gold"
    with pytest.raises(openai.APIConnectionError):
        ask(server)
    with client_of(server) as client, pytest.raises(openai.APIConnectionError):
        client.models.list()
    assert fetched(server, "/stats")[1]["by_status"] == {"dropped": 1, "200": 1}


@pytest.mark.parametrize(
    ("lack", "body", "param"),
    [
        ("no_json_schema", asking("I lost my card"), "response_format"),
        ("no_response_format", talking("I lost my card", response_format={"type": "json_object"}), "response_format"),
        ("no_max_completion_tokens", asking("I lost my card", max_completion_tokens=9), "max_completion_tokens"),
    ],
)
def test_servers_that_lack_a_parameter_say_so(model_endpoint, lack, body, param):
    with pytest.raises(openai.BadRequestError) as failed:
        ask(model_endpoint(gold=GOLD, **{lack: True}), body)
    assert (failed.value.code, failed.value.param) == ("unsupported_parameter", param)
    assert ask(model_endpoint(gold=GOLD), body).model == "rlm_dsl.testing/gold"


def test_without_json_schema_a_json_object_still_works(model_endpoint):
    body = talking("I lost my card", response_format={"type": "json_object"})
    assert ask(model_endpoint(gold=GOLD, no_json_schema=True), body).model == "rlm_dsl.testing/gold"


def test_no_usage(model_endpoint):
    assert ask(model_endpoint(gold=GOLD, no_usage=True)).usage is None


def test_a_prompt_over_the_window(model_endpoint):
    server = model_endpoint(gold=GOLD, context_window=20)
    assert ask(server).usage.prompt_tokens <= 20
    with pytest.raises(openai.BadRequestError, match="maximum context length is 20 tokens") as failed:
        ask(server, asking("x" * 100))
    assert failed.value.code == "context_length_exceeded"


def test_a_key_that_expires(model_endpoint):
    server = model_endpoint(gold=GOLD, expire_key_after=2)
    assert [ask(server).model for _ in range(2)] == ["rlm_dsl.testing/gold"] * 2
    with pytest.raises(openai.AuthenticationError):
        ask(server)


def test_more_at_once_than_allowed_get_429(model_endpoint):
    server = model_endpoint(gold=GOLD, max_in_flight=3, latency=0.3)

    def status(_):
        try:
            return ask(server) and 200
        except openai.RateLimitError:
            return 429

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(status, range(8)))
    assert 200 in statuses
    assert 429 in statuses
    assert statuses.count(200) >= 3


@pytest.mark.parametrize("fault", FAULTS)
def test_rates_are_kept_and_seeded(fault):
    faults = Faults(**{f"rate_{fault}": 0.1}, seed=3)
    met = [fault_met(faults, number) for number in range(1, 5_001)]
    assert set(met) == {fault, None}
    assert 0.085 < met.count(fault) / len(met) < 0.115
    assert met == [fault_met(faults, number) for number in range(1, 5_001)]
    assert met != [fault_met(Faults(**{f"rate_{fault}": 0.1}, seed=4), number) for number in range(1, 5_001)]


def test_rates_together_keep_each_their_share():
    faults = Faults(rate_429=0.2, rate_empty=0.3, rate_fenced=0.5)
    met = [fault_met(faults, number) for number in range(5_000)]
    shares = [met.count(fault) / len(met) for fault in ("429", "empty", "fenced")]
    assert shares == pytest.approx([0.2, 0.3, 0.5], abs=0.025)


def test_latency_spreads_around_its_median():
    faults = Faults(latency=0.5, jitter=0.4)
    drawn = [latency_of(faults, number) for number in range(3_000)]
    assert statistics.median(drawn) == pytest.approx(0.5, rel=0.05)
    assert min(drawn) > 0
    assert latency_of(Faults(latency=0.5), 1) == 0.5


@pytest.mark.parametrize(
    "faults", [{"rate_429": 1.1}, {"rate_429": 0.6, "rate_500": 0.6}, {"at": {"fire": [1]}}, {"latency": -1}]
)
def test_faults_that_make_no_sense_are_refused(faults):
    with pytest.raises(ValueError, match=r"rates|unknown fault|negative"):
        serve(**faults)


# --- the server ---


def test_64_at_once_are_all_answered_and_counted(model_endpoint):
    gold = [{"text": f"row {number}", "topic": TOPICS[number % 3]} for number in range(64)]
    server = model_endpoint(gold=gold, latency=1.5)

    async def all_at_once():
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
            calls = (client.chat.completions.create(**asking(row["text"])) for row in gold)
            return await asyncio.gather(*calls)

    replies = asyncio.run(all_at_once())
    topics = [json.loads(reply.choices[0].message.content)["topic"] for reply in replies]
    assert topics == [row["topic"] for row in gold]
    assert server.max_in_flight == 64
    assert server.calls == 64
    assert [received.number for received in server.requests] == list(range(1, 65))


def test_requests_are_kept_with_their_status(model_endpoint):
    server = model_endpoint(gold=GOLD)
    asyncio.run(plain(server, asking("I lost my card"), b"no json", asking("Hello")))
    assert [received.status for received in server.requests] == [200, 400, 400]
    assert server.requests[0].body["messages"][-1]["content"] == "I lost my card"
    assert server.requests[1].body == "no json"


def test_stats_count_calls_and_tokens(model_endpoint):
    server = model_endpoint(gold=GOLD)
    usage = ask(server).usage
    assert fetched(server, "/stats") == (
        200,
        {
            "calls": 1,
            "by_status": {"200": 1},
            "by_fault": {},
            "in_flight": 0,
            "max_in_flight": 1,
            "tokens": {"prompt": usage.prompt_tokens, "completion": usage.completion_tokens},
        },
    )


def test_a_reply_comes_in_one_write(model_endpoint):
    """Headers and a small body arrive together in the first read."""
    server = model_endpoint(gold=GOLD)
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps(asking("I lost my card")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port))) as connection:
        for _ in range(20):
            connection.sendall(head + body)
            headers, _, content = connection.recv(1 << 16).partition(b"\r\n\r\n")
            assert b"Server: rlm_dsl.testing" in headers
            assert json.loads(content)["system_fingerprint"] == FINGERPRINT


def test_a_call_costs_little(model_endpoint, record_property):
    server = model_endpoint(gold=GOLD)

    async def times():
        async with aiohttp.ClientSession() as session:
            found = []
            for _ in range(200):
                began = time.perf_counter()
                async with session.post(server.base_url + "/chat/completions", json=asking("I lost my card")) as reply:
                    await reply.read()
                found.append(time.perf_counter() - began)
            return found

    median = statistics.median(asyncio.run(times())) * 1000
    record_property("milliseconds_per_call", round(median, 3))
    assert median < 20


def test_stopping_leaves_nothing_behind_and_may_be_done_twice():
    with serve(gold=GOLD) as server:
        port = int(server.base_url.split(":")[2].removesuffix("/v1"))
        ask(server)
        server.stop()
    server.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "rlm_dsl.testing"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with serve(gold=GOLD, port=port) as again:
        assert ask(again).model == "rlm_dsl.testing/gold"


def test_stopping_does_not_wait_for_slow_answers():
    server = serve(gold=GOLD, latency=60)

    def fails():
        with pytest.raises(openai.APIConnectionError):
            ask(server)

    thread = threading.Thread(target=fails)
    thread.start()
    while not server.calls:
        time.sleep(0.01)
    began = time.perf_counter()
    server.stop()
    assert time.perf_counter() - began < 5
    thread.join(10)
    assert not thread.is_alive()


def test_the_fixture_stops_its_servers_and_leaves_the_developers_store_alone(pytester_run, tmp_path):
    """README's own example among them."""
    assert pytester_run.returncode == 0 and "3 passed" in pytester_run.stdout, pytester_run.stdout
    assert not (tmp_path / "own.sqlite").exists()


def test_an_endpoint_never_answers_for_one_that_was_there_before(model_endpoint):
    program, rows = 'answer t | classify(on=text, labels=["cards", "loans"], into=topic)', [{"text": "Hello"}]
    asked = {"model": "any", "concurrency": 1}
    first = model_endpoint(gold=[{"text": "Hello", "label": "cards"}])
    run = partial(rlm_dsl.run, program, {"t": rows}, base_url=first.base_url, **asked)
    assert [run().value[0]["topic"] for _ in range(2)] == ["cards"] * 2 and first.calls == 1, "kept within a test"
    first.stop()
    model_endpoint(gold=[{"text": "Hello", "label": "loans"}], port=int(first.base_url.split(":")[2].split("/")[0]))
    assert run().value[0]["topic"] == "loans"


@pytest.fixture
def pytester_run(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys, threading\n"
        "from rlm_dsl.testing import plugin\n"
        "assert 'aiohttp' not in sys.modules and 'openai' not in sys.modules\n"
        "model_endpoint = plugin.model_endpoint\n"
        "def test_started(model_endpoint):\n"
        "    assert model_endpoint().base_url != model_endpoint().base_url\n"
        "def test_stopped():\n"
        "    assert threading.active_count() == 1\n"
    )
    (example,) = re.findall(
        r"```python\n([^`]*def test_.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S
    )
    (tmp_path / "test_readme.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", plugin.__name__, str(tmp_path)]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "RLM_DSL_STORE": str(tmp_path / "own.sqlite")}
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60)


def test_importing_the_package_is_cheap():
    code = (
        "import sys, rlm_dsl.testing, rlm_dsl.testing.faults; print('aiohttp' in sys.modules, 'click' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


# --- the command line ---


@contextmanager
def command(*options):
    """The endpoint as a program of its own; gives the process and its base URL."""
    line = [sys.executable, "-m", "rlm_dsl.testing.endpoint", *map(str, options)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def gold_file(tmp_path):
    path = tmp_path / "gold.jsonl"
    path.write_text("\n".join(map(json.dumps, GOLD)) + "\n")
    return path


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_and_stops_on_signals(gold_file, number):
    with command("--port", 0, "--gold", gold_file, "--at", "500:1,2", "--key", "k", "--models", "a,b") as (
        process,
        url,
    ):
        with openai.OpenAI(base_url=url, api_key="k", max_retries=2) as client:
            body = asking("I lost my card") | {"model": "b"}
            assert client.chat.completions.create(**body).model == "rlm_dsl.testing/gold"
        process.send_signal(number)
        assert process.wait(10) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_a_port_that_is_taken_is_one_message_and_exit_2(model_endpoint):
    port = model_endpoint().base_url.split(":")[2].removesuffix("/v1")
    with command("--port", port) as (process, url):
        assert (url, process.wait(10)) == ("", 2)
        assert f"port {port} of 127.0.0.1 is in use" in process.stderr.read()
    with pytest.raises(OSError, match="in use"):
        serve(port=int(port))


@pytest.mark.parametrize("options", [["--error-rate", "2"], ["--at", "fire:1"], ["--at", "429"], ["--rate-429", "7"]])
def test_options_that_make_no_sense_exit_2(options):
    refused = CliRunner().invoke(main, ["--port", "0", *options])
    assert refused.exit_code == 2
    assert "Error: " in refused.stderr


def test_a_bad_gold_file_exits_2_with_its_line(tmp_path):
    path = tmp_path / "gold.jsonl"
    path.write_text('{"text": "a"}\nnonsense\n')
    refused = CliRunner().invoke(main, ["--port", "0", "--gold", str(path)])
    assert refused.exit_code == 2
    assert "gold line 2" in refused.stderr


def test_a_host_that_is_not_ours_is_an_error_not_a_hang():
    with pytest.raises(OSError):
        serve(host="203.0.113.1")
    with pytest.raises(OverflowError):
        serve(port=99_999)


# --- schemas ---


def test_the_last_schema_in_a_text_is_the_result_schema():
    text = f'Example {{"a": 1}} and {{broken, then {json.dumps(schema_of(x={}))} then {json.dumps(SCHEMA)} end }}'
    assert schema_in(text) == SCHEMA
    assert schema_in('{"a": 1} {') is None


def test_schemas_that_are_true_or_point_nowhere_allow_anything():
    parts = properties(schema_of(a=True, b={"$ref": "#/nowhere"}))
    assert [first_value(part) for part in parts.values()] == ["", ""]


@given(st.text())
def test_estimates_are_quarters_rounded_up(text):
    size = len(text.encode("utf-8", "surrogatepass"))
    assert 4 * estimated_tokens(text) - 3 <= size <= 4 * estimated_tokens(text) or size == 0
