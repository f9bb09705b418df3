"""A local page over a folder of traces: list, filter, look, compare two; where it is asked for, review.

In: a folder, an address. Out: pages. Law: only traces below the folder are read, by names in its own list, and none is
written; only GET is answered, and only to whoever names the address as it was told. With reviews labels are written,
beside the traces, on this machine alone: to a page of this server's own that shows the token it was made with.
"""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.compare.diff import diff
from rlm_dsl.report.pages import diff_page, page, policy, review_page, run_page
from rlm_dsl.report.run_view import run_view
from rlm_dsl.report.summary import summarize_difference
from rlm_dsl.report.values import as_text
from rlm_dsl.trace.reader import Trace, open_trace

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

    def __init__(
        self, folder: Path, host: str, port: int, environment: Mapping[str, str], desk: Desk | None = None
    ) -> None:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}")
        if desk is not None and host not in LOOPBACK:
            raise UserError(f"reviews are served on this machine alone, not on {host}", "leave --host out")
        self.folder, self.environment, self.host, self.desk = folder, environment, host, desk
        try:
            super().__init__((host, port), Handler)
        except OSError as failure:
            raise UserError(f"{host}:{port} cannot be listened on: {failure.strerror}", "name another --port") from None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away before it was answered is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        if self.desk is not None:
            self.desk.close()

    def answer(self, address: str) -> tuple[int, str]:
        """The page of an address."""
        reply = self.reply(address)
        return reply.status, reply.text

    def reply(self, address: str) -> Reply:
        known = traces_below(self.folder)
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
        known = traces_below(self.folder)
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
        except (ValueError, RecursionError):
            return told(400, "this is nothing that a review's page asks")

    def shown(self, path: str, given: Mapping[str, str], known: Mapping[str, Path]) -> tuple[int, str]:
        """The pages that only show."""
        match path:
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
                return 404, page("message.html", NO_SUCH, message="The list has what there is.")

    def listed(self, known: Mapping[str, Path]) -> str:
        traces = [summary(name, path) for name, path in list(known.items())[:MOST]]
        title = f"{counted(len(known), 'trace')} in {self.folder.name or self.folder}"
        return page(
            "list.html",
            title,
            "rlm-dsl serve",
            traces=traces,
            left_out=max(0, len(known) - MOST),
            reviewing=self.desk is not None,
        )


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
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0].strip("[]")
        allowed = {self.server.host, *(LOOPBACK if self.server.host in LOOPBACK else ())}
        every = self.server.host in ("0.0.0.0", "::")
        return every or any(hmac.compare_digest(host.encode(), each.encode()) for each in allowed)

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
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Addresses are nobody's business."""
