"""What servers and models really send, one case each: every line of the list of such reports that is about a reply.

In: a server that sends exactly that. Out: nothing but a verdict. Law: what is right was written down before it was so.
Batches have tests of their own (test_batch_api.py), and so has the reading of answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.testing import serve
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion, error

Answer = Callable[[Sent], Reply]
LABEL = '{"label": "good"}'
STEP = 'answer log | classify(on=text, ["good", "bad"], into=label, guide="Which?"{more})'
CLASSIFY, NULLS = STEP.format(more=""), STEP.format(more=', on_error="null"')


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


def ran(place: Path, url: str, program: str = CLASSIFY, rows: Sequence[str] = ("one",), **more: Any) -> Any:
    """What a program comes to over rows, one request at a time."""
    (place / "log.txt").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    options: dict[str, Any] = {"model": "m", "base_url": url, "store": str(place / "s.sqlite"), "concurrency": 1}
    return rlm_dsl.run(program, {"log": str(place / "log.txt")}, **{**options, **more})


def labels(place: Path, url: str, program: str = CLASSIFY, **more: Any) -> list[str | None]:
    return [row["label"] for row in ran(place, url, program, **more).value]


def told(place: Path, url: str, program: str = CLASSIFY, **more: Any) -> str:
    """The error that a run ends with, and its hint."""
    with pytest.raises(UserError) as failure:
        ran(place, url, program, **more)
    return f"{failure.value} {failure.value.hint}"


def asked(question: Path, url: str, **more: Any) -> Any:
    """What a root model's exploration of three rows comes to."""
    (question / "log.txt").write_text("a\nb\nc\n")
    options: dict[str, Any] = {"model": "m", "base_url": url, "store": str(question / "s.sqlite")}
    return rlm_dsl.ask("How many lines?", {"log": str(question / "log.txt")}, **options, **more).value


def refusing(*forms: str, words: str = "Bad Request", status: int = 400, answer: Reply | None = None) -> Answer:
    """A server that takes some forms only."""
    return lambda sent: error(status, words) if sent.form in forms else answer or completion(LABEL)


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": "result", "arguments": arguments}}


# --- where an answer stands


def test_a_tools_arguments_are_the_answer_beside_empty_content(place: Path) -> None:
    reply = completion("", "tool_calls", message={"tool_calls": [call(LABEL)]})
    with ScriptedServer(refusing("schema", answer=reply)) as server:
        assert labels(place, server.base_url) == ["good"] and [sent.form for sent in server.chats] == ["schema", "tool"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_all_tokens_spent_on_thoughts_is_told_with_what_to_set(place: Path, field: str) -> None:
    with ScriptedServer([completion(None, "length", message={field: 'It may be {"label": "bad"}'})]) as server:
        words = told(place, server.base_url)
        assert "went to reasoning" in words and "max_completion_tokens" in words
        assert labels(place, server.base_url, NULLS) == [None]
        with pytest.raises(UserError) as failure:
            asked(place, server.base_url, turns=2)
        assert "reasoning" in f"{failure.value} {failure.value.hint}"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_an_answer_in_the_reasoning_alone_is_none_and_told_with_what_to_set(place: Path, field: str) -> None:
    with ScriptedServer([completion("", "stop", message={field: LABEL})]) as server:
        words = told(place, server.base_url)
        assert "reasoning and no answer" in words and "enable_thinking" in words and "reasoning parser" in words
        asked_before = len(server.chats)
        assert labels(place, server.base_url, NULLS) == [None]
        assert len(server.chats) == 2 * asked_before, "it is not kept: the server may be set otherwise by now"
        with pytest.raises(UserError) as failure:
            asked(place, server.base_url, turns=2)
        assert "reasoning and no text" in f"{failure.value}" and "reasoning parser" in f"{failure.value.hint}"


def test_a_model_that_stopped_after_its_thought_may_answer_when_it_is_asked_again(place: Path) -> None:
    replies = [completion("", "stop", message={"reasoning": "hm"}), completion(LABEL)]
    with ScriptedServer(replies) as server:
        assert labels(place, server.base_url) == ["good"] and [sent.form for sent in server.chats] == ["schema"] * 2


def test_a_thought_without_end_is_no_answer(place: Path) -> None:
    with ScriptedServer([completion('<think>hm {"label": "bad"}')]) as server:
        assert labels(place, server.base_url, NULLS) == [None]


DRAFTS = {
    "two fences": '```json\n{"label": "bad"}\n```\nNo, better:\n```json\n{"label": "good"}\n```',
    "two objects": '{"label": "bad"}\n{"label": "good"}',
}


@pytest.mark.parametrize("name", DRAFTS)
def test_two_drafts_that_differ_are_no_answer(place: Path, name: str) -> None:
    with ScriptedServer([completion(DRAFTS[name])]) as server:
        assert labels(place, server.base_url, NULLS) == [None]


def test_two_drafts_that_are_the_same_are_one_answer(place: Path) -> None:
    with ScriptedServer([completion(f"```json\n{LABEL}\n```\nTo sum up:\n```json\n{LABEL}\n```")]) as server:
        assert labels(place, server.base_url) == ["good"]


# --- answers that do not fit


MISFITS = {
    "1 and 400 zeros": ("x: float", '{"x": 1' + "0" * 400 + "}"),
    "the first day of all, east of Greenwich": ("x: timestamp", '{"x": "0001-01-01T00:00:00+05:00"}'),
    "the last day of all, west of Greenwich": ("x: timestamp", '{"x": "9999-12-31T23:59:59-05:00"}'),
    "no number": ("x: float", '{"x": NaN}'),
    "a number too large for a whole one": ("x: int", '{"x": 1' + "0" * 30 + "}"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_value_that_no_column_can_hold_is_a_misfit(place: Path, name: str) -> None:
    returns, said = MISFITS[name]
    program = f'answer log | ask("What?", on=text, returns={{{returns}}}, on_error="null")'
    with ScriptedServer([completion(said)]) as server:
        assert [row["x"] for row in ran(place, server.base_url, program).value] == [None]


def test_half_a_surrogate_pair_in_an_answer_is_read(place: Path) -> None:
    program = 'answer log | ask("What?", on=text, returns={x: text})'
    with ScriptedServer([completion('{"x": "a\\ud800"}')]) as server:
        assert ran(place, server.base_url, program).value[0]["x"].startswith("a")


def test_names_outside_ascii_are_asked(place: Path) -> None:
    program = 'answer log | ask("Wie groß?", on=text, returns={`größe`: int})'
    with ScriptedServer([completion('{"größe": 3}')]) as server:
        assert [row["größe"] for row in ran(place, server.base_url, program).value] == [3]


def test_a_form_that_is_passed_over_is_told_in_words(place: Path) -> None:
    def answer(sent: Sent) -> Reply:
        in_words = "JSON Schema" in sent.body["messages"][0]["content"]
        return completion(LABEL if in_words else '{"answer": "good"}')

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, rows=["one", "two", "three"]) == ["good"] * 3
        assert len(server.chats) == 4, "once asked again, and from then on in words too"


# --- ends


def test_an_answer_that_was_filtered_is_refused_and_one_that_was_cut_is_cut(place: Path) -> None:
    filtered, cut = completion(None, "SAFETY"), completion("", "MAX_TOKENS")
    with ScriptedServer(lambda sent: filtered if sent.row == "one" else cut) as server:
        assert "refused" in told(place, server.base_url, rows=["one"])
        assert "cut" in told(place, server.base_url, rows=["two"])
        found = ran(place, server.base_url, NULLS, rows=["one", "two"])
        assert found.steps[0].asked["refused"] == 1 and found.steps[0].asked["invalid"] == 1


TRANSIENT = {
    "finish error and an error in the choice": Reply(
        {"choices": [{"finish_reason": "error", "message": {"role": "assistant", "content": ""},
                      "error": {"code": 502, "message": "Upstream error"}}]}
    ),
    "an error in a 200": Reply({"error": {"code": 502, "message": "Provider disconnected"}}),
    "a model is loaded": completion("", "load"),
    "no choices": Reply({"id": "x", "object": "chat.completion", "choices": []}),
    "null for choices": Reply({"choices": None}),
    "an empty body": Reply(b""),
    "a page": Reply(b"<html><title>Bad gateway</title></html>", 200, {"Content-Type": "text/html"}),
    "a page of a gateway": Reply(b"<html><title>502 Bad gateway</title></html>", 502, {"Content-Type": "text/html"}),
    "out of order": completion("", "insufficient_system_resource"),
    "overloaded": Reply({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
    "a text for an error": Reply({"error": "upstream request timeout"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_passes_is_tried_again(place: Path, name: str) -> None:
    with ScriptedServer([TRANSIENT[name], completion(LABEL)]) as server:
        assert labels(place, server.base_url) == ["good"] and len(server.chats) == 2


# --- refusals that are no row's fault


FOR_GOOD = {
    "402 in a 200": (Reply({"error": {"code": 402, "message": "You need more credits"}}), "need more credits"),
    "402": (error(402, "Insufficient Balance"), "Insufficient Balance"),
    "a quota in a 429": (error(429, "You exceeded your current quota", code="insufficient_quota"), "current quota"),
    "a quota in a 200": (Reply({"error": {"code": "insufficient_quota", "message": "no quota left"}}), "no quota left"),
    "401": (error(401, "Incorrect API key provided"), "Incorrect API key"),
    "403": (error(403, "Country not supported"), "Country not supported"),
    "404": (error(404, "model 'm' not found, try pulling it first"), "try pulling it first"),
    "a wrong parameter": (error(400, "top_k must be from 1 to 100", param="top_k"), "top_k must be"),
    "a list of errors": (Reply([{"error": {"code": 400, "message": "Please use a valid role"}}], 400), "a valid role"),
}


@pytest.mark.parametrize("nulls", [False, True], ids=["", "on_error=null"])
@pytest.mark.parametrize("name", FOR_GOOD)
def test_a_refusal_for_good_stops_in_the_servers_words(place: Path, name: str, nulls: bool) -> None:
    reply, words = FOR_GOOD[name]
    rows = [f"row {number}" for number in range(12)]
    with ScriptedServer([reply]) as server:
        assert words in told(place, server.base_url, NULLS if nulls else CLASSIFY, rows=rows, concurrency=16)
        searched = name in ("a wrong parameter", "a list of errors")
        assert len(server.chats) <= 5 * 12 if searched else len(server.chats) == 1, "what had not left stayed"


@pytest.mark.parametrize("nulls", [False, True], ids=["", "on_error=null"])
def test_a_parameter_that_is_refused_is_dropped_once(place: Path, nulls: bool) -> None:
    words = "Unsupported value: 'temperature' does not support 0 with this model."

    def answer(sent: Sent) -> Reply:
        refused = "temperature" in sent.body
        return error(400, words, param="temperature", code="unsupported_value") if refused else completion(LABEL)

    with ScriptedServer(answer) as server:
        program = NULLS if nulls else CLASSIFY
        found = labels(place, server.base_url, program, rows=["a", "b"], parameters={"temperature": 0})
        assert found == ["good", "good"] and len(server.chats) == 3


def test_a_parameter_may_be_named_in_another_spelling(place: Path) -> None:
    """As xAI names it."""

    def answer(sent: Sent) -> Reply:
        words = "Argument not supported on this model: presencePenalty"
        refused = "presence_penalty" in sent.body
        return (
            Reply({"code": "Client specified an invalid argument", "error": words}, 400)
            if refused
            else completion(LABEL)
        )

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, parameters={"presence_penalty": 0.5}) == ["good"]
        assert len(server.chats) == 2 and server.chats[-1].form == "schema"


def test_the_users_own_limit_is_renamed_and_kept(place: Path) -> None:
    def answer(sent: Sent) -> Reply:
        words = "Unsupported parameter: 'max_tokens' is not supported with this model."
        return error(400, words, param="max_tokens") if "max_tokens" in sent.body else completion(LABEL)

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, parameters={"max_tokens": 123}) == ["good"]
        assert server.chats[-1].body["max_completion_tokens"] == 123


# --- forms


GRAMMARS = (
    "Failed to initialize samplers: failed to parse grammar",
    "The provided JSON schema contains features not supported by xgrammar.",
    "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'generation_config.response_schema'",
    "No endpoints found that support tool use",
    "Invalid schema for response_format 'result'",
)


@pytest.mark.parametrize("words", GRAMMARS)
def test_a_schema_that_is_refused_is_asked_for_in_the_next_form(place: Path, words: str) -> None:
    with ScriptedServer(refusing("schema", "tool", words=words)) as server:
        assert labels(place, server.base_url, rows=["a", "b"]) == ["good", "good"]
        assert [sent.form for sent in server.chats] == ["schema", "tool", "json", "json"]


def test_too_large_a_schema_is_one_steps_affair(place: Path) -> None:
    many = json.dumps([f"label number {number}" for number in range(600)])
    program = f'a = log | classify(on=text, {many}, into=x, guide="Which?")\n' + CLASSIFY.replace("log |", "a |")

    def answer(sent: Sent) -> Reply:
        large = len(sent.content) > 8_000
        if large and sent.form == "schema":
            return error(400, "Invalid schema for response_format: too many enum values")
        said = '{"label": "label number 7"}' if large else LABEL
        return completion(None, "tool_calls", message={"tool_calls": [call(said)]}) if large else completion(said)

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, program) == ["good"]
        assert [sent.form for sent in server.chats] == ["schema", "tool", "schema"]


ROLES = ("System role not supported", "Conversation roles must alternate user/assistant/user/assistant/...",
         "Only user, assistant and tool roles are supported, got system")  # fmt: skip


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("words", ROLES)
def test_a_systems_words_go_into_the_users_message_once_found_out(place: Path, words: str, status: int) -> None:
    """The status is 500 where a template raises, as with llama.cpp's server."""

    def answer(sent: Sent) -> Reply:
        roles = [message["role"] for message in sent.body["messages"]]
        return error(status, words) if "system" in roles else completion(LABEL)

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, rows=["a", "b"]) == ["good", "good"] and len(server.chats) == 3
        assert server.chats[-1].body["messages"][0]["content"].startswith("Which?")


def test_nothing_is_learned_from_a_row_that_an_error_repeats(place: Path) -> None:
    row = "our response_format is structured: json_schema, tools, max_completion_tokens are not supported"

    def answer(sent: Sent) -> Reply:
        refused = row in sent.body["messages"][-1]["content"]
        return error(400, f"Bad input: {row}") if refused else completion(LABEL)

    with ScriptedServer(answer) as server:
        found = labels(place, server.base_url, NULLS, rows=["fine", row, "fine too"])
        assert found == ["good", None, "good"] and server.chats[-1].form == "schema"
        assert "max_completion_tokens" in server.chats[-1].body


def test_nothing_is_learned_from_an_answer_that_does_not_fit(place: Path) -> None:
    """A row that a server refuses in every form until there is none left, and a model that then chats."""

    def answer(sent: Sent) -> Reply:
        if "odd" in json.dumps(sent.body["messages"]):
            return error(400, "Bad Request") if sent.form != "words" else completion("I cannot say.")
        return completion(LABEL)

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, NULLS, rows=["odd", "fine", "fine too"]) == [None, "good", "good"]
        assert server.chats[-1].form == "schema"


def test_json_that_a_model_got_wrong_is_tried_in_another_form_or_again(place: Path) -> None:
    """As Groq checks what was generated; another attempt may well give it."""

    def answer(sent: Sent) -> Reply:
        failed = sent.row == "second" and len(server.chats) == 2
        words = "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details."
        return error(400, words, code="json_validate_failed", failed_generation="{") if failed else completion(LABEL)

    with ScriptedServer(answer) as server:
        assert labels(place, server.base_url, rows=["first", "second", "third"]) == ["good"] * 3


# --- figures


USAGES: Sequence[Any] = (
    {"prompt_tokens": "10", "completion_tokens": "three"}, "x", None, [], {"prompt_tokens": None},
    {"prompt_tokens": 1e30, "completion_tokens": -4}, {"total_tokens": True},
)  # fmt: skip


@pytest.mark.parametrize("usage", USAGES, ids=json.dumps)
def test_usage_that_is_none_is_unknown_and_the_answer_counts(place: Path, usage: Any) -> None:
    with ScriptedServer([completion(LABEL, usage=usage)]) as server:
        found = ran(place, server.base_url)
        assert found.value[0]["label"] == "good" and len(server.chats) == 1
        assert found.spent.prompt_tokens + found.spent.completion_tokens < 10_000


# --- windows


def test_a_prompt_over_the_window_is_told_with_the_ways_out(place: Path) -> None:
    words = "the request exceeds the available context size, try increasing it"
    with ScriptedServer([error(400, words, type="exceed_context_size_error", n_ctx=4096)]) as server:
        said = told(place, server.base_url)
        assert words in said and "window:" in said and "partition" in said and "run again" not in said


def test_the_window_and_the_slots_are_read_from_a_server_that_tells_them(place: Path) -> None:
    with serve(gold=lambda text, schema: {"label": "good"}, persona="llamacpp", latency=0.02) as server:
        rows = [f"row {number}" for number in range(8)]
        assert labels(place, server.base_url, rows=rows, concurrency=None) == ["good"] * 8
        assert server.max_in_flight <= 2
        calls = server.calls
        said = told(place, server.base_url, rows=["word " * 9_000])
        assert server.calls == calls and "partition" in said


# --- addresses and keys of the store


def test_an_address_of_one_call_or_without_scheme_is_told_before_anything_waits(place: Path) -> None:
    assert "http://localhost:8000/v1" in told(place, "localhost:8000/v1")
    assert "name the server: http://localhost:8000/v1" in told(place, "http://localhost:8000/v1/chat/completions")


@pytest.mark.parametrize(
    "reply",
    [error(404, "Not Found"), Reply(b"404 page not found", 404, {"Content-Type": "text/plain"}),
     Reply(b"<html><title>Ollama is running</title></html>", 200, {"Content-Type": "text/html"})],
    ids=["json", "text", "page"],
)  # fmt: skip
def test_an_address_without_v1_is_told_at_once_with_the_right_one(place: Path, reply: Reply) -> None:
    with ScriptedServer([reply], path="") as server:
        said = told(place, server.base_url)
        assert f"{server.base_url}/v1" in said and len(server.chats) <= 4


def test_two_spellings_are_one_key(place: Path) -> None:
    with ScriptedServer([completion(LABEL)]) as server:
        for url in (server.base_url, server.base_url + "/", server.base_url.upper().replace("/V1", "/v1")):
            for zero in (0, 0.0):
                assert labels(place, url, parameters={"temperature": zero}) == ["good"]
        assert len(server.chats) == 1


# --- what a root says


FENCED = "```\nanswer count(log)\n```"
ROOTS: Mapping[str, str] = {
    "lines that end in CRLF": "I count.\r\n\r\n```\r\nx = log | take(3)\r\nanswer count(x)\r\n```\r\nThat is all.",
    "a fence that ends on the last line": "```\nanswer count(log)```\nThis counts them.",
    "a lone end of a thought": f"Maybe:\n```\nanswer 99\n```\n</think>\n\n{FENCED}",
    "a thought by another name": f"<thought>\n```\nanswer 99\n```\n</thought>\n{FENCED}",
    "a thought": f"<think>\n```\nanswer 99\n```\n</think>\n{FENCED}",
    "channels": "<|channel|>analysis<|message|>```\nanswer 99\n```\n<|end|>"
    f"<|start|>assistant<|channel|>final<|message|>{FENCED}<|return|>",
    "marks of a template": f"{FENCED}<|im_end|>",
}  # fmt: skip


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_means_the_fenced_statements_after_its_thoughts(place: Path, name: str) -> None:
    with ScriptedServer([completion(ROOTS[name])]) as server:
        assert asked(place, server.base_url) == 3 and len(server.chats) == 1
