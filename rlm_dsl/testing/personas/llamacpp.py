"""llama.cpp's server: grammars that fail, JSON with white space, slots and windows told, 503 while it loads.

In: requests, problems and completions as `wire` has them. Out: the same, as llama.cpp has them. Law: none of its own.

Seen in public: ggml-org/llama.cpp #26596 and flagdizero/jenny-android-ai-agent #2 (400 "Failed to initialize
samplers: failed to parse grammar", for tools and schemas), #24097 and #19051 (a schema taken and not kept to),
tools/server/README.md (`/props`, `/slots`, 503 "Loading model", `exceed_context_size_error` with `n_ctx`),
anomalyco/opencode #5034 (roles must alternate, told with 500 by the template).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.answers import custom_tool
from rlm_dsl.testing.habits import alternating, payload_of, refusing, schema_given, spaced
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem, Reply

WINDOW, SLOTS = 8_192, 2
LOADING = Problem(503, "Loading model", "unavailable_error", retry_after=0.01)
TEMPLATE = Problem(500, "Conversation roles must alternate user/assistant/user/assistant/... at row 18, column 27")


def no_grammar(body: Json) -> Problem | None:
    told = "Failed to initialize samplers: failed to parse grammar"
    if str(body.get("grammar", "")).startswith("%llguidance"):
        return Problem(400, told, "invalid_request_error")
    return Problem(400, told, "invalid_request_error") if schema_given(body) else None


def no_custom_tool(body: Json) -> Problem | None:
    told = 'Failed to parse tools: Unsupported tool type: {"type":"custom"}'
    return Problem(500, told, "server_error") if custom_tool(body) else None


def said(reply: Reply, body: Json) -> Reply:
    return reply if "grammar" in body else spaced(reply)


def error(problem: Problem) -> Payload:
    kind = problem.code or ("server_error" if problem.status >= 500 else "invalid_request_error")
    told: dict[str, Any] = {"code": problem.status, "message": problem.message, "type": kind}
    return payload_of(problem, {"error": told})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "timings": {"prompt_n": 1, "predicted_n": 1}}


def too_long(window: int, asked: int) -> Problem:
    told = f"the request exceeds the available context size ({asked} > {window}), try increasing it"
    return Problem(400, told, "exceed_context_size_error")


LLAMACPP = replace(
    OPENAI,
    name="llamacpp",
    refusals=refusing(no_custom_tool, no_grammar, alternating(TEMPLATE)),
    said=said,
    error=error,
    completion=completion,
    too_long=too_long,
    troubles={1: LOADING, 2: LOADING},
    tells={
        "/props": {"total_slots": SLOTS, "default_generation_settings": {"n_ctx": WINDOW}},
        "/slots": [{"id": number, "n_ctx": WINDOW, "is_processing": False} for number in range(SLOTS)],
    },
    listed=lambda told: {**told, "meta": {"n_ctx_train": 32_768}},
    batches=False,
    grammars=frozenset(),
)
