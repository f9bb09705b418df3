"""Fireworks: schemas that its grammar cannot do refused one by one, unknown fields named.

In: requests, problems and completions as `wire` has them. Out: the same, as Fireworks has them. Law: none of its own.

Seen in public: earendil-works/pi #5352 ("JSON Schema not supported: could not understand the instance ..."),
BerriAI/litellm #7533 ("Extra inputs are not permitted, field: ...", the kind within `error`), #29604 (json_schema is
taken now).
"""

from __future__ import annotations

from dataclasses import replace

from rlm_dsl.testing.habits import payload_of, refusing, schema_given, uses, without_field
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

NO_LIMIT = Problem(400, "Extra inputs are not permitted, field: 'max_completion_tokens', value: 4096")


def not_understood(body: Json) -> Problem | None:
    told = "JSON Schema not supported: could not understand the instance `{'type': 'null'}`."
    return Problem(400, told) if uses(schema_given(body), "anyOf") else None


def error(problem: Problem) -> Payload:
    told = {"object": "error", "type": "invalid_request_error", "code": "invalid_request_error"}
    return payload_of(problem, {"error": {**told, "message": problem.message}})


FIREWORKS = replace(
    OPENAI,
    name="fireworks",
    refusals=refusing(not_understood, without_field("max_completion_tokens", NO_LIMIT)),
    error=error,
    path="/inference/v1",
    batches=False,
    grammars=frozenset(),
)
