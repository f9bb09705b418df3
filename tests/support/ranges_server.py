"""A web server on loopback that answers ranges, with ETags, and keeps what it was asked.

In: files by name. Out: an address. Law: what is asked for is what it holds now; it can send on to another address.
"""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


@dataclass(slots=True)
class RangesServer:
    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    ranges: bool = True
    url: str = ""


@contextmanager
def ranges_server() -> Iterator[RangesServer]:
    held = RangesServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "") if held.ranges else ""
            held.asked.append((self.path, wanted))
            name = unquote(self.path.lstrip("/"))
            if name in held.moved:
                self.answer(302, b"", {"Location": held.moved[name]})
            elif name not in held.files:
                self.answer(404, b"")
            else:
                self.content(held.files[name], wanted)

        def content(self, content: bytes, wanted: str) -> None:
            headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"'}
            if not wanted:
                self.answer(200, content, headers)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            if int(first) >= len(content):
                self.answer(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
                return
            part = content[int(first) : int(last) + 1]
            told = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            self.answer(206, part, {**headers, "Content-Range": told})

        def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
