"""A server on loopback that sends exactly what a test says, and keeps all that it is sent.

In: a function from a request to a reply. Out: an address, and the requests. Law: nothing is added to what is sent but
the headers that HTTP needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Sent:
    """A request as it came in."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None

    @property
    def row(self) -> str:
        """What the last message says."""
        return str(self.body["messages"][-1]["content"])

    @property
    def form(self) -> str:
        """How a result is asked for: schema, tool, json or words."""
        if "tools" in self.body:
            return "tool"
        kind = self.body.get("response_format", {}).get("type", "")
        return {"json_schema": "schema", "json_object": "json"}.get(kind, "words")


@dataclass(frozen=True)
class Reply:
    """What is sent: a value as JSON, or bytes as they are."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode("ascii")


def completion(content: Any, finish: Any = "stop", *, message: Mapping[str, Any] | None = None, **more: Any) -> Reply:
    """A completion of OpenAI's form; `message` and `more` say what is other."""
    said = {"role": "assistant", "content": content, **(message or {})}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    held = {"id": "c1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return Reply({**held, "usage": {"prompt_tokens": 5, "completion_tokens": 5}, **more})


def error(status: int, message: str, **more: Any) -> Reply:
    return Reply({"error": {"message": message, **more}}, status)


class ScriptedServer:
    """Owns a socket and its thread, while the context is open."""

    def __init__(
        self, answer: Callable[[Sent], Reply] | Sequence[Reply], path: str = "/v1", *, tells: bool = False
    ) -> None:
        """With `tells` what is asked by GET is answered too; else it is not found, and not kept."""
        self.sent: list[Sent] = []
        self.answer, self.path, self.tells = answer, path, tells

    def __enter__(self) -> ScriptedServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def handled(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = outer.reply(Sent(self.command, parts.path, parts.query, headers, content))
                self.send_response(reply.status)
                sent = {"Content-Type": "application/json", **reply.headers, "Content-Length": str(len(reply.content))}
                for name, value in sent.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.content)

            do_GET = do_POST = handled

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def reply(self, sent: Sent) -> Reply:
        """Replies in their order, the last one for all that follow."""
        if sent.method == "GET" and not self.tells:
            return Reply({"error": {"message": "not found"}}, 404)
        self.sent.append(sent)
        if callable(self.answer):
            return self.answer(sent)
        return self.answer[min(len(self.sent), len(self.answer)) - 1]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def base_url(self) -> str:
        return self.origin + self.path

    @property
    def chats(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.path.endswith("/chat/completions")]
