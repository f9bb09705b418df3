"""No redirect is followed, wherever it leads and whatever asked: where it leads would get the key and the rows.

In: a server that redirects. Out: nothing but a verdict. Law: the place it leads to sees no request at all, and is named
without its query.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.server.client import Endpoint
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion

STATUSES = (301, 302, 303, 307, 308)
QUERY, PROGRAM = "key-in-a-query-0001", 'answer log | classify(on=text, ["a", "b"], into=label, guide="Which?")'
WAITING: Any = {"id": "b1", "object": "batch", "status": "completed", "output_file_id": "f2", "input_file_id": "f1"}


def moved(status: int, to: str) -> Reply:
    return Reply({"moved": True}, status, {"Location": f"{to}/elsewhere/v1/chat/completions?key={QUERY}"})


def target_of(kind: str, server: ScriptedServer, other: ScriptedServer) -> str:
    return other.origin if kind == "another origin" else server.origin


def ran(folder: Path, url: str, **more: Any) -> Any:
    (folder / "log.txt").write_text("one\ntwo\n")
    options = {"model": "m", "base_url": url, "store": str(folder / "s.sqlite"), "api_key": "key-of-a-test-0001"}
    return rlm_dsl.run(PROGRAM, {"log": str(folder / "log.txt")}, **options, **more)


def followed(server: ScriptedServer, other: ScriptedServer) -> list[Sent]:
    return [*other.sent, *(sent for sent in server.sent if sent.path.startswith("/elsewhere"))]


@pytest.mark.parametrize("kind", ["another origin", "the same origin"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_chat_goes_nowhere_else(tmp_path: Path, status: int, kind: str) -> None:
    with ScriptedServer([completion('{"label": "a"}')], tells=True) as other:
        server = ScriptedServer(lambda sent: moved(status, target_of(kind, server, other)), tells=True)
        with server, pytest.raises(UserError) as failure:
            ran(tmp_path, server.base_url)
        told = f"{failure.value} {failure.value.hint}"
        assert followed(server, other) == []
        assert f"{target_of(kind, server, other)}/elsewhere" in told and "redirect" in told and QUERY not in told


@pytest.mark.parametrize("kind", ["another origin", "the same origin"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_list_of_models_and_what_a_server_tells_come_from_nowhere_else(status: int, kind: str) -> None:
    with ScriptedServer([Reply({"data": [{"id": "m"}]})], tells=True) as other:
        server = ScriptedServer(lambda sent: moved(status, target_of(kind, server, other)), tells=True)
        with server:

            async def listed() -> Any:
                endpoint = Endpoint(server.base_url, "key-of-a-test-0001")
                try:
                    return await endpoint.models()
                except Exception as failure:
                    return failure
                finally:
                    await endpoint.close()

            assert isinstance(asyncio.run(listed()), Exception)
            assert Endpoint(server.base_url, "key-of-a-test-0001").told(f"{server.origin}/props", 3.0) is None
        assert followed(server, other) == []


def batches(at: str, redirect: Callable[[], Reply]) -> Callable[[Sent], Reply]:
    """A server with a Batch API that redirects at one of its routes."""

    def answer(sent: Sent) -> Reply:
        route = {
            ("POST", "/v1/files"): "upload",
            ("POST", "/v1/batches"): "create",
            ("GET", "/v1/batches"): "list",
            ("GET", "/v1/batches/b1"): "poll",
            ("GET", "/v1/files/f2/content"): "download",
        }.get((sent.method, sent.path), "")
        if route == at:
            return redirect()
        if route == "upload":
            return Reply({"id": "f1", "object": "file"})
        if route in ("create", "poll"):
            return Reply(WAITING)
        if route in ("download", "list"):
            return Reply({"object": "list", "data": []})
        return completion('{"label": "a"}') if sent.method == "POST" else Reply({}, 404)

    return answer


@pytest.mark.parametrize("kind", ["another origin", "the same origin"])
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("route", ["upload", "create", "poll", "download"])
def test_a_batch_goes_nowhere_else(tmp_path: Path, route: str, status: int, kind: str) -> None:
    with ScriptedServer([Reply(WAITING)], tells=True) as other:
        server = ScriptedServer(batches(route, lambda: moved(status, target_of(kind, server, other))), tells=True)
        told = ""
        with server:
            try:
                found = ran(tmp_path, server.base_url, batch=True, trace=tmp_path / "t")
                assert [row["label"] for row in found.value] == ["a", "a"]
            except UserError as failure:
                told = f"{failure} {failure.hint}"
                assert "/elsewhere" in told
        assert followed(server, other) == []
        written = b"".join(path.read_bytes() for path in (tmp_path / "t").rglob("*") if path.is_file())
        assert QUERY not in told and QUERY.encode() not in written
        assert any(sent.path in ("/v1/files", "/v1/batches") for sent in server.sent), json.dumps(told)
