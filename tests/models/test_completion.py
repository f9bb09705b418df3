"""Replies of status 200 as servers really send them: the answer wherever it stands, and figures that can be true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.request import Answer
from rlm_dsl.models.server.completion import NoCompletion, read_completion
from rlm_dsl.models.server.errors import ServerError

ARGUMENTS = '{"label": "good"}'


def reply(message: dict[str, Any], finish: Any = "stop", **more: Any) -> str:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **more})


def answer(text: str, **bounds: Any) -> Answer:
    found = read_completion(text, **bounds)
    assert isinstance(found, Answer), found
    return found


def call(arguments: Any, name: str = "result") -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


STANDS = {
    "content": {"content": ARGUMENTS},
    "a tool's call beside empty content": {"content": "", "tool_calls": [call(ARGUMENTS)]},
    "a tool's call beside null": {"content": None, "tool_calls": [call(ARGUMENTS)]},
    "a tool's call beside prose": {"content": "I will call it.", "tool_calls": [call(ARGUMENTS)]},
    "arguments as an object": {"content": None, "tool_calls": [call({"label": "good"})]},
    "the older function_call": {"content": None, "function_call": {"name": "result", "arguments": ARGUMENTS}},
    "the second call, the first is empty": {"content": None, "tool_calls": [call(""), call(ARGUMENTS)]},
    "parts of text": {"content": [{"type": "text", "text": '{"label": '}, {"type": "text", "text": '"good"}'}]},
    "a part that is a call": {"content": [{"type": "tool_use", "name": "result", "input": {"label": "good"}}]},
    "parts with thought": {"content": [{"type": "thinking", "thinking": "bad"}, {"type": "text", "text": ARGUMENTS}]},
    "a call written out": {"content": f'<tool_call>\n{{"name": "result", "arguments": {ARGUMENTS}}}\n</tool_call>'},
    "a call without its end": {"content": f'<tool_call>{{"name": "result", "arguments": {ARGUMENTS}}}'},
    "a list of calls written out": {"content": f'[TOOL_CALLS] [{{"name": "result", "arguments": {ARGUMENTS}}}]'},
    "a function written out": {"content": f"<function=result>{ARGUMENTS}</function>"},
}


@pytest.mark.parametrize("where", STANDS)
def test_the_answer_is_read_wherever_it_stands(where: str) -> None:
    assert json.loads(answer(reply(STANDS[where])).text) == {"label": "good"}


def test_what_only_looks_like_a_call_is_text() -> None:
    for text in (
        "see <tool_call> in the docs",
        "[1, 2]",
        "<function=f> is how it begins",
        "<tool_call>{broken</tool_call>",
    ):
        assert answer(reply({"content": text})).text == text


FINISHES = {
    "stop": "stop", None: "stop", "": "stop", "tool_calls": "stop", "STOP": "stop", "eos": "stop", "end_turn": "stop",
    "length": "length", "MAX_TOKENS": "length", "model_length": "length", "max_output_tokens": "length",
    "content_filter": "content_filter", "SAFETY": "content_filter", "RECITATION": "content_filter",
    "FinishReason.SAFETY": "content_filter", "refusal": "content_filter",
}  # fmt: skip


@pytest.mark.parametrize("said", FINISHES)
def test_how_an_answer_ended(said: str | None) -> None:
    assert answer(reply({"content": "x"}, said)).finish == FINISHES[said]


@pytest.mark.parametrize("ended", ["error", "network_error", "insufficient_system_resource", "abort", "load"])
def test_an_end_that_is_no_answer_is_tried_again(ended: str) -> None:
    found = read_completion(reply({"content": ""}, ended))
    assert isinstance(found, ServerError) and found.kind() == "broken"


def test_an_error_in_the_choice_is_the_servers() -> None:
    choice = {"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "upstream died"}}
    found = read_completion(json.dumps({"choices": [choice]}))
    assert isinstance(found, ServerError) and (found.kind(), found.words) == ("broken", "upstream died")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 402, "message": "credits"}}, "credit"),
        ({"error": {"code": "insufficient_quota", "message": "x"}, "choices": None}, "credit"),
        ([{"error": {"code": 429, "message": "x"}}], "busy"),
        ({"object": "error", "message": "x", "code": 500}, "broken"),
        ({"detail": "overloaded for now"}, "broken"),
        ({"error": "timeout"}, "broken"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "busy"),
    ],
)
def test_an_error_in_a_200_is_an_error(body: Any, kind: str) -> None:
    found = read_completion(json.dumps(body))
    assert isinstance(found, ServerError) and found.kind() == kind


USAGES: list[tuple[Any, tuple[int | None, int | None]]] = [
    ({"prompt_tokens": 10, "completion_tokens": 3}, (10, 3)),
    ({"prompt_tokens": 10.0, "completion_tokens": 0}, (10, 0)),
    ({"input_tokens": 10, "output_tokens": 3}, (10, 3)),
    ({"prompt_tokens": "10", "completion_tokens": "three"}, (None, None)),
    ({"prompt_tokens": 1e30, "completion_tokens": 10**30}, (None, None)),
    ({"prompt_tokens": 5_000, "completion_tokens": 5_000}, (None, None)),
    ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
    ({"prompt_tokens": 2.5, "completion_tokens": None}, (None, None)),
    ("x", (None, None)),
    (None, (None, None)),
    ([1], (None, None)),
    ({}, (None, None)),
]


@pytest.mark.parametrize(("usage", "counts"), USAGES)
def test_figures_are_believed_as_far_as_they_can_be_true(usage: Any, counts: tuple[int | None, int | None]) -> None:
    found = answer(reply({"content": "x"}, usage=usage), sent_bytes=400, most=50)
    assert (found.prompt_tokens, found.completion_tokens) == counts


def test_figures_at_their_bounds() -> None:
    def counts(prompt: int, completion: int) -> tuple[int | None, int | None]:
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        found = answer(reply({"content": "xy"}, usage=usage), sent_bytes=400, most=50)
        return found.prompt_tokens, found.completion_tokens

    assert counts(2_400, 2_052) == (2_400, 2_052) and counts(2_401, 2_053) == (None, None)


def test_a_limit_that_all_went_to_reasoning_is_told() -> None:
    thought = {"content": None, "reasoning_content": "hm, the label is bad"}
    assert answer(reply(thought, "length")).thought and answer(reply(thought, "length")).text == ""
    usage = {"completion_tokens_details": {"reasoning_tokens": 50}}
    assert answer(reply({"content": ""}, "length", usage=usage)).thought
    assert not answer(reply({"content": "", "reasoning": ""}, "length")).thought
    assert not answer(reply({"content": ARGUMENTS, "reasoning_content": "hm"}, "length")).thought
    assert answer(reply(thought, "stop")).thought and not answer(reply(thought, "content_filter")).thought


def test_only_texts_are_names() -> None:
    found = answer(reply({"content": "x", "refusal": {"a": 1}}, model=["m"], system_fingerprint=7))
    assert (found.model, found.fingerprint, found.refusal) == ("", "", None)


@pytest.mark.parametrize(
    "body", ["", "x", "[]", "{}", "null", '{"choices": []}', '{"choices": [1]}', '{"choices": {}}', "[" * 100_000]
)
def test_what_is_no_completion(body: str) -> None:
    with pytest.raises(NoCompletion):
        read_completion(body)


NAMES = ["choices", "message", "content", "tool_calls", "function", "arguments", "usage", "error", "text", "type",
         "finish_reason", "prompt_tokens", "function_call", "detail"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=15,
)


@given(VALUES, VALUES, VALUES)
def test_any_reply_is_read_or_is_no_completion(message: Any, finish: Any, more: Any) -> None:
    for body in (
        more,
        {"choices": [{"message": message, "finish_reason": finish}], "usage": more},
        {"choices": [message]},
    ):
        try:
            found = read_completion(json.dumps(body), sent_bytes=10, most=10)
        except NoCompletion:
            continue
        assert isinstance(found, Answer | ServerError)
        if isinstance(found, Answer):
            assert isinstance(found.text, str) and Answer.from_json(json.loads(json.dumps(found.as_json()))) == found
