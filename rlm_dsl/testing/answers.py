"""From a request to its answer: rows from gold, root turns from a script.

In: the body of a chat completion request, and what is known. Out: what is said, or the problem with it. No I/O.
Law: the answer is a function of the request and of `Answering`; asking again changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rlm_dsl.explore.reply import program_text
from rlm_dsl.testing.gold import Fallback, Gold, gold_reply, is_wrong
from rlm_dsl.testing.learner import learned_reply, proposal
from rlm_dsl.testing.packs import STEADY, Lapses, several
from rlm_dsl.testing.schemas import Schema, schema_in
from rlm_dsl.testing.script import Script, script_reply
from rlm_dsl.testing.wire import Json, Problem, Reply, estimated_tokens, text_of

__all__ = ["Answering", "answer", "is_wrong", "result_schema", "row_shown", "within_limit"]


OF_REPLY = re.compile(r"^statement(?::| ::=) ", re.MULTILINE)
"""A rule that a reply's grammar has, and no result's."""
SYSTEM = ("system", "developer")
"""Roles of those who instruct."""


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers are made of. `error_rate` (0 to 1) is the share of gold answers made wrong on purpose, by `seed`.

    `fallback` says what is answered where gold knows nothing: "error" is HTTP 400, "first" the schema's first value,
    "learn" what a classifier makes of the prompt's own examples and definitions; gold is then not asked at all.
    """

    gold: Gold | None = None
    script: Script | None = None
    fallback: Fallback = "error"
    error_rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.error_rate <= 1:
            raise ValueError(f"error_rate is from 0 to 1, not {self.error_rate}")
        if self.fallback not in ("error", "first", "learn"):
            raise ValueError(f"fallback is error, first or learn, not {self.fallback!r}")


def answer(body: Json, known: Answering, lapses: Lapses = STEADY) -> Reply | Problem:
    """What is said to a request: a row's answer if it asks for a result schema, else the root turn that is due."""
    schema, messages = result_schema(body), body["messages"]
    if schema is not None:
        return rows_reply(messages, schema, known, lapses)
    if known.fallback == "learn" and (proposed := proposal(messages)) is not None:
        return proposed
    return script_reply(known.script, messages)


def rows_reply(messages: Sequence[Json], schema: Schema, known: Answering, lapses: Lapses) -> Reply | Problem:
    """What is said to a row, or to several in one request: each row's own answer, put together."""
    row, folded = row_shown(messages), row_folded(messages)
    told = "\n".join(text_of(each) for each in messages if each.get("role") in SYSTEM) or row
    pack = several(folded or row, told, schema)
    if pack is None:
        reply = row_reply(messages, row, schema, known)
        return row_reply(messages, folded, schema, known) if isinstance(reply, Problem) and folded else reply
    replies = [row_reply(messages, text, pack.schema, known) for text in pack.texts]
    if problem := next((reply for reply in replies if isinstance(reply, Problem)), None):
        return problem
    said = [reply for reply in replies if isinstance(reply, Reply)]
    return replace(said[0], content=pack.answer([reply.content or "{}" for reply in said], lapses))


def row_reply(messages: Sequence[Json], row: str, schema: Schema, known: Answering) -> Reply | Problem:
    if known.fallback == "learn":
        return learned_reply(messages, row, schema, known.seed)
    return gold_reply(known.gold, row, schema, known.fallback, known.error_rate, known.seed)


def result_schema(body: Json) -> Schema | None:
    """The schema that the answer must meet, from `response_format` or the system message; None for a root turn.

    A `json_object` request without any schema gives the empty one: its answer is all that gold knows.
    """
    if (grammar := grammar_in(body)) is not None:
        return schema_of_grammar(grammar)
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema: Schema = form["json_schema"]["schema"]
        return schema
    if by_tool(body):
        asked: Schema = body["tools"][0]["function"].get("parameters") or {}
        return asked
    return schema_told(body) or ({} if form.get("type") == "json_object" else None)


def grammar_in(body: Json) -> str | None:
    """A result's grammar as llama.cpp takes it, or vLLM; that of a reply in the language is none of a result."""
    given = body.get("grammar", (body.get("structured_outputs") or {}).get("grammar"))
    return given if isinstance(given, str) and not OF_REPLY.search(given) else None


def schema_of_grammar(text: str) -> Schema:
    """The schema that a grammar was made from, which those of our client tell at their head; else the empty one."""
    head = text.partition("\n")[0].removeprefix("#")
    try:
        found = json.loads(head)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def schema_told(body: Json) -> Schema | None:
    """The schema that a request tells in words: in its system message, or in what is folded into the user's."""
    messages = body["messages"]
    told = "\n".join(text_of(each) for each in messages if each.get("role") in SYSTEM)
    if not told and messages[0].get("role") == "user":
        told = text_of(messages[0])
    return schema_in(told)


def row_folded(messages: Sequence[Json]) -> str:
    """The row of a user's message that begins with the system's words: what follows its first blank line; "" where
    there is a system message."""
    folded = not any(message.get("role") in SYSTEM for message in messages)
    return row_shown(messages).partition("\n\n")[2] if folded else ""


def by_tool(body: Json) -> bool:
    """Whether the answer is to be the arguments of a tool that the request chooses."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    return bool(isinstance(tools, list) and tools and isinstance(choice, Mapping) and "function" in choice)


def custom_tool(body: Json) -> str:
    """The name of the custom tool whose input the answer is to be; "" where none is chosen."""
    choice = body.get("tool_choice")
    held = choice.get("custom") if isinstance(choice, Mapping) else None
    return str(held.get("name", "")) if isinstance(held, Mapping) else ""


def by_grammar(body: Json, taken: Collection[str]) -> bool:
    """Whether a reply is kept to a grammar, by the fields of a request and those that a server takes."""
    return any(name in body for name in taken) or ("custom" in taken and bool(custom_tool(body)))


def kept_to_grammar(reply: Reply) -> Reply:
    """A reply as a grammar leaves it: its statements, without what is around them."""
    return replace(reply, content=program_text(reply.content or "")) if reply.content else reply


def as_tool_call(reply: Reply, body: Json) -> Reply:
    """The reply as a call of the chosen tool, its content the arguments, or the input of a custom one."""
    if (name := custom_tool(body)) and reply.content is not None:
        call = {"id": "call_1", "type": "custom", "custom": {"name": name, "input": reply.content}}
        finish = "tool_calls" if reply.finish == "stop" else reply.finish
        return replace(reply, content=None, finish=finish, tool_calls=(call,))
    if not by_tool(body) or reply.content is None:
        return reply
    function = {"name": body["tool_choice"]["function"]["name"], "arguments": reply.content}
    call = {"id": "call_1", "type": "function", "function": function}
    finish = "tool_calls" if reply.finish == "stop" else reply.finish
    return replace(reply, content=None, finish=finish, tool_calls=(call,))


def row_shown(messages: Sequence[Json]) -> str:
    """The last user message before the first answer: those after an answer ask for the same row again."""
    roles = [message.get("role") for message in messages]
    first = messages[: roles.index("assistant")] if "assistant" in roles else messages
    shown = [text_of(message) for message in first if message.get("role") == "user"]
    return shown[-1] if shown else ""


def within_limit(reply: Reply, body: Json) -> Reply:
    """The reply cut to the tokens that the caller allows, as estimated here."""
    limit, content = token_limit(body), reply.content or ""
    if limit is None or estimated_tokens(content) <= limit:
        return reply
    kept = content.encode("utf-8", "surrogatepass")[: 4 * limit].decode("utf-8", "ignore")
    return replace(reply, content=kept, finish="length")


def token_limit(body: Json) -> int | None:
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return limit if isinstance(limit, int) and limit > 0 else None
