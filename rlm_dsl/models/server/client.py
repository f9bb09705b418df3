"""The one user of the network: an OpenAI-compatible server.

In: a request. Out: its answer, after exactly one attempt; or an `Attempt` that says what went wrong.
Law: no redirect is followed, and what comes back is without secrets before anything sees it; the key that opens the
server appears in no message; an answer takes no longer than its time, however slowly it comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rlm_dsl.common.counted import counted
from rlm_dsl.models.budget import most_output
from rlm_dsl.models.protocol import Attempt, ModelUnavailable, RequestRefused
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.completion import LENGTH, NoCompletion, completion_of
from rlm_dsl.models.server.dialects import USUAL, Dialect, Dialects, body_of
from rlm_dsl.models.server.errors import ServerError, clip, parse_body, plain_text, read_error
from rlm_dsl.models.server.reply_forms import PLAIN
from rlm_dsl.models.server.scores import taken_scores, whole_answer
from rlm_dsl.models.settings import DEFAULT_URL, KEY

if TYPE_CHECKING:
    from ssl import SSLContext

    from openai import AsyncOpenAI

NO_ROOM = (
    "name another model as root (--model root=NAME), or give this one's server a larger context; with weights of your "
    "own --concurrency 1 leaves the most"
)
LONGEST_TOKEN = 8
"""Bytes of a text for each of its tokens, at the most and on the average."""
MOST_COUNTING = 10.0
"""Seconds that a server has to count."""
MOST_TOLD = 1_000_000
"""Bytes that are read of what a server tells of itself."""
REFUSALS = frozenset({400, 404, 405, 406, 415, 422, 501})
"""Statuses by which a server may say that it does not take a form of asking."""
TRIPS = frozenset({"broken", "too_long", "model"})
"""What a grammar may be refused as, beside refusals in so many words: some servers answer 500 to what they do not know,
some count it among what they are shown, and some say that the model does not take it."""
TOO_LONG = (
    "cut it first: partition(by=\"tokens\", size=2000), or say how much the model takes: `window:` in rlm-dsl.yaml"
)  # fmt: skip


class Endpoint:
    """Owns one client for one server. `now` gives seconds since the epoch, for Retry-After dates; `known` is how its
    models are asked, as far as that was found out before, `usual` how others are, and `learnt` is told of more; `heard`
    is told of the headers of each reply. Headers and query are sent with each request; `key_header` carries the key in
    Authorization's stead. `reached` gives address and key of a server that is started when it is first asked.
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
        known: Mapping[str, Dialect] | None = None,
        usual: Dialect = USUAL,
        learnt: Callable[[str, Dialect], None] = lambda model, dialect: None,
        heard: Callable[[Mapping[str, str]], None] = lambda headers: None,
        reached: Callable[[], tuple[str, str]] | None = None,
    ) -> None:
        self.base_url, self.redact, self.now = base_url, redact, now
        self.api_key, self.timeout = api_key, timeout_seconds
        self.headers, self.query, self.key_header, self.key_name = headers or {}, query or {}, key_header, key_name
        self.client: AsyncOpenAI | None = None
        self.dialects = Dialects(dict(known or {}), learnt, usual)
        self.heard, self.reached = heard, reached

    def opened(self) -> AsyncOpenAI:
        """The client, made on first use: inside the loop that uses it, and only by runs that ask a model."""
        if self.client is None:
            if not self.api_key and self.base_url == DEFAULT_URL:
                hint = f"set {self.key_name}, or name another server with --base-url"
                raise RequestRefused("there is no key for the model server", hint, code="key")
            address = self.base_url
            if self.reached is not None:
                address, self.api_key = self.reached()
            import openai

            headers = dict(self.headers)
            if self.key_header:
                headers |= {self.key_header: self.api_key or "none"}
            self.client = openai.AsyncOpenAI(
                api_key=self.api_key or "none",
                base_url=address,
                max_retries=0,
                timeout=self.timeout,
                default_headers=headers or None,
                default_query=dict(self.query) or None,
                http_client=openai.DefaultAioHttpClient(
                    follow_redirects=False, verify=trusted(*map(os.environ.get, TRUST))
                ),
            )
        return self.client

    async def posted(self, body: Mapping[str, Any]) -> Any:
        """The reply to a request's body. The client's own `create` walks through the types of each body first, which
        costs as much as all the rest. Where another header carries the key, Authorization does not."""
        import openai

        headers: dict[str, Any] = {"X-Stainless-Raw-Response": "true"}
        if self.key_header:
            headers["Authorization"] = openai.Omit()
        async with asyncio.timeout(self.timeout):
            return await self.opened().post(
                "/chat/completions", cast_to=object, body=dict(body), options={"headers": headers}
            )

    async def check_window(self, request: Request, window: int) -> None:
        """Raise Attempt for a request that surely has no room in its model's window, before it is sent: by the server's
        own tokenizer (llama.cpp and vLLM have one), else by what no token is longer than."""
        texts = [message.content for message in request.messages]
        count = await self.tokens(request)
        if count is None:
            count = sum(len(text.encode("utf-8", "replace")) for text in texts) // LONGEST_TOKEN
        if count >= window:
            hint = TOO_LONG if request.schema is not None else NO_ROOM
            told = f"{request.purpose}: about {counted(count, 'token', 'are')} to be shown, and the window of"
            raise refusal(f"{told} {request.settings.model} has {window:,} with the answer", hint, "row")

    async def tokens(self, request: Request) -> int | None:
        """How many tokens the server counts in a request's texts; None where it does not say."""
        parts = urlsplit(str(self.opened().base_url))
        texts = [{"role": message.role, "content": message.content} for message in request.messages]
        body = {"model": request.settings.model, "messages": texts}
        body["content"] = "\n".join(message.content for message in request.messages)
        try:
            async with asyncio.timeout(MOST_COUNTING):
                told = await self.opened().post(f"{parts.scheme}://{parts.netloc}/tokenize", cast_to=object, body=body)
        except Exception:
            return None
        tokens = told.get("tokens") if isinstance(told, Mapping) else None
        return len(tokens) if isinstance(tokens, list) else None

    async def close(self) -> None:
        if self.client is not None:
            await self.client.close()
            self.client = None

    async def answer(self, request: Request) -> Answer:
        """One attempt; more only where the server turns out not to take a way of asking, which costs no answer."""
        dialect, most = self.dialects.of(request), self.dialects.room(request)
        first = await self.asked(request, dialect, most)
        if isinstance(first, Answer):
            return first
        if most < most_output(request) and TOO_LITTLE.search(first.words):
            raise self.cut_short(request, Answer("", "length", prompt_tokens=0, completion_tokens=0))
        if not self.may_be_the_dialect(first, request) or self.dialects.given_up(request):
            raise self.refusal(first, request)
        search = self.dialects.search(request, dialect, first)
        while (other := search.next()) is not None:
            found = await self.asked(request, other, most)
            if isinstance(found, Answer):
                return found
            if not self.may_be_the_dialect(found, request):
                raise self.refusal(found, request)
            search.refused(other, found)
        self.dialects.nothing_worked(request)
        raise self.refusal(first, request)

    async def asked(self, request: Request, dialect: Dialect, most: int) -> Answer | ServerError:
        """One request in one dialect: an answer, or why the server refuses it. Raises Attempt for all else."""
        body = body_of(request, dialect, most)
        try:
            raw = await self.posted(body)
            self.heard(raw.headers)
            found = self.read(raw.http_response.text, request, body)
        except (Attempt, RequestRefused):
            raise
        except Exception as failure:
            error = self.error_of(failure, request)
            if error is None:
                raise self.attempt(failure) from None
            if self.trips_on_grammar(error, request, dialect):
                return error
            if error.kind(self.is_proven(request, dialect)) in ("busy", "broken"):
                raise self.refusal(error, request, failure) from None
            return error
        if isinstance(found, Answer):
            if most < most_output(request) and ended_by(found, most):
                raise self.cut_short(request, found)
            whole = found.keepable
            self.dialects.succeeded(request, dialect, found.text, whole)
            return found
        return found

    def cut_short(self, request: Request, found: Answer) -> Attempt:
        """An answer that had no end within what its type takes: it is asked for with all that it may have."""
        self.dialects.cut.add(request.key)
        return Attempt(ModelUnavailable("the answer had no end"), again=True, billed=True, cut=found)

    def body(self, request: Request) -> dict[str, Any]:
        """The request as this server takes it, as far as is known."""
        return body_of(request, self.dialects.of(request))

    def failed(self, failure: Exception, request: Request) -> Attempt:
        """What any failure of a call means: a refusal by the server, or one of the connection."""
        error = self.error_of(failure, request)
        return self.attempt(failure) if error is None else self.refusal(error, request, failure)

    def is_proven(self, request: Request, dialect: Dialect) -> bool:
        return self.dialects.is_proven(request, dialect)

    def may_be_the_dialect(self, error: ServerError, request: Request) -> bool:
        """Whether a refusal may be about how the request is written, and not about its key, model or row."""
        kind = error.kind()
        return (kind == "refused" and error.status in REFUSALS) or (bool(request.grammar) and kind in TRIPS)

    def trips_on_grammar(self, error: ServerError, request: Request, dialect: Dialect) -> bool:
        """Whether a server may have failed on the grammar that it was given, and does without."""
        return bool(request.grammar) and dialect.reply != PLAIN and error.kind() in TRIPS

    def read(self, text: str, request: Request, body: Mapping[str, Any]) -> Answer | ServerError:
        """What a reply of status 200 says, without secrets. Raises Attempt for what is no completion."""
        value = parse_body(text)
        sent = [message.content for message in request.messages]
        size = sum(len(content.encode("utf-8", "replace")) for content in sent) + len(json.dumps(body))
        try:
            if value is None:
                raise NoCompletion(text)
            value, scores = taken_scores(value, request.schema)
            found = completion_of(self.cleaned(value), sent=sent, sent_bytes=size, most=most_output(request))
            return whole_answer(found, scores, body) if isinstance(found, Answer) else found
        except NoCompletion:
            raise self.no_completion(text, request) from None

    def cleaned(self, value: Any) -> Any:
        """A reply's value without secrets in any text of it, names too."""
        match value:
            case str():
                return self.redact(value)
            case Mapping():
                return {self.redact(str(name)): self.cleaned(item) for name, item in value.items()}
            case list():
                return [self.cleaned(item) for item in value]
            case _:
                return value

    def no_completion(self, text: str, request: Request) -> Attempt:
        told = clip(self.redact(plain_text(text)))
        if told.startswith("a page of HTML") and self.strange(request):
            return refusal(
                f"{self.base_url} answers with {told}", f"does the address lack /v1? try {self.base_url}/v1", "address"
            )
        error = ModelUnavailable(f"{self.base_url} answered what is no completion: {told!r}")
        return Attempt(error, again=True, billed=True)

    def strange(self, request: Request) -> bool:
        """Whether the address has no path and never gave an answer: it may be the wrong one."""
        return not urlsplit(self.base_url).path and request.settings.model not in self.dialects.answered

    def error_of(self, failure: Exception, request: Request) -> ServerError | None:
        """What a refusal by the server says, without secrets; None for a failure that is none."""
        import openai

        if not isinstance(failure, openai.APIStatusError):
            return None
        response = failure.response
        sent = [message.content for message in request.messages]
        if response.is_redirect or response.status_code in (301, 302, 303, 307, 308):
            to = self.redact(str(response.headers.get("location", "")).partition("?")[0])
            return ServerError(response.status_code, clip(to))
        try:
            text = response.text
        except Exception:
            text = str(failure)
        value = parse_body(text)
        cleaned = self.redact(text) if value is None else json.dumps(self.cleaned(value), ensure_ascii=False)
        return read_error(response.status_code, cleaned, sent)

    def refusal(self, error: ServerError, request: Request, failure: Any = None) -> Attempt:
        """What a server's refusal means for the run."""
        url, words, model = self.base_url, error.words, request.settings.model
        proven = bool(self.dialects.answered)
        match error.kind(proven):
            case "redirect":
                return refusal(
                    f"{url} redirects to {words or 'another address'}, and no redirect is followed: the key and the "
                    "rows would go there",
                    "if that is the server, name its address",
                    "redirect",
                )
            case "key":
                return refusal(f"{url} refuses the key{error.numbered}: {words}", f"check {self.key_name}", "key")
            case "credit":
                told = f"{url} is out of credits or quota{error.numbered}: {words}"
                return Attempt(ModelUnavailable(told, "add some, then run the same command again"), again=False)
            case "model":
                lacks = error.status == 404 and self.strange(request)
                hint = f"does the address lack /v1? try {url}/v1" if lacks else "check --model and --base-url"
                return refusal(f"{url} does not know the model `{model}`: {words}", hint, "model")
            case "too_long":
                return refusal(f"{url}: the request is too long{error.numbered}: {words}", TOO_LONG, "row")
            case "filtered":
                return refusal(f"{url} refuses the row{error.numbered}: {words}", "", "row")
            case "busy" | "broken" as kind:
                headers = getattr(getattr(failure, "response", None), "headers", {})
                self.heard(headers)
                gone = ModelUnavailable(f"{url} answers {error.status}: {words}")
                wait, slow = waiting(headers, self.now()), kind == "busy" and error.status in SLOW
                return Attempt(gone, again=True, billed=kind == "broken", wait=wait, slow=slow)
            case _:
                return refusal(f"{url} refuses the request{error.numbered}: {words}", "", "request")

    def attempt(self, failure: Exception) -> Attempt:
        """What a failure of the client or the connection means."""
        import openai

        told = clip(self.redact(own_words(failure)))
        match failure:
            case TimeoutError():
                return self.late()
            case openai.APIConnectionError() if never_sent(failure):
                return Attempt(ModelUnavailable(f"{self.base_url} cannot be reached: {told}"), again=True)
            case openai.APITimeoutError() if not broken(failure):
                return self.late()
            case openai.APIConnectionError():
                error = ModelUnavailable(f"{self.base_url} broke the connection: {told}")
                return Attempt(error, again=True, billed=True)
            case _:
                error = ModelUnavailable(f"{self.base_url} answered what is no completion: {told}")
                return Attempt(error, again=True, billed=True)

    def late(self) -> Attempt:
        error = ModelUnavailable(
            f"{self.base_url} did not answer in {self.timeout:g} s",
            "allow more with --timeout, or ask fewer at once with --concurrency; answers so far are kept",
        )
        return Attempt(error, again=True, billed=True, narrow=True)

    def told(self, path: str, seconds: float) -> Any:
        """What a server of this machine or network tells at a path: its JSON, without secrets. None where it tells
        nothing in time. Quick, since it loads no client."""
        from urllib.error import HTTPError
        from urllib.parse import urlencode
        from urllib.request import ProxyHandler, Request, build_opener

        headers = {**self.headers, **({self.key_header: self.api_key or "none"} if self.key_header else {})}
        if self.api_key and not self.key_header:
            headers["Authorization"] = f"Bearer {self.api_key}"
        url = f"{path}?{urlencode(self.query)}" if self.query else path
        try:
            opener = build_opener(ProxyHandler({}), no_redirects())
            with opener.open(Request(url, headers=headers), timeout=seconds) as reply:
                return self.cleaned(parse_body(reply.read(MOST_TOLD).decode("utf-8", "replace")))
        except HTTPError:
            return None
        except (OSError, ValueError) as failure:
            raise ModelUnavailable(f"{self.base_url} cannot be reached: {own_words(failure)}") from None

    async def models(self) -> list[str]:
        """The names of the models that the server lists."""
        return [self.redact(str(model.id)) async for model in self.opened().models.list()]


TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where the environment says which certificates are trusted."""


@cache
def trusted(file: str | None, folder: str | None) -> SSLContext:
    """The certificates that are trusted, as the client itself reads them where the environment names these, but once:
    to read them takes longer than many a call."""
    try:
        from httpx2 import create_ssl_context
    except ModuleNotFoundError:  # versions of the client before it was made on this one
        from httpx import create_ssl_context
    return create_ssl_context()


SLOW = (429, 503, 529)
"""Statuses by which a server says that it is asked too much."""


TOO_LITTLE = re.compile(
    r"(max_(completion_|output_)?tokens|output limit).{0,80}(higher|larger|increase|reached|at least|greater|minimum)"
    r"|(higher|larger|increase|reached|at least|greater|minimum).{0,80}(max_(completion_|output_)?tokens|output limit)",
    re.IGNORECASE | re.DOTALL,
)
"""Words of servers that refuse a request because its answer may not be longer."""


def ended_by(answer: Answer, most: int) -> bool:
    """Whether an answer has no end because of a limit of so many tokens, and not of one of the server's own."""
    return answer.finish == LENGTH and (answer.completion_tokens is None or 2 * answer.completion_tokens >= most)


def no_redirects() -> Any:
    """What makes a redirect an answer like any other."""
    from urllib.request import HTTPRedirectHandler

    class Unredirected(HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    return Unredirected()


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


def refusal(message: str, hint: str, code: str) -> Attempt:
    return Attempt(RequestRefused(message, hint, code=code), again=False)


def own_words(failure: Exception) -> str:
    """What the client says of a failure, and what caused it."""
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
