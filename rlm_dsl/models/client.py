"""The one user of the network: an OpenAI-compatible server.

In: a request. Out: its answer, after exactly one attempt; or an `Attempt` that says what went wrong.
Law: how a request is sent (with a schema, with JSON mode, as plain words) is found out once per model and never enters
its key; the key that opens the server appears in no message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from rlm_dsl.models.protocol import Attempt, ModelUnavailable, RequestRefused
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.settings import DEFAULT_URL, KEY

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FORMS = ("schema", "tool", "json", "words")
"""How a result's type is asked for: by strict schema, as a tool's arguments, by JSON mode with the schema in words, by
words alone."""
LACKS = {
    "schema": ("response_format", "json_schema", "structured"),
    "tool": ("tool", "function"),
    "json": ("response_format", "json_object", "json mode"),
}
"""What a server says of a form that it lacks: one of these words, in the message of its refusal."""
TOOL = "result"


LONGEST = 300
"""Characters of a server's words that an error shows."""

Manner = tuple[str, bool]
"""How a model is asked: in which form, and whether by the old name of the output's limit."""
USUAL: Manner = (FORMS[0], False)


class Endpoint:
    """Owns one client for one server. `now` gives seconds since the epoch, for Retry-After dates; `known` is how its
    models are asked, as far as that was found out before, and `learnt` is told of more; `heard` is told of the headers
    of each reply. Headers and query are sent with each request; `key_header` carries the key in Authorization's stead.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        timeout_seconds: float = 120.0,
        redact: Callable[[str], str] = str,
        now: Callable[[], float] = lambda: 0.0,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        key_header: str = "",
        key_name: str = KEY,
        known: Mapping[str, Manner] | None = None,
        learnt: Callable[[str, Manner], None] = lambda model, manner: None,
        heard: Callable[[Mapping[str, str]], None] = lambda headers: None,
    ) -> None:
        self.base_url, self.redact, self.now = base_url, redact, now
        self.api_key, self.timeout = api_key, timeout_seconds
        self.headers, self.query, self.key_header, self.key_name = headers or {}, query or {}, key_header, key_name
        self.client: AsyncOpenAI | None = None
        self.manners: dict[str, Manner] = dict(known or {})
        self.learnt, self.heard = learnt, heard

    def opened(self) -> AsyncOpenAI:
        """The client, made on first use: inside the loop that uses it, and only by runs that ask a model."""
        if self.client is None:
            if not self.api_key and self.base_url.rstrip("/") == DEFAULT_URL:
                hint = f"set {self.key_name}, or name another server with --base-url"
                raise RequestRefused("there is no key for the model server", hint, code="key")
            import openai

            headers = dict(self.headers)
            if self.key_header:
                headers |= {self.key_header: self.api_key or "none"}
            self.client = openai.AsyncOpenAI(
                api_key=self.api_key or "none",
                base_url=self.base_url,
                max_retries=0,
                timeout=self.timeout,
                default_headers=headers or None,
                default_query=dict(self.query) or None,
                http_client=openai.DefaultAioHttpClient(),
            )
        return self.client

    async def posted(self, body: Mapping[str, Any]) -> Any:
        """The reply to a request's body. The client's own `create` walks through the types of each body first, which
        costs as much as all the rest. Where another header carries the key, Authorization does not."""
        import openai

        headers: dict[str, Any] = {"X-Stainless-Raw-Response": "true"}
        if self.key_header:
            headers["Authorization"] = openai.Omit()
        return await self.opened().post(
            "/chat/completions", cast_to=object, body=dict(body), options={"headers": headers}
        )

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()
            self.client = None

    async def answer(self, request: Request) -> Answer:
        """One attempt; more only where the server turns out not to know a form of asking, which costs no answer."""
        while True:
            manner = self.manner(request)
            try:
                raw = await self.posted(self.body(request))
                self.heard(raw.headers)
                return self.clean(read_completion(raw.http_response.text, self.base_url, self.redact))
            except (Attempt, RequestRefused):
                raise
            except Exception as failure:
                if manner == self.manner(request) and not self.learned(request, failure):
                    raise self.attempt(failure, request) from None

    def manner(self, request: Request) -> Manner:
        """How this model is asked; others that are under way may find out more meanwhile."""
        return self.manners.get(request.settings.model, USUAL)

    def clean(self, answer: Answer) -> Answer:
        """The answer without secrets, before anything keeps it."""
        refusal = None if answer.refusal is None else self.redact(answer.refusal)
        return replace(answer, text=self.redact(answer.text), refusal=refusal)

    def body(self, request: Request) -> dict[str, Any]:
        """The request as this server takes it."""
        form, old = self.manner(request)
        parameters = dict(request.settings.parameters)
        if old and "max_completion_tokens" in parameters:
            parameters["max_tokens"] = parameters.pop("max_completion_tokens")
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        if request.schema is not None and form in ("json", "words"):
            messages = in_words(messages, request.schema)
        return {"model": request.settings.model, "messages": messages, **parameters, **asked_as(request.schema, form)}

    def learned(self, request: Request, failure: Exception) -> bool:
        """Whether the failure says that the server lacks a form of asking, so that the next one is worth trying."""
        status = getattr(failure, "status_code", None)
        told, (form, old) = str(failure).lower(), self.manner(request)
        if status not in (400, 404, 415, 422, 501):
            return False
        if "max_completion_tokens" in told and not old:
            self.learn(request.settings.model, (form, True))
            return True
        if request.schema is not None and any(word in told for word in LACKS.get(form, ())):
            self.learn(request.settings.model, (FORMS[FORMS.index(form) + 1], old))
            return True
        return False

    def learn(self, model: str, manner: Manner) -> None:
        self.manners[model] = manner
        self.learnt(model, manner)

    def attempt(self, failure: Exception, request: Request) -> Attempt:
        """What a failure of the client means."""
        import openai

        told = self.redact(plain_message(failure))[:LONGEST]
        match failure:
            case openai.APIConnectionError() if never_sent(failure):
                return Attempt(ModelUnavailable(f"{self.base_url} cannot be reached: {told}"), again=True)
            case openai.APITimeoutError() if not broken(failure):
                error = ModelUnavailable(f"{self.base_url} did not answer in {self.timeout:g} s")
                return Attempt(error, again=True, billed=True)
            case openai.APIConnectionError():
                error = ModelUnavailable(f"{self.base_url} broke the connection: {told}")
                return Attempt(error, again=True, billed=True)
            case openai.APIStatusError():
                return self.status(failure, told, request)
            case _:
                return Attempt(
                    ModelUnavailable(f"{self.base_url} answered what is no completion: {told}"), again=True, billed=True
                )

    def status(self, failure: Any, told: str, request: Request) -> Attempt:
        status = failure.status_code
        if status in (401, 403):
            return refused(f"{self.base_url} refuses the key ({status})", f"check {self.key_name}", "key")
        if status == 404:
            return refused(
                f"{self.base_url} does not know the model `{request.settings.model}`: {told}",
                "check --model and --base-url",
                "model",
            )
        if status == 429 and "insufficient_quota" in told:
            return Attempt(ModelUnavailable(f"{self.base_url}: the quota is used up: {told}"), again=False)
        if status in (408, 409, 425, 429) or status >= 500:
            self.heard(failure.response.headers)
            wait = waiting(failure.response.headers, self.now())
            error = ModelUnavailable(f"{self.base_url} answers {status}: {told}")
            return Attempt(error, again=True, billed=status >= 500, wait=wait, slow=status in SLOW)
        return refused(f"{self.base_url} refuses the request ({status}): {told}", "", "request")

    async def models(self) -> list[str]:
        """The names of the models that the server lists."""
        return [model.id async for model in self.opened().models.list()]


def never_sent(failure: Exception) -> bool:
    """Whether the connection itself failed, so that nothing can have been billed.

    aiohttp's transport reports a refused connection, and one that the server closed later, as a timeout of connecting;
    which it was, only aiohttp's own error behind it tells.
    """
    names = causes(failure)
    return any(name.startswith("ClientConnector") or name in NOT_CONNECTED for name in names)


def broken(failure: Exception) -> bool:
    """Whether the server ended the connection after the request was sent."""
    return not causes(failure).isdisjoint({"ServerDisconnectedError", "ClientOSError", "ClientConnectionResetError"})


NOT_CONNECTED = frozenset({"ConnectError", "ConnectionTimeoutError", "ConnectionRefusedError"})


def causes(failure: BaseException | None) -> set[str]:
    """The names of the errors' types behind a failure, its own among them."""
    names: set[str] = set()
    while failure is not None:
        names.add(type(failure).__name__)
        failure = failure.__cause__ or failure.__context__
    return names


def refused(message: str, hint: str, code: str) -> Attempt:
    return Attempt(RequestRefused(message, hint, code=code), again=False)


def asked_as(schema: Mapping[str, Any] | None, form: str) -> dict[str, Any]:
    """The parameters by which a result's type is asked for."""
    if schema is None or form == "words":
        return {}
    if form == "json":
        return {"response_format": {"type": "json_object"}}
    if form == "tool":
        tool = {"name": TOOL, "strict": True, "parameters": dict(schema)}
        chosen = {"type": "function", "function": {"name": TOOL}}
        return {"tools": [{"type": "function", "function": tool}], "tool_choice": chosen}
    strict = {"name": TOOL, "strict": True, "schema": dict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": strict}}


def in_words(messages: list[dict[str, str]], schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """The schema told in the system message, where a server cannot be given it."""
    told = "Answer with JSON alone, of this JSON Schema: " + json.dumps(schema, ensure_ascii=False)
    head = messages[0]
    if head["role"] == "system":
        return [{"role": "system", "content": f"{head['content']}\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


FINISHED = {"stop": "stop", "tool_calls": "stop", "function_call": "stop", "eos": "stop", "eos_token": "stop",
            "stop_sequence": "stop", "end_turn": "stop", "max_tokens": "length"}  # fmt: skip
"""Other words of servers for the same ends."""
SLOW = (429, 503, 529)
"""Statuses by which a server says that it is asked too much."""


def read_completion(body: str, base_url: str, redact: Callable[[str], str]) -> Answer:
    """An answer from a reply's body, whatever a server may have left out. Raises Attempt for what is no completion."""
    try:
        value = json.loads(body)
        choice = value["choices"][0]
        message = choice.get("message") or {}
        usage = value.get("usage") or {}
        return Answer(
            text=content_of(message),
            finish=FINISHED.get(choice.get("finish_reason") or "stop", choice.get("finish_reason")),
            refusal=message.get("refusal") or None,
            model=str(value.get("model") or ""),
            fingerprint=str(value.get("system_fingerprint") or ""),
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise Attempt(
            ModelUnavailable(f"{base_url} answered what is no completion: {redact(body)[:LONGEST]!r}"),
            again=True,
            billed=True,
        ) from None


def content_of(message: Mapping[str, Any]) -> str:
    """The text, or the arguments of a tool call where a server answers by one."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    calls = message.get("tool_calls") or []
    return str(calls[0]["function"]["arguments"]) if calls else ""


def plain_message(failure: Exception) -> str:
    """The server's own words where it has some, else the client's and what caused them."""
    body = getattr(failure, "body", None)
    if isinstance(body, Mapping) and isinstance(body.get("message"), str):
        return f"{body['message']} {body.get('code') or ''}".strip()
    cause = failure.__cause__
    return str(cause or failure).strip() or type(cause or failure).__name__


def waiting(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait: `retry-after-ms`, or `retry-after` as seconds or date."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return float(milliseconds) / 1000
        given = headers.get("retry-after")
        if given is None:
            return None
        return float(given) if given.replace(".", "", 1).isdigit() else parsedate_to_datetime(given).timestamp() - now
    except (ValueError, TypeError):
        return None
