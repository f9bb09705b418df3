"""What a server's refusal says, from every known shape of error body, and what is to be done about it.

In: a status, a body. Out: the server's own words, and one of a few kinds. Law: statuses, codes and types decide, and
words only where there are no codes; what a server repeats of the request is no word of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 300
"""Characters of a server's words that an error shows."""
MESSAGES = ("message", "Message", "detail", "error_description", "description", "msg", "title", "error", "errors")
CODES = ("code", "type", "status", "reason")
LEAST_ECHO = 16
"""Characters of a request's text that are taken out of a server's words before they are read."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """A refusal: its status (that of the body before that of the reply; 0 where it stands in a reply of status 200 and
    gives none), its words, its codes, and the parameter that it names."""

    status: int
    words: str
    codes: frozenset[str] = frozenset()
    parameter: str = ""

    @property
    def numbered(self) -> str:
        """Its status as it is told, where it has one."""
        return f" ({self.status})" if self.status else ""

    def kind(self, proven: bool = False) -> str:
        """key, credit, model, too_long, filtered, busy, broken, redirect, or refused where nothing else is said. Of a
        server that is `proven` to take such requests, words say no more than that a row is at fault."""
        if self.codes & GENERATION:
            return "broken" if proven else "refused"
        for kind, codes, pattern in KINDS:
            worded = self.status in WORDY and pattern is not None and (not proven or kind in OF_A_ROW)
            if self.codes & codes or (worded and pattern is not None and pattern.search(self.words)):
                return kind
        return STATUSES.get(self.status) or ("broken" if self.status == 0 or self.status >= 500 else "refused")


GENERATION = frozenset({"json_validate_failed", "tool_use_failed"})
"""Codes of servers that check what a model generated: its next answer in the same form may well do, where one did."""
TEMPLATE = re.compile(
    r"roles? must alternate|(only|no) .{0,40}roles? (are|is) supported|system role|grammar error", re.IGNORECASE
)
"""Words of a template or a grammar that a request does not suit, which some servers tell as a failure of their own."""
OF_A_ROW = ("too_long", "filtered")
"""Kinds for which the row that was shown is to blame, and no other."""
WORDY = frozenset({0, 400, 403, 404, 422, 429})
"""Statuses that say so little that words count too."""
STATUSES = {
    **dict.fromkeys((301, 302, 303, 307, 308), "redirect"),
    401: "key",
    402: "credit",
    403: "key",
    404: "model",
    **dict.fromkeys((408, 409, 425, 429, 503, 529), "busy"),
    413: "too_long",
}
KINDS: Sequence[tuple[str, frozenset[str], re.Pattern[str] | None]] = (
    (
        "refused",
        frozenset(),
        re.compile(r"no endpoints found that|(does not|doesn't|not|n't) (currently )?support.{0,60}"
                   r"(tool|function|response_format|json|structured|schema|parameter)"
                   r"|(tools?|functions?|response_format|json_schema|structured output|schema|grammar|parameters?)\b"
                   r".{0,60}(not supported|unsupported|unrecognized|unknown|not allowed)", re.IGNORECASE | re.DOTALL),
    ),
    (
        "credit",
        frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "insufficient_credits",
                   "payment_required", "billing_not_active"}),
        re.compile(r"insufficient (balance|credits?|quota|funds)|exceeded your current quota|out of credits"
                   r"|requires more credits|billing", re.IGNORECASE),
    ),
    (
        "key",
        frozenset({"invalid_api_key", "authentication_error", "unauthenticated", "unauthorized", "permission_denied",
                   "permission_error", "api_key_invalid", "invalid_authentication"}),
        re.compile(r"(api[ _-]?key|access token|credentials?) (is )?(not valid|invalid|missing|expired|incorrect)"
                   r"|(invalid|incorrect|missing|no) (api[ _-]?key|credentials|authentication)", re.IGNORECASE),
    ),
    (
        "model",
        frozenset({"model_not_found", "invalid_model", "unknown_model", "model_not_supported"}),
        re.compile(r"model\b.{0,80}?\b(not found|does ?n[o']t exist|not exist|not a valid model|is unknown"
                   r"|unknown model|not available)|(unknown|no such|invalid) model\b|not a valid model", re.IGNORECASE),
    ),
    (
        "too_long",
        frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length",
                   "request_too_large", "prompt_too_long"}),
        re.compile(r"(maximum|max|available|exceed\w*|larger than)\b.{0,60}\bcontext|context (length|window|size)"
                   r"|prompt is too long|too many (input )?tokens|input (is )?too long|token count.{0,40}exceed"
                   r"|reduce the length", re.IGNORECASE),
    ),
    (
        "filtered",
        frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation",
                   "content_filtered"}),
        re.compile(r"content (management )?(policy|filter)|safety (system|policy|filters?)|flagged|moderation",
                   re.IGNORECASE),
    ),
    ("busy", frozenset({"rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "overloaded",
                        "overloaded_error", "too_many_requests"}), None),
    ("broken", frozenset({"server_error", "internal_error", "internal_server_error", "api_error",
                          "upstream_error"}), None),
)  # fmt: skip


def read_error(status: int, body: str, sent: Sequence[str] = ()) -> ServerError:
    """A refusal from its reply. `sent` are the request's texts, which a server may repeat."""
    value = parse_body(body)
    if value is None:
        return ServerError(status, clip(without_echo(plain_text(body), sent)))
    codes = {code.lower() for code in texts_of(value, CODES)}
    own = next((int(code) for code in sorted(codes) if code.isdigit() and 400 <= int(code) < 600), 0)
    words = " ".join(dict.fromkeys(filter(None, map(str.strip, messages_of(value)))))
    said = sorted(code for code in codes if re.fullmatch(r"[a-z]\w*_\w+", code) and code not in words.lower())
    words = without_echo(words or json.dumps(value, ensure_ascii=False), sent)
    told = f"{words} ({', '.join(said[:2])})" if said else words
    if (own or status) == 500 and TEMPLATE.search(words):
        own, codes = 400, codes - {"server_error", "internalservererror", "internal_server_error", "500"}
    return ServerError(own or status, clip(told), frozenset(codes), parameter_of(value))


def parameter_of(value: Any) -> str:
    """The parameter that an error names by itself, or by its place in the body."""
    named = next(texts_of(value, ("param", "parameter")), "")
    return named if named not in ("", "None") else ".".join(place_of(value))


def place_of(value: Any, depth: int = 0) -> list[str]:
    """The first `loc` of a validator's errors, below the body."""
    if isinstance(value, Mapping):
        if isinstance(at := value.get("loc"), list):
            return [str(part) for part in at if part != "body"]
        value = list(value.values())
    if not isinstance(value, list) or depth > 6:
        return []
    return next(filter(None, (place_of(item, depth + 1) for item in value[:5])), [])


def error_within(value: Any) -> Mapping[str, Any] | Sequence[Any] | str | None:
    """The error that a reply with status 200 holds in an answer's stead, if it does."""
    if isinstance(value, list):
        return next((found for item in value if (found := error_within(item)) is not None), None)
    if not isinstance(value, Mapping):
        return None
    error = value.get("error") or (value.get("errors") if not value.get("choices") else None)
    if error and not value.get("choices"):
        return error if isinstance(error, Mapping | list | str) else str(error)
    if value.get("object") == "error" or (value.get("type") == "error" and "choices" not in value):
        return value
    if "detail" in value and "choices" not in value:
        return value
    return None


def parse_body(body: str) -> Any:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping | list) else {"message": str(value)}


def messages_of(value: Any, depth: int = 0) -> Iterator[str]:
    """The words in an error's value, the outermost message first."""
    if depth > 6:
        return
    if isinstance(value, str):
        inner = parse_body(value) if value.lstrip().startswith(("{", "[")) else None
        if inner is None:
            yield value
        else:
            yield from messages_of(inner, depth + 1)
    elif isinstance(value, list):
        for item in value[:5]:
            yield from messages_of(item, depth + 1)
    elif isinstance(value, Mapping):
        for name in MESSAGES:
            if name in value:
                yield from messages_of(value[name], depth + 1)
        if isinstance(more := value.get("metadata"), Mapping) and isinstance(more.get("raw"), str):
            yield from messages_of(more["raw"], depth + 1)


def texts_of(value: Any, names: Sequence[str], depth: int = 0) -> Iterator[str]:
    """The texts and numbers under some names, anywhere in an error's value."""
    if depth > 6:
        return
    if isinstance(value, list):
        for item in value[:5]:
            yield from texts_of(item, names, depth + 1)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name in names and isinstance(item, str | int) and not isinstance(item, bool):
                yield str(item)
            elif isinstance(item, Mapping | list):
                yield from texts_of(item, names, depth + 1)


def without_echo(words: str, sent: Sequence[str]) -> str:
    """A server's words without what they repeat of the request, cut short or not."""
    for text in sorted(sent, key=len, reverse=True):
        for form in (text, json.dumps(text, ensure_ascii=False)[1:-1]):
            head = form[:LEAST_ECHO]
            while len(head) == LEAST_ECHO and (at := words.find(head)) >= 0:
                length = LEAST_ECHO
                while length < len(form) and words[at + length : at + length + 1] == form[length]:
                    length += 1
                words = f"{words[:at]}…{words[at + length :]}"
    return words


def plain_text(body: str) -> str:
    """The words of a body that is no JSON: a page's title or text, or the body itself."""
    if re.match(r"\s*(<!doctype|<html)", body, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", body, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", body, flags=re.DOTALL)
        return f"a page of HTML: {' '.join(text.split())}"
    return " ".join(body.split())


def clip(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
