"""A reply's body to an answer, whatever a server leaves out, adds or spells otherwise.

In: a body, what was sent. Out: an answer; or a `ServerError` that stands in a reply of status 200. Law: what a model
thought is never its answer; figures that cannot be are unknown; nothing here raises but `NoCompletion`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.common.well_formed import without_halves
from rlm_dsl.models.request import Answer
from rlm_dsl.models.server.errors import ServerError, error_within, read_error

LENGTH, STOP, FILTERED = "length", "stop", "content_filter"
FINISHED: Mapping[str, str] = {
    **dict.fromkeys(("stop", "tool_calls", "tool_call", "tool_use", "function_call", "eos", "eos_token", "end_turn",
                     "stop_sequence", "complete", "completed", "done", "end", "finish_reason_stop",
                     "malformed_function_call", "null", ""), STOP),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "max_length", "token_limit",
                     "model_context_window_exceeded", "context_length_exceeded", "max_tokens_reached"), LENGTH),
    **dict.fromkeys(("content_filter", "safety", "recitation", "prohibited_content", "blocklist", "spii", "sensitive",
                     "guardrail_intervened", "content_filtered", "refusal", "image_safety", "other"), FILTERED),
}  # fmt: skip
"""Words of servers for how an answer ended, in small letters, and what they mean here."""
TRANSIENT = frozenset(
    {"error", "abort", "aborted", "cancelled", "network_error", "insufficient_system_resource", "load", "unload",
     "overloaded"}
)  # fmt: skip
"""Ends that are no answer: another attempt may give one."""
REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
"""Fields in which servers put what a model thought."""
CALLED = ("tool_use", "tool_call", "function_call")
"""Parts of a content that are calls of tools."""
CALL_IN_TEXT = re.compile(
    r"\s*(?:<tool_call>\s*(?P<tagged>\{.*\})\s*(?:</tool_call>)?|\[TOOL_CALLS\]\s*(?P<listed>\[.*\])"
    r"|<function=(?P<name>\w+)>\s*(?P<inside>\{.*\})\s*</function>)\s*",
    re.DOTALL,
)
"""Calls of tools as some models' templates write them into the text."""
OVERHEAD = 2_000
"""Tokens that a server's template may add to what was sent."""


class NoCompletion(ValueError):
    """The body is no completion."""


def read_completion(body: str, *, sent: Sequence[str] = (), sent_bytes: int = 0, most: int = 0) -> Answer | ServerError:
    """The answer in a reply of status 200, or the error in its stead. `sent` are the request's texts, which an error
    may repeat; `sent_bytes` and `most` bound the figures that are believed: no token is less than a byte of what was
    sent, and no answer has more than its limit. Raises NoCompletion."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise NoCompletion(body) from None
    return completion_of(value, sent=sent, sent_bytes=sent_bytes, most=most)


def completion_of(value: Any, *, sent: Sequence[str] = (), sent_bytes: int = 0, most: int = 0) -> Answer | ServerError:
    """The same, from the body's value."""
    value = without_halves(value)
    if (error := error_within(value)) is not None:
        return read_error(0, json.dumps(error), sent)
    try:
        choice = value["choices"][0]
        message = choice.get("message") or {}
        ended = str(choice.get("finish_reason") or "").lower().rpartition(".")[2]
        content, refusal = content_of(message), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NoCompletion(json.dumps(value)) from None
    if ended in TRANSIENT or (choice.get("error") and not content):
        told = json.dumps(choice.get("error") or {"message": f"the answer ended with {ended!r}"})
        found = read_error(0, told, sent)
        return found if found.status or found.codes else ServerError(500, found.words)
    finish = FINISHED.get(ended, ended)
    usage = value.get("usage")
    prompt, completion = figures(usage if isinstance(usage, Mapping) else {})
    given = within_bound(prompt, sent_bytes + OVERHEAD) if sent_bytes else prompt
    cached = cached_of(usage) if isinstance(usage, Mapping) else 0
    bound = most + len(content.encode("utf-8", "surrogatepass")) + OVERHEAD
    return Answer(
        text=content,
        finish=finish,
        refusal=refusal if isinstance(refusal, str) and refusal else None,
        model=text_of(value.get("model")),
        fingerprint=text_of(value.get("system_fingerprint")),
        prompt_tokens=given,
        completion_tokens=within_bound(completion, bound) if most else completion,
        cached_tokens=cached if given is not None and cached <= given else 0,
        thought=finish in (LENGTH, STOP) and not content.strip() and not refusal and thought_of(message, usage),
    )


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def figures(usage: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens given and answered, by the names that servers have for them."""
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    answered = usage.get("completion_tokens", usage.get("output_tokens"))
    return count_of(prompt), count_of(answered)


def cached_of(usage: Mapping[str, Any]) -> int:
    """Of the tokens given, those that the server had read before, by the names that servers have for them."""
    details = usage.get("prompt_tokens_details")
    told = (
        details.get("cached_tokens") if isinstance(details, Mapping) else None,
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cache_read_input_tokens"),
    )
    return next((count for each in told if (count := count_of(each)) is not None), 0)


def count_of(value: Any) -> int | None:
    """A number of tokens, or None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0:
        return None
    return int(value) if value < 2**53 and value == int(value) else None


def within_bound(count: int | None, most: int) -> int | None:
    return count if count is not None and count <= most else None


def content_of(message: Mapping[str, Any]) -> str:
    """What a message says: the arguments of a tool's call wherever they stand, else its text."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        called = [
            arguments_of(part) for part in parts if part.get("type") in ("tool_use", "tool_call", "function_call")
        ]
        content = next(filter(None, called), "") or "".join(
            text_of(part.get("text")) for part in parts if part.get("type", "text") in ("text", "output_text")
        )
    calls = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, Mapping) and (arguments := arguments_of(call)):
            return arguments
    text = text_of(content)
    return called_in_text(text) or text


def arguments_of(call: Mapping[str, Any]) -> str:
    """A call's arguments as JSON: of OpenAI's form, of its older one, of Anthropic's; or a custom call's text."""
    inside = next((call[name] for name in ("function", "custom") if isinstance(call.get(name), Mapping)), call)
    assert isinstance(inside, Mapping)
    for name in ("arguments", "input", "parameters"):
        given = inside.get(name)
        if isinstance(given, str) and given.strip():
            return given
        if isinstance(given, Mapping):
            return json.dumps(given, ensure_ascii=False)
    return ""


def called_in_text(text: str) -> str:
    """The arguments of a call that stands in the text as a whole; "" where none does."""
    found = CALL_IN_TEXT.fullmatch(text) if "<" in text or "[" in text else None
    if found is None:
        return ""
    if found["inside"]:
        return found["inside"]
    try:
        value = json.loads(found["tagged"] or found["listed"])
    except (ValueError, RecursionError):
        return ""
    first = value[0] if isinstance(value, list) and value else value
    return arguments_of(first) if isinstance(first, Mapping) else ""


def thought_of(message: Mapping[str, Any], usage: Any) -> bool:
    """Whether a model thought aloud, by its reply's fields or figures."""
    if any(isinstance(message.get(name), str) and message[name].strip() for name in REASONING):
        return True
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    return bool(isinstance(details, Mapping) and count_of(details.get("reasoning_tokens")))
