"""`serve`: who is answered, what a list tells of runs that are damaged or unfinished, browsers that leave."""

from __future__ import annotations

import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytest.importorskip("jinja2")

from rlm_dsl.report.server import Serving
from rlm_dsl.trace.listed import list_runs
from tests.support.commands import command
from tests.support.paths import ROOT


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[Serving]:
    with Serving(folder, host, 0, {}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: Serving, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, bytes]:
    connection = HTTPConnection(server.host, server.server_address[1])
    connection.request(method, path, headers={"Host": host})
    answered = connection.getresponse()
    return answered.status, answered.read()


def test_serve_reads_its_folder_alone_and_for_its_own_name(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "traces" / "oolong.trace", tmp_path / "one.trace")
    with serving(tmp_path) as served:
        assert get(served, "/")[0] == 200
        for path in ("/view?t=../one.trace", "/view?t=/etc", "/view", "/other", "/view?t=%00"):
            assert get(served, path)[0] == 404, path
        assert get(served, "/", "POST")[0] == get(served, "/", "DELETE")[0] == 501
        assert get(served, "http://[::1")[0] == get(served, "/view?" + "&".join(["t=a"] * 100))[0] == 400


OURS = ["127.0.0.1", "LOCALHOST:8765", "localhost.", "[::1]", "[::1]:8765", " 127.0.0.1:1 "]
NOT_OURS = ["evil.example", "\xe9vil.example", "", "[", "]", "[::1", "::1", "a@127.0.0.1", "127.0.0.1, evil", "\x00"]
NOT_OURS += ["127.0.0.1:80:80", "127.0.0.1:x", "evil.example:127.0.0.1", "127.0.0.1/", "a" * 60_000]


def test_serve_knows_its_names_and_a_browser_that_leaves_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """HEAD is GET without the page; whatever a Host header holds, it is answered."""
    with serving(tmp_path) as served:
        assert [get(served, "/", host=host)[0] for host in OURS] == [200] * len(OURS)
        assert [get(served, "/", host=host)[0] for host in NOT_OURS] == [403] * len(NOT_OURS)
        assert get(served, "/", "HEAD") == (200, b"") and get(served, "/none", "HEAD") == (404, b"")
        for sent in (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"GET / HTTP/1.1\r\nHo"):
            with socket.create_connection(("127.0.0.1", served.server_address[1])) as leaving:
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                leaving.sendall(sent)
        twice = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
        with socket.create_connection(("127.0.0.1", served.server_address[1])) as connection:
            connection.sendall(twice)
            assert connection.recv(1 << 16).startswith(b"HTTP/1.0 403")
        assert get(served, "/")[0] == 200
    assert capsys.readouterr().err == ""


def test_serve_and_view_tell_damaged_and_unfinished_runs_as_list_does(tmp_path: Path) -> None:
    for name in ("whole", "changed", "cut", "open"):
        shutil.copytree(ROOT / "traces" / "tickets.trace", tmp_path / f"{name}.trace")
    answer, header = tmp_path / "changed.trace" / "answer.json", tmp_path / "cut.trace" / "trace.json"
    sealed = answer.read_text()
    answer.write_text(sealed.replace("16", "17"))
    header.write_text(header.read_text()[:100])
    for name in ("seal.json", "answer.json", "plan.sql"):
        (tmp_path / "open.trace" / name).unlink()
    with Serving(tmp_path, "127.0.0.1", 0, {}) as served:
        shown = {row.split("/view?t=")[1].split(".trace")[0]: row for row in served.answer("/")[1].split("<tr>")[2:]}
        for each in list_runs(tmp_path):
            row = shown[each.path.removesuffix(".trace")]
            assert f">{each.state}</span>" in row and escape(each.why) in row and escape(each.answer) in row
            assert ("checkbox" in row) == (each.state == "answered")
        code, page = served.answer("/view?t=open.trace")
        assert code == 200 and "Unfinished" in page and "rlm-dsl resume" in page and "topics" in page
        assert served.answer("/view?t=cut.trace")[0] == 422
        assert "Does not verify" in served.answer("/view?t=changed.trace")[1]
        answer.write_text(sealed)  # a file that changes is looked at again
        assert "not as it was sealed" not in served.answer("/")[1]
    ran = command(tmp_path, "view", "open.trace", "--out", "open.html")
    assert (ran.code, ran.out) == (0, "open.html\n") and "not verified: it is unfinished" in ran.err
