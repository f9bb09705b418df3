"""A local, read-only page over a folder of traces: list, filter, look, compare two.

In: a folder, an address. Out: pages. Law: only traces below the folder are read, by names in its own list;
only GET is answered, and only to whoever names the address as it was told.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.compare.diff import diff
from rlm_dsl.report.pages import diff_page, page, policy, run_page
from rlm_dsl.report.run_view import run_view
from rlm_dsl.report.summary import summarize_difference
from rlm_dsl.report.values import as_text
from rlm_dsl.trace.reader import Trace, open_trace

MOST = 2_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def traces_below(folder: Path) -> dict[str, Path]:
    """Traces and zips of them below a folder, by their paths from there; newest first."""
    found = {str(path.parent.relative_to(folder)): path.parent for path in folder.rglob("trace.json") if path.is_file()}
    found |= {str(path.relative_to(folder)): path for path in folder.rglob("*.trace.zip") if path.is_file()}
    newest = sorted(found.items(), key=lambda item: (-item[1].stat().st_mtime, item[0]))
    return {name or ".": path for name, path in newest if folder.resolve() in path.resolve().parents or path == folder}


def summary(name: str, path: Path) -> dict[str, Any]:
    """A line of the list. Of a damaged trace, that it is."""
    blank = {"path": name, "finished": False, "created": "", "question": "", "answer": "", "calls": ""}
    try:
        with open_trace(path, unfinished=True, changed=True) as trace:
            header = trace.header
            line = {**blank, "created": str(header.get("created", ""))[:19], "finished": trace.finished}
            line["question"] = header.get("question") or first_line(trace)
            if trace.finished:
                values = [as_text(p["value"])[:60] for p in trace.answer["parts"] if "columns" not in p]
                line["answer"] = ", ".join(values)[:120] or "a table"
                line["calls"] = sum((step.get("asked") or {}).get("requests", 0) for step in trace.steps)
            return line
    except (UserError, OSError) as failure:
        return {**blank, "question": f"cannot be read: {str(failure).splitlines()[0]}"}


def first_line(trace: Trace) -> str:
    text = trace.program if trace.finished else ""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "(not finished)")[:120]


class Serving(ThreadingHTTPServer):
    """Serves a folder's pages. `server_close` ends it."""

    daemon_threads = True

    def __init__(self, folder: Path, host: str, port: int, environment: Mapping[str, str]) -> None:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}")
        self.folder, self.environment, self.host = folder, environment, host
        try:
            super().__init__((host, port), Handler)
        except OSError as failure:
            raise UserError(f"{host}:{port} cannot be listened on: {failure.strerror}", "name another --port") from None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_address[1]}/"

    def answer(self, address: str) -> tuple[int, str]:
        """The page of an address."""
        known = traces_below(self.folder)
        try:
            parts = urlsplit(address)
            given = {name: values[0] for name, values in parse_qs(parts.query, max_num_fields=10).items()}
        except ValueError:
            return 400, page("message.html", "This is no address", message="The list has what there is.")
        try:
            match parts.path:
                case "/":
                    return 200, self.listed(known)
                case "/view" if given.get("t") in known:
                    with open_trace(known[given["t"]], changed=True) as trace:
                        return 200, run_page(run_view(trace, {}, self.environment), "rlm-dsl serve")
                case "/diff" if given.get("a") in known and given.get("b") in known:
                    with open_trace(known[given["a"]]) as a, open_trace(known[given["b"]]) as b:
                        found = diff(a, b)
                    return 200, diff_page(found, summarize_difference(found), "rlm-dsl serve", (given["a"], given["b"]))
                case _:
                    return 404, page("message.html", "There is no such page", message="The list has what there is.")
        except (UserError, ProgramError) as failure:
            return 422, page("message.html", "This cannot be shown", message=str(failure))

    def listed(self, known: Mapping[str, Path]) -> str:
        traces = [summary(name, path) for name, path in list(known.items())[:MOST]]
        title = f"{len(known):,} traces in {self.folder.name or self.folder}"
        return page("list.html", title, "rlm-dsl serve", traces=traces, left_out=max(0, len(known) - MOST))


class Handler(BaseHTTPRequestHandler):
    """One request. A page of another site cannot reach this one by a name of its own: the Host must be ours."""

    server: Serving
    server_version, sys_version = "rlm-dsl", ""

    def do_GET(self) -> None:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0].strip("[]")
        allowed = {self.server.host, *(LOOPBACK if self.server.host in LOOPBACK else ())}
        if self.server.host not in ("0.0.0.0", "::") and not any(
            hmac.compare_digest(host.encode(), each.encode()) for each in allowed
        ):
            return self.reply(403, f"<p>This is served to {escape(self.server.host)} alone.</p>")
        return self.reply(*self.server.answer(self.path))

    def reply(self, status: int, text: str) -> None:
        content = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", policy() + "; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Addresses are nobody's business."""
