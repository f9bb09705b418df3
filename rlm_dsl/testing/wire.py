"""OpenAI's forms: what a reply, a stream, an error and a list of models look like on the wire.

In: what is to be said (`Reply`) or what is wrong (`Problem`). Out: JSON values, the bytes of a stream, token counts.
Law: every form that can name a model names `rlm_dsl.testing/...` and carries `FINGERPRINT`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "rlm_dsl.testing"
FINGERPRINT = f"{NAMESPACE}: scripted answers, not a model"
SOURCES = ("gold", "script", "fallback", "fault")
"""What an answer can come from; `rlm_dsl.testing/<source>` is the model that a reply names."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said. `source` is one of SOURCES; `delay` is in seconds, before anything is sent."""

    content: str | None
    source: str
    finish: str = "stop"
    refusal: str | None = None
    tool_calls: tuple[Json, ...] = ()
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """An HTTP error. `retry_after` and `delay` are in seconds."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Estimated tokens of one exchange."""

    prompt: int = 0
    completion: int = 0

    def as_json(self) -> dict[str, int]:
        total = self.prompt + self.completion
        return {"prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": total}


@dataclass(frozen=True, slots=True)
class Payload:
    """An HTTP reply, ready to be sent."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_payload(value: object) -> Payload:
    return Payload(200, encoded(value))


def error_payload(problem: Problem) -> Payload:
    return Payload(problem.status, encoded(error(problem)), headers=retry_headers(problem.retry_after))


def odd_payload(problem: Problem) -> Payload:
    """An error in another form than OpenAI's; one of the server's own with status 200."""
    status = 200 if problem.status == 500 else problem.status
    return Payload(status, encoded({"detail": problem.message}), headers=retry_headers(problem.retry_after))


def error(problem: Problem) -> dict[str, Any]:
    form = {"message": problem.message, "type": error_type(problem.status)}
    return {"error": {**form, "param": problem.param, "code": problem.code}}


def error_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def retry_headers(seconds: float | None) -> dict[str, str]:
    """Both forms that clients read. `Retry-After` knows whole seconds only by the book, yet clients take decimals."""
    if seconds is None:
        return {}
    return {"Retry-After": f"{seconds:g}", "retry-after-ms": f"{seconds * 1000:g}"}


def stream_payload(events: Iterable[Json]) -> Payload:
    """The whole stream as one body."""
    lines = [b"data: " + encoded(event) + b"\n\n" for event in events]
    return Payload(200, b"".join(lines) + b"data: [DONE]\n\n", "text/event-stream")


def completion(reply: Reply, number: int, usage: Usage | None) -> dict[str, Any]:
    choice = {"index": 0, "message": message(reply), "logprobs": None, "finish_reason": reply.finish}
    told = {} if usage is None else {"usage": usage.as_json()}
    return {**header("chat.completion", reply, number), "choices": [choice], **told}


def in_parts(told: dict[str, Any]) -> dict[str, Any]:
    """A completion whose content is a list of parts."""
    said = told["choices"][0]["message"]
    if said["content"] is not None:
        said["content"] = [{"type": "text", "text": said["content"]}]
    return told


def message(reply: Reply) -> dict[str, Any]:
    calls = {"tool_calls": list(reply.tool_calls)} if reply.tool_calls else {}
    return {"role": "assistant", "content": reply.content, "refusal": reply.refusal, **calls}


def header(kind: str, reply: Reply, number: int) -> dict[str, Any]:
    """`created` stays 0, so that equal requests of equal number get equal bytes."""
    return {
        "id": f"chatcmpl-testing-{number}",
        "object": kind,
        "created": 0,
        "model": model_name(reply.source),
        "system_fingerprint": FINGERPRINT,
    }


def events(reply: Reply, number: int, usage: Usage | None) -> Iterator[dict[str, Any]]:
    """The events of a stream; `usage` is the last, if any."""
    top = header("chat.completion.chunk", reply, number)
    unknown: dict[str, Any] = {} if usage is None else {"usage": None}
    for delta in deltas(reply):
        yield {**top, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}], **unknown}
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reply.finish}
    yield {**top, "choices": [end], **unknown}
    if usage is not None:
        yield {**top, "choices": [], "usage": usage.as_json()}


def deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "" if reply.content is not None else None}
    yield from ({"content": piece} for piece in pieces(reply.content or ""))
    yield from ({"refusal": piece} for piece in pieces(reply.refusal or ""))
    for index, call in enumerate(reply.tool_calls):
        yield {"tool_calls": [{"index": index, **call}]}


def pieces(text: str) -> list[str]:
    """The text in at most 65 parts of at least 16 characters, the last one aside."""
    size = max(16, len(text) // 64)
    return [text[start : start + size] for start in range(0, len(text), size)]


def models(names: Iterable[str]) -> dict[str, Any]:
    return {"object": "list", "data": [model(name) for name in names]}


def model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": FINGERPRINT}


def model_name(name: str) -> str:
    """The name under the testing namespace; one that is there already stays as it is."""
    return name if name.startswith(f"{NAMESPACE}/") else f"{NAMESPACE}/{name}"


def encoded(value: object) -> bytes:
    """Compact ASCII JSON: lone surrogates, which UTF-8 cannot carry, travel as escapes."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def usage_of(messages: Sequence[Json], reply: Reply) -> Usage:
    return Usage(prompt_tokens(messages), completion_tokens(reply))


def prompt_tokens(messages: Sequence[Json]) -> int:
    """The estimate for each message's text, and 4 for its framing."""
    return sum(4 + estimated_tokens(text_of(message)) for message in messages)


def completion_tokens(reply: Reply) -> int:
    calls = json.dumps(list(reply.tool_calls)) if reply.tool_calls else ""
    return estimated_tokens((reply.content or "") + (reply.refusal or "") + calls)


def estimated_tokens(text: str) -> int:
    """A quarter of the UTF-8 bytes, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def text_of(message: Json) -> str:
    """The text of a message whose content is text, a list of parts, or absent."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "".join(text for text in texts if isinstance(text, str))
