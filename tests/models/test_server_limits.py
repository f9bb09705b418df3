"""What local servers tell of themselves narrows a run: slots the requests in flight, windows what one may show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import ModelChoice, Server, Settings
from rlm_dsl.replay.doctor import of_slots
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion

LLAMA = {"total_slots": 2, "default_generation_settings": {"n_ctx": 8_192}}


@contextmanager
def server(pages: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, Mapping[str, str]]]]]:
    """A server of fixed pages by path: JSON, or an address to redirect to; and what was asked of it."""
    asked: list[tuple[str, Mapping[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            page = pages.get(self.path.partition("?")[0])
            to = page if isinstance(page, str) else ""
            self.send_response(302 if to else 404 if page is None else 200)
            if to:
                self.send_header("Location", to)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_: Any) -> None: ...

    held = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=held.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{held.server_port}/v1", asked
    finally:
        held.shutdown()
        held.server_close()


def narrowed(pages: Mapping[str, Any], **settings: Any) -> Settings:
    with server(pages) as (url, _):
        return within_limits(Settings(models={"root": "m", "sub": "m"}, base_url=url, **settings), Keys({}))


def listed(**said: Any) -> dict[str, Any]:
    return {"/v1/models": {"object": "list", "data": [{"id": "m", **said}, {"id": "other", "max_model_len": 512}]}}


def test_llama_cpp_tells_slots_and_the_window_of_a_slot() -> None:
    found = narrowed({"/props": LLAMA})
    assert list(found.slots.values()) == [2]
    assert found.window == 8_192 - 2_048 and found.by_alias()["sub"].parameters["max_completion_tokens"] == 2_048


def test_slots_are_counted_where_they_are_listed() -> None:
    assert list(narrowed({"/props": {}, "/slots": [{"id": 0}, {"id": 1}, {"id": 2}]}).slots.values()) == [3]
    assert narrowed({"/props": {}, "/slots": {"error": "disabled"}}).slots == {}


@pytest.mark.parametrize("name", ["max_model_len", "context_length", "max_context_length", "context_window"])
def test_a_window_is_read_from_the_list_of_models(name: str) -> None:
    found = narrowed(listed(**{name: 4_096}))
    assert found.window == 3_072 and found.by_alias()["sub"].parameters["max_completion_tokens"] == 1_024


def test_a_large_window_widens_nothing() -> None:
    found = narrowed(listed(max_model_len=1_000_000))
    assert found.window == 32_000 and found.by_alias()["sub"].parameters["max_completion_tokens"] == 4_096


def test_the_users_own_limit_is_kept() -> None:
    found = narrowed(listed(max_model_len=4_096), parameters={"max_tokens": 100}, window=9_000)
    assert found.window == 3_996 and found.by_alias()["sub"].parameters["max_completion_tokens"] == 100
    assert narrowed(listed(max_model_len=4_096), window=500).window == 500


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/props": [1]},
        {"/props": {"total_slots": -1}},
        {"/v1/models": {"data": [{"id": 5}, 3]}},
        {"/v1/models": "x"},
    ],
)
def test_a_server_that_tells_nothing_changes_nothing(pages: Mapping[str, Any]) -> None:
    found = narrowed(pages)
    assert (found.window, found.slots, found.parameters) == (32_000, {}, {})


def test_a_redirect_is_not_followed() -> None:
    with server({"/props": LLAMA}) as (other, seen):
        to = other.removesuffix("/v1")
        found = narrowed({"/props": f"{to}/props", "/v1/models": f"{to}/v1/models"})
        assert found.slots == {} and seen == []


def test_keys_go_where_they_belong_and_far_servers_are_not_asked() -> None:
    with server({"/props": LLAMA}) as (url, asked):
        one = Server(url, key="MINE", key_header="x-key", headers={"x-more": "${MORE}"}, query={"v": "1"})
        settings = Settings(models={"root": ModelChoice("m", url)}, servers=(one,))
        within_limits(settings, Keys({"MINE": "the-key", "MORE": "more"}))
        path, headers = asked[0]
        assert path == "/props?v=1" and (headers["x-key"], headers["x-more"]) == ("the-key", "more")
        assert "authorization" not in headers
    assert within_limits(Settings(models={"root": "m"}), Keys({})) == Settings(models={"root": "m"})
    assert within_limits(Settings(base_url="http://localhost:9"), Keys({})) == Settings(base_url="http://localhost:9")


def test_a_server_that_is_not_there_is_told_by_the_first_call() -> None:
    gone = Settings(models={"root": "m"}, base_url="http://127.0.0.1:9/v1")
    assert within_limits(gone, Keys({})).window == 32_000


@pytest.mark.parametrize(("at_once", "found"), [(None, 0), (2, 0), (3, 1)])
def test_doctor_tells_of_more_requests_than_slots(at_once: int | None, found: int) -> None:
    findings = list(of_slots(narrowed({"/props": LLAMA}, concurrency=at_once)))
    assert [finding.code for finding in findings] == ["more-than-slots"] * found
    assert all("works on 2 requests at once and 3 are asked" in finding.message for finding in findings)


@pytest.mark.parametrize("tokenizer", [True, False])
def test_what_has_no_room_in_a_small_window_is_told_before_it_is_sent(tokenizer: bool) -> None:
    """A server of 600 tokens for a request with its answer, which would refuse nothing itself."""

    def reply(sent: Sent) -> Reply:
        if sent.path == "/props":
            return Reply({"default_generation_settings": {"n_ctx": 600}})
        if sent.path == "/tokenize" and tokenizer:
            return Reply({"tokens": [1] * len(sent.body["content"].split())})
        return completion('{"label": "a"}') if sent.path.endswith("/completions") else Reply({"error": "none"}, 404)

    labels = [f"label {n} " + "wide " * 10 for n in range(100)]
    rows = [{"x": "short"}]
    with ScriptedServer(reply, tells=True) as server:
        given: dict[str, Any] = {"model": "m", "base_url": server.base_url, "store": ":memory:"}
        program = 'answer t | classify(on=x, ["a", "b"{more}], into=label, guide="Which?"{nulls})'
        fits = program.format(more="", nulls="")
        assert rlm_dsl.run(fits, {"t": rows}, **given).value[0]["label"] == "a"
        sent = len(server.chats)
        many = program.format(more="".join(f', "{label}"' for label in labels), nulls=', on_error="null"')
        assert rlm_dsl.run(many, {"t": rows}, **given).value[0]["label"] is None
        with pytest.raises(UserError, match=r"tokens are to be shown, and the window of m has 600") as failure:
            rlm_dsl.run(many.replace("null", "fail"), {"t": rows}, **given)
        assert "partition" in failure.value.hint or "partition" in str(failure.value)
        with pytest.raises(UserError, match="the root model's window leaves 450 tokens for a prompt"):
            rlm_dsl.ask("How many?", {"t": rows}, **given)
        assert len(server.chats) == sent
