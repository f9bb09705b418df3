"""What a model is asked, what it answers, and the key under which an answer is kept.

In: messages, a result schema, the settings of a model. Out: immutable requests and answers.
Law: `key` covers everything that can change an answer and nothing else; `NOT_IN_KEY` lists what is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from json.encoder import encode_basestring as quoted
from typing import Any, Literal

from rlm_dsl.common.hashing import canonical, members, tagged, without_floats

Role = Literal["system", "user", "assistant"]

NOT_IN_KEY = ("api_key", "timeout", "retries", "concurrency", "headers", "request_id", "purpose")
"""Settings that cannot change an answer, the only ones left out of the key. A parameter not known here is in it."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model, where, with which parameters. `parameters` are sent as they are (temperature, seed, ...)."""

    model: str
    base_url: str
    provider: str = "openai-compatible"
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "model": self.model,
            "base_url": self.base_url,
            "parameters": dict(self.parameters),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ModelSettings:
        return ModelSettings(value["model"], value["base_url"], value["provider"], dict(value["parameters"]))


SHARED: dict[int, tuple[object, str]] = {}
"""Canonical texts of parameters and schemas, by what they are texts of: many requests have the same."""
MOST_SHARED = 256


def canonical_text(value: Mapping[str, Any]) -> str:
    """The canonical text of a value that is never changed and stands in many requests."""
    held = SHARED.get(id(value))
    if held is None or held[0] is not value:
        if len(SHARED) >= MOST_SHARED:
            SHARED.clear()
        held = SHARED[id(value)] = (value, canonical(without_floats(value)).decode("utf-8", "surrogatepass"))
    return held[1]


@dataclass(frozen=True)
class Request:
    """One question to one model. `schema` is the JSON Schema that the answer's JSON must meet, or None for prose.

    `purpose` says where it comes from (a step's name, "root"); it is for logs alone. With `explore` more than 0 the
    last message is no text to read but a corpus to explore, in sub-runs that may go so deep; a `program` is tried on
    it first. A pack asks for several rows at once: `rows` are the keys of the requests that it answers, in order. An
    answer in the language may be kept to a `grammar`, where the server can.
    """

    settings: ModelSettings
    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    sample: int = 0
    purpose: str = ""
    explore: int = 0
    program: str = ""
    rows: tuple[str, ...] = ()
    grammar: str = ""

    @cached_property
    def key(self) -> str:
        """Hex sha256 over the canonical form of `as_json`: everything that can change the answer."""
        settings = self.settings
        messages = (f'{{"content":{quoted(m.content)},"role":"{m.role}"}}' for m in self.messages)
        texts = {
            "api": '"chat.completions"',
            "provider": quoted(settings.provider),
            "model": quoted(settings.model),
            "base_url": quoted(settings.base_url),
            "parameters": canonical_text(settings.parameters),
            "messages": f"[{','.join(messages)}]",
            "schema": "null" if self.schema is None else canonical_text(self.schema),
            "sample": str(self.sample),
        }
        if self.explore:
            texts["explore"] = str(self.explore)
        if self.program:
            texts["program"] = quoted(self.program)
        if self.grammar:
            texts["grammar"] = quoted(self.grammar)
        return tagged("call-v1", members(texts).encode("utf-8", "surrogatepass"))

    @cached_property
    def prompt_tokens(self) -> int:
        """The estimate for the whole request: its messages (4 tokens of framing each) and its schema."""
        schema = 0 if self.schema is None else estimated_tokens(json.dumps(self.schema))
        return schema + sum(4 + estimated_tokens(message.content) for message in self.messages)

    def as_json(self) -> dict[str, Any]:
        """What the key is made of, and what a trace keeps of the request. A pack's rows are no part of its key: they
        say whose answers it holds."""
        return {
            "api": "chat.completions",
            **self.settings.as_json(),
            "messages": [{"role": message.role, "content": message.content} for message in self.messages],
            "schema": None if self.schema is None else dict(self.schema),
            "sample": self.sample,
            **({"explore": self.explore} if self.explore else {}),
            **({"program": self.program} if self.program else {}),
            **({"rows": list(self.rows)} if self.rows else {}),
            **({"grammar": self.grammar} if self.grammar else {}),
        }

    def again(self, answer: str, problem: str) -> Request:
        """The same question once more, with the answer that did not fit and what is wrong with it."""
        more = (Message("assistant", answer), Message("user", problem))
        return replace(self, messages=self.messages + more)


ERROR = "error"
"""How an answer ended that a server refused to give for what the row holds; its text is what the server said."""
REJECTED = "rejected"
"""How an answer ended that a server refused to give, and did not say that the row is to blame."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `finish` is the server's finish_reason, or ERROR; tokens are the server's counts, or None;
    `program` is what a sub-run came to its answer by; `thought` says that it has reasoning and no text; `pack` is
    the key of the pack that the answer was taken from; of the tokens given, `cached_tokens` were read before; `batch`
    says that it came by the Batch API. `scores` are of the values of the schema's closed set, where they were asked for
    and told: natural logarithms of their probabilities, in thousandths."""

    text: str
    finish: str = "stop"
    refusal: str | None = None
    model: str = ""
    fingerprint: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    program: str = ""
    thought: bool = False
    pack: str = ""
    cached_tokens: int = 0
    batch: bool = False
    scores: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "finish": self.finish,
            "refusal": self.refusal,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            **({"program": self.program} if self.program else {}),
            **({"thought": True} if self.thought else {}),
            **({"pack": self.pack} if self.pack else {}),
            **({"cached_tokens": self.cached_tokens} if self.cached_tokens else {}),
            **({"batch": True} if self.batch else {}),
            **({"scores": list(self.scores)} if self.scores else {}),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Answer:
        return Answer(**{**value, "scores": tuple(value["scores"])} if value.get("scores") else value)

    @property
    def keepable(self) -> bool:
        """Whether the answer is whole: refusals, answers cut short and mere thoughts are never kept in the store."""
        return self.finish == "stop" and self.refusal is None and not self.thought


TOKEN = re.compile(rb"[A-Za-z]{1,4}|[0-9]{1,2}|[^A-Za-z0-9 \x80-\xff]|[\x80-\xff]| {2,8}")


def estimated_tokens(text: str) -> int:
    """An upper estimate of a text's tokens, for bounds and never for bills (benchmarks/tokens.py measures its error).

    Up to four letters or two digits in a row are one, as is each mark, each byte beyond ASCII, and each run of up to
    eight blanks.
    """
    return len(TOKEN.findall(text.encode("utf-8", "surrogatepass"))) + 1
