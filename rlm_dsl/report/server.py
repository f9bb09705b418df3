"""A local page over a folder of traces: list, filter, look, compare two; where it is asked for, review.

In: a folder, an address. Out: pages. Law: only traces below the folder are read, by names in its own list, and none is
written; only GET and HEAD are answered, and only to whoever names the address as it was told. With reviews labels are
written, beside the traces, on this machine alone: to a page of this server's own that shows the token it was made with.
"""

from __future__ import annotations

import errno
import hmac
import json
import re
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import ProgramError, UserError, printable
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.compare.diff import diff
from rlm_dsl.report.pages import diff_page, optimization_page, page, policy, review_page, run_page
from rlm_dsl.report.run_view import run_view
from rlm_dsl.report.summary import summarize_difference
from rlm_dsl.trace.layout import OPTIMIZATION, REPORT
from rlm_dsl.trace.listed import Listed, listed, traces_below
from rlm_dsl.trace.reader import open_trace

if TYPE_CHECKING:
    from rlm_dsl.report.reviewing.desk import Desk

MOST = 2_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LARGEST = 1 << 20
"""Bytes that a page may send."""
NO_SUCH = "There is no such page"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with. `own` names the assets that its page has beside the common ones."""

    status: int
    text: str
    kind: str = "text/html; charset=utf-8"
    own: str = ""


HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:@/\s]+))(?::\d{1,5})?", re.IGNORECASE)
"""A Host header: an address of IPv6 in brackets or a name, and perhaps a port."""
PATIENCE = 60.0
"""Seconds in which a browser that has connected says what it wants."""
Files = tuple[tuple[str, int, int], ...]
"""The files of a trace with their sizes and times: as long as they stay, so does its line in the list."""


def traces_in(folder: Path) -> dict[str, Path]:
    """Traces and zips of them below a folder, by their paths from there; the last changed first."""
    root = folder.resolve()
    found = {path.relative_to(folder).as_posix(): path for path in traces_below(folder)}
    inside = {name: path for name, path in found.items() if path == folder or root in path.resolve().parents}
    return dict(sorted(inside.items(), key=lambda item: (-changed_at(item[1]), item[0])))


def changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # it went away meanwhile
        return 0.0


def files_of(path: Path) -> Files:
    """What a trace's files look like from outside."""
    found = []
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        with suppress(OSError):
            state = each.lstat()
            found.append((each.name, state.st_size, state.st_mtime_ns))
    return tuple(sorted(found))


class Serving(ThreadingHTTPServer):
    """Serves a folder's pages. `server_close` ends it."""

    daemon_threads = True

    def __init__(
        self, folder: Path, host: str, port: int, environment: Mapping[str, str], desk: Desk | None = None
    ) -> None:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}")
        self.folder, self.environment, self.host, self.desk = folder, environment, host.strip("[]").lower(), desk
        if desk is not None and self.host not in LOOPBACK:
            raise UserError(f"reviews are served on this machine alone, not on {host}", "leave --host out")
        self.lines: dict[str, tuple[Files, Listed]] = {}
        if ":" in self.host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((self.host, port), Handler)
        except OSError as failure:
            taken = failure.errno in (errno.EADDRINUSE, errno.EACCES)
            hint = "name another --port" if taken else "name an address of this machine: --host 127.0.0.1"
            raise UserError(f"{host}:{port} cannot be listened on: {failure.strerror}", hint) from None
        except UnicodeError:
            raise UserError(f"{host!r} is no host", "name an address of this machine: --host 127.0.0.1") from None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away before it was answered is no error; what else there is, is told in a line."""
        failure = sys.exception()
        if not isinstance(failure, ConnectionError | TimeoutError):
            told = printable(f"a page could not be made: {type(failure).__name__}: {failure}")[:300]
            with suppress(OSError):
                sys.stderr.write(f"{told}\n")

    def server_close(self) -> None:
        super().server_close()
        if self.desk is not None:
            self.desk.close()

    def answer(self, address: str) -> tuple[int, str]:
        """The page of an address."""
        reply = self.reply(address)
        return reply.status, reply.text

    def reply(self, address: str) -> Reply:
        known = traces_in(self.folder)
        try:
            path, given = address_parts(address)
        except ValueError:
            return Reply(400, page("message.html", "This is no address", message="The list has what there is."))
        try:
            if path == "/review" and self.desk is not None and given.get("t") in known:
                return self.review(self.desk, known[given["t"]], given)
            return Reply(*self.shown(path, given, known))
        except (UserError, ProgramError) as failure:
            return Reply(422, page("message.html", "This cannot be shown", message=str(failure)))
        except OSError as failure:
            told = system_error(failure, given.get("t") or self.folder, "read").message
            return Reply(422, page("message.html", "This cannot be shown", message=told))

    def review(self, desk: Desk, path: Path, given: Mapping[str, str]) -> Reply:
        """The steps of a trace that can be reviewed, or the page of one."""
        sheet = desk.sheet(given)
        if not sheet.step:
            title = f"Review {sheet.trace}"
            steps, rows = desk.steps(path), sheet.rows
            return Reply(
                200, page("review_steps.html", title, "rlm-dsl serve --review", t=sheet.trace, steps=steps, rows=rows)
            )
        shell = desk.shell(sheet, path)
        return Reply(200, review_page(sheet=sheet.query, shell=shell, token=desk.token(sheet)), own="review")

    def written(self, address: str, token: str, body: bytes) -> Reply:
        """What a review's page asks, with the token that it was made with."""
        try:
            path, given = address_parts(address)
        except ValueError:
            return told(400, "this is no address")
        known = traces_in(self.folder)
        if self.desk is None or path != "/review" or given.get("t") not in known:
            return told(404, "there is no such review")
        try:
            sheet = self.desk.sheet(given)
            if not hmac.compare_digest(self.desk.token(sheet).encode(), token.encode("utf-8", "replace")):
                return told(403, "this page is of another server that has ended: load it again, nothing kept is lost")
            asked = json.loads(body)
            if not isinstance(asked, dict):
                return told(400, "this is nothing that a review's page asks")
            return Reply(200, json.dumps(self.desk.asked(sheet, known[given["t"]], asked)), JSON)
        except (UserError, ProgramError) as failure:
            hint = failure.hint if isinstance(failure, UserError) else ""
            message = failure.message if isinstance(failure, UserError) else str(failure)
            return told(422, "; ".join(filter(None, (message, hint))))
        except OSError as failure:
            return told(422, system_error(failure, None, "written").message)
        except (ValueError, RecursionError):
            return told(400, "this is nothing that a review's page asks")

    def shown(self, path: str, given: Mapping[str, str], known: Mapping[str, Path]) -> tuple[int, str]:
        """The pages that only show."""
        match path:
            case "/":
                return 200, self.listed(known)
            case "/view" if given.get("t") in known:
                return 200, page_of(known[given["t"]], self.environment)
            case "/diff" if given.get("a") in known and given.get("b") in known:
                with open_trace(known[given["a"]]) as a, open_trace(known[given["b"]]) as b:
                    found = diff(a, b)
                names = given["a"], given["b"]
                return 200, diff_page(found, summarize_difference(found), "rlm-dsl serve", names, "/")
            case _:
                return 404, page("message.html", NO_SUCH, message="The list has what there is.")

    def listed(self, known: Mapping[str, Path]) -> str:
        found = [self.line(name, path) for name, path in list(known.items())[:MOST]]
        title = f"{counted(len(known), 'trace')} in {self.folder.resolve().name or self.folder}"
        return page(
            "list.html",
            title,
            "rlm-dsl serve",
            runs=sorted(found, key=lambda each: each.created, reverse=True),
            left_out=max(0, len(known) - MOST),
            reviewing=self.desk is not None,
        )

    def line(self, name: str, path: Path) -> Listed:
        """A trace's line in the list, looked at again where a file of it has changed."""
        files = files_of(path)
        held = self.lines.get(name)
        if held is None or held[0] != files:
            held = self.lines[name] = (files, listed(path, name))
        return held[1]


def page_of(path: Path, environment: Mapping[str, str]) -> str:
    """The page of a run, finished or not, or of an optimization's record."""
    with open_trace(path, unfinished=True, changed=True) as trace:
        if trace.finished and trace.header.get("schema") == OPTIMIZATION:
            return optimization_page(trace.json(REPORT), "rlm-dsl serve")
        return run_page(run_view(trace, {}, environment), "rlm-dsl serve", "/")


JSON = "application/json"


def address_parts(address: str) -> tuple[str, dict[str, str]]:
    """Path and query of an address. Raises ValueError."""
    parts = urlsplit(address)
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query, max_num_fields=10).items()}


def told(status: int, message: str) -> Reply:
    """What is wrong, as a page's script reads it."""
    return Reply(status, json.dumps({"error": message}), JSON)


class Handler(BaseHTTPRequestHandler):
    """One request. A page of another site cannot reach this one by a name of its own: the Host must be ours."""

    server: Serving
    server_version, sys_version = "rlm-dsl", ""
    timeout = PATIENCE

    def do_HEAD(self) -> None:
        """What GET says, without the page."""
        self.do_GET()

    def do_GET(self) -> None:
        if not self.is_ours():
            return self.reply(Reply(403, f"<p>This is served to {escape(self.server.host)} alone.</p>"))
        return self.reply(self.server.reply(self.path))

    def do_POST(self) -> None:
        """Write for a review's page: of this very address, as its browser says, with its token, as JSON."""
        self.close_connection = True
        if self.server.desk is None:
            return self.send_error(501)
        length = self.headers.get("Content-Length", "")
        origin, host = self.headers.get("Origin", ""), self.headers.get("Host", "")
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        if not self.is_ours() or origin != f"http://{host}" or site != "same-origin":
            return self.reply(told(403, "only pages of this server may write"))
        if self.headers.get("Content-Type", "").partition(";")[0].strip() != JSON:
            return self.reply(told(415, "a review's page sends JSON"))
        if not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > LARGEST:
            return self.reply(told(413, "this is more than a review's page sends"))
        token = self.headers.get("X-Review-Token", "")
        return self.reply(self.server.written(self.path, token, self.rfile.read(int(length))))

    def is_ours(self) -> bool:
        """Whether the request names this server as it was told."""
        given = self.headers.get_all("Host") or []
        match = HOST.fullmatch(given[0].strip()) if len(given) == 1 else None
        if match is None:
            return False
        allowed = {self.server.host, *(LOOPBACK if self.server.host in LOOPBACK else ())}
        named = (match[1] or match[2]).lower().removesuffix(".").encode("utf-8", "replace")
        every = self.server.host in ("", "0.0.0.0", "::")
        return every or any(hmac.compare_digest(named, each.encode()) for each in allowed)

    def reply(self, reply: Reply) -> None:
        content = reply.text.encode("utf-8", "backslashreplace")
        self.send_response(reply.status)
        for name, value in (
            ("Content-Type", reply.kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", policy(reply.own) + "; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Addresses are nobody's business."""
