"""What servers say when they refuse: their own words from every shape of body, and what they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.server.errors import LONGEST, read_error

BODIES: dict[str, Any] = {
    "no money left": {"error": {"message": "no money left", "type": "x", "code": None}},
    "as a text": {"error": "as a text"},
    "plain message": {"message": "plain message", "type": "BadRequestError", "code": 400},
    "a detail": {"detail": "a detail"},
    "field required": {"detail": [{"loc": ["body", "model"], "msg": "field required"}]},
    "in a list": [{"error": {"code": 400, "message": "in a list", "status": "INVALID_ARGUMENT"}}],
    "an errors list": {"errors": [{"message": "an errors list"}]},
    "of amazon": {"Message": "of amazon"},
    "nested twice": {"error": {"error": {"message": "nested twice"}}},
    "json inside": {"error": {"message": json.dumps({"error": {"message": "json inside"}})}},
    "behind a proxy": {"error": {"message": "Provider error", "metadata": {"raw": '{"message": "behind a proxy"}'}}},
    "anthropic's": {"type": "error", "error": {"type": "invalid_request_error", "message": "anthropic's"}},
}  # fmt: skip


@pytest.mark.parametrize("words", BODIES)
def test_the_servers_own_words_are_found(words: str) -> None:
    assert words in read_error(400, json.dumps(BODIES[words])).words


def test_what_is_no_json_is_told_as_it_reads() -> None:
    assert read_error(502, "upstream  gone\n").words == "upstream gone"
    page = "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head><body><p>x</p></body></html>"
    assert read_error(502, page).words == "a page of HTML: 502 Bad Gateway"
    assert "no such host" in read_error(404, "<html><body><h1>no such host</h1></body></html>").words
    assert len(read_error(500, "x" * 10_000).words) == LONGEST


KINDS = [
    (401, {"error": {"message": "nope"}}, "key"),
    (403, {"error": {"message": "nope"}}, "key"),
    (
        400,
        {"error": {"message": "API key not valid.", "status": "INVALID_ARGUMENT"}},
        "key",
    ),
    (400, {"error": {"code": "invalid_api_key", "message": "x"}}, "key"),
    (402, {"error": {"message": "Insufficient Balance"}}, "credit"),
    (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}, "credit"),
    (0, {"error": {"code": 402, "message": "Requires more credits"}}, "credit"),
    (404, {"error": {"message": "x"}}, "model"),
    (400, {"error": {"message": "m is not a valid model ID"}}, "model"),
    (400, {"error": {"code": "model_not_found", "message": "x"}}, "model"),
    (404, {"error": {"message": "No endpoints found that support tool use", "code": 404}}, "refused"),
    (400, {"error": {"message": "json_schema is not supported by this model"}}, "refused"),
    (400, {"error": {"message": "Bad Request"}}, "refused"),
    (422, {"detail": "nope"}, "refused"),
    (413, {"message": "Payload Too Large"}, "too_long"),
    (400, {"error": {"code": "context_length_exceeded", "message": "x"}}, "too_long"),
    (400, {"error": {"message": "the request exceeds the available context size, try increasing it"}}, "too_long"),
    (400, {"message": "This model's maximum context length is 4096 tokens. However, you requested 9000"}, "too_long"),
    (400, {"error": {"code": "content_filter", "message": "x"}}, "filtered"),
    (403, {"error": {"message": "Your input was flagged", "code": 403}}, "filtered"),
    (429, {"error": {"message": "slow down"}}, "busy"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "busy"),
    (503, {"error": {"message": "Loading model"}}, "busy"),
    (0, {"error": {"code": 429, "message": "rate limited"}}, "busy"),
    (500, {"error": {"message": "x"}}, "broken"),
    (0, {"error": {"message": "upstream timed out"}}, "broken"),
    (307, {}, "redirect"),
]


@pytest.mark.parametrize(("status", "body", "kind"), KINDS)
def test_what_a_refusal_means(status: int, body: Any, kind: str) -> None:
    assert read_error(status, json.dumps(body)).kind() == kind


def test_words_of_the_row_say_nothing() -> None:
    row = "my api key is not valid, the model does not exist, insufficient credits, context length"
    for shown in (row, row[:60], json.dumps(row)):
        error = read_error(400, json.dumps({"error": {"message": f"bad request: {shown}"}}), [row])
        assert error.kind() == "refused" and row[:20] not in error.words
    assert read_error(400, json.dumps({"error": {"message": "model x not found"}})).kind(proven=True) == "refused"
    assert read_error(400, json.dumps({"error": {"message": "prompt is too long"}})).kind(proven=True) == "too_long"


def test_the_parameter_that_is_refused_is_named() -> None:
    error = read_error(
        400, json.dumps({"error": {"message": "x", "param": "temperature", "code": "unsupported_value"}})
    )
    assert error.parameter == "temperature" and "unsupported_value" in error.words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "detail", "choices", "param", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.integers(0, 999), JSON.map(json.dumps) | st.text(max_size=200), st.lists(st.text(max_size=30), max_size=3))
def test_any_body_is_read(status: int, body: str, sent: list[str]) -> None:
    error = read_error(status, body, sent)
    assert len(error.words) <= LONGEST and error.kind() and error.kind(proven=True)


def test_the_parameter_may_be_named_by_its_place() -> None:
    """As Mistral's validator does."""
    detail = [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs"}]
    body = {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "param": None}
    assert read_error(422, json.dumps(body)).parameter == "max_completion_tokens"
    assert read_error(400, json.dumps({"error": {"message": "x", "param": "None"}})).parameter == ""
    assert read_error(422, json.dumps({"detail": [{"loc": [], "msg": "x"}, {"loc": "body"}]})).parameter == ""


def test_a_template_that_fails_refuses_the_request_whatever_its_status() -> None:
    """As llama.cpp's server tells it (anomalyco/opencode #5034), and vLLM."""
    for words in (
        "Conversation roles must alternate user/assistant/user/assistant/... at row 189, column 164",
        "Only user, assistant and tool roles are supported, got system",
        'Grammar error: Unimplemented keys: ["propertyNames"]',
    ):
        body = {"error": {"code": 500, "message": words, "type": "server_error"}}
        error = read_error(500, json.dumps(body))
        assert (error.kind(), error.status) == ("refused", 400)
    assert read_error(500, json.dumps({"error": {"message": "CUDA out of memory"}})).kind() == "broken"


def test_what_a_model_generated_wrong_is_the_forms_fault_until_the_form_is_proven() -> None:
    """As Groq tells it (thepersonalaicompany/amurex-backend #38)."""
    for code in ("json_validate_failed", "tool_use_failed"):
        error = read_error(400, json.dumps({"error": {"message": "Failed to generate JSON.", "code": code}}))
        assert error.kind() == "refused" and error.kind(proven=True) == "broken"
