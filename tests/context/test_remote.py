"""Files that lie elsewhere, on real servers on loopback: what is read is what lies there, and no one else is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files import remote
from rlm_dsl.context.files.find import find
from rlm_dsl.context.loading import load
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.testing import serve
from tests.context.test_stored import same
from tests.support.commands import command
from tests.support.contexts import cells, column
from tests.support.optional import needs
from tests.support.ranges_server import RangesServer, ranges_server

SECRET = "a-secret-that-no-trace-may-hold"
PROGRAM = "answer {all: t | sum(n), rows: t | where(n == 2)}"


@pytest.fixture(scope="module")
def object_server() -> Iterator[str]:
    """An S3 server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """A bucket of the test's own, with the credentials for it in the environment."""
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIATESTTESTTEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": object_server,
    }.items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.nodeid))}"
    boto3.client("s3", endpoint_url=object_server, region_name="us-east-1").create_bucket(Bucket=name)
    return boto3.resource("s3", endpoint_url=object_server, region_name="us-east-1").Bucket(name)


@needs("obstore", "moto")
def test_a_table_from_object_storage_is_asked_run_verified_and_run_again(bucket: Any, tmp_path: Path) -> None:
    """Credentials reach no trace; a trace alone makes no connection; a changed object is told."""
    at = f"s3://{bucket.name}/data"
    bucket.put_object(Key="data/2026-10.csv", Body=b"n\n1\n")
    bucket.put_object(Key="data/2026-11.csv", Body=b"n\n2\n")
    bucket.put_object(Key="data/readme.txt", Body=b"x")
    trace = tmp_path / "a.trace"
    result = rlm_dsl.run(PROGRAM, {"t": f"{at}/2026-*.csv"}, trace=trace)
    assert result.value["all"] == 3 and result.value["rows"][0]["path"] == "2026-11.csv"
    assert result.evidence[-1].spans[0].source == f"{at}/2026-11.csv"
    assert all(SECRET.encode() not in file.read_bytes() for file in trace.rglob("*") if file.is_file())
    report = rlm_dsl.verify(trace)
    assert not report.ok and "a trace alone makes no connection" in str(report)
    assert rlm_dsl.verify(trace, {"t": f"{at}/2026-*.csv"}).ok
    bucket.put_object(Key="data/2026-12.csv", Body=b"n\n5\n")
    again = rlm_dsl.rerun(trace, {"t": f"{at}/2026-*.csv"}, to=tmp_path / "b.trace")
    assert again.result.value["all"] == 8
    with pytest.raises(UserError, match="a trace alone makes no connection"):
        rlm_dsl.rerun(trace, to=tmp_path / "c.trace")
    assert not rlm_dsl.verify(trace, {"t": f"{at}/2026-*.csv"}).ok
    with serve(script=["```\nanswer t | sum(n)\n```"]) as model:
        asked = rlm_dsl.ask(
            "How many?", {"t": f"{at}/2026-*.csv"}, model="m", base_url=model.base_url, trace=tmp_path / "d.trace"
        )
    assert asked.value == 8 and rlm_dsl.verify(tmp_path / "d.trace", {"t": f"{at}/2026-*.csv"}).ok
    assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    (tmp_path / "p.rlm").write_text(PROGRAM)
    ran = command(tmp_path, "run", "p.rlm", "--context", f"t:csv={at}/")
    assert ran.code == 0 and "all = 8" in ran.out, ran.err
    kept = command(tmp_path, "load", f"t:csv={at}/")
    assert kept.code == 0 and "3 rows" in kept.out, kept.err


@needs("obstore", "moto")
def test_a_kept_context_knows_that_an_object_changed(bucket: Any, tmp_path: Path) -> None:
    for month in (1, 2):
        bucket.put_object(Key=f"d/{month}.csv", Body=f"n\n{month}\n".encode())
    kept, at = tmp_path / "t.rlmctx", f"s3://{bucket.name}/d/"
    store_context("t", at, kept)
    assert open_stored("t", kept).count == 2 and refresh_context(kept) == ("nothing changed", 0)
    bucket.put_object(Key="d/3.csv", Body=b"n\n3\n")
    assert refresh_context(kept)[1] == 1
    bucket.put_object(Key="d/1.csv", Body=b"n\n9\n")
    with pytest.raises(UserError, match="has other bytes than when it was loaded"):
        open_stored("t", kept)
    assert refresh_context(kept)[0].startswith("read again")
    same(open_stored("t", kept), load("t", at))


@needs("obstore", "moto")
def test_what_a_store_refuses_is_told_without_its_words(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="there is no s3://") as told:
        load("t", f"s3://{bucket.name}/none.csv")
    assert SECRET not in str(told.value) and "folder ends with /" in told.value.hint
    with pytest.raises(UserError, match="no file in s3://"):
        load("t", f"s3://{bucket.name}/none/*.csv")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"cannot be read: \w+Error") as told:
        load("t", f"s3://{bucket.name}/none.csv")
    assert "127.0.0.1" not in str(told.value)


@pytest.fixture
def server() -> Iterator[RangesServer]:
    with ranges_server() as held:
        yield held


def test_a_file_of_a_web_server_is_read_in_ranges(
    server: RangesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "WINDOW", 64)
    content = b"n,t\n" + b"".join(b"%d,some text\n" % n for n in range(100))
    server.files |= {"a.csv": content, "empty.csv": b"", "a b.log": b"x\ny\n"}
    context = load("t", f"{server.url}/a.csv")
    assert context.count == 100 and len([1 for _, wanted in server.asked if wanted]) > len(content) // 64
    result = rlm_dsl.run("answer t | where(n == 77)", {"t": f"{server.url}/a.csv"}, trace=tmp_path / "a.trace")
    assert result.evidence[0].spans[0].text == "77,some text"
    asked = len(server.asked)
    assert not rlm_dsl.verify(tmp_path / "a.trace").ok and len(server.asked) == asked
    assert rlm_dsl.verify(tmp_path / "a.trace", {"t": f"{server.url}/a.csv"}).ok
    assert load("t", f"{server.url}/a b.log").count == 2
    server.ranges = False
    assert cells(load("t", f"{server.url}/a.csv")) == cells(context)
    with pytest.raises(UserError, match=r"empty\.csv is empty"):
        load("t", f"{server.url}/empty.csv")


def test_no_other_server_is_spoken_to(server: RangesServer) -> None:
    with ranges_server() as other:
        other.files["a.csv"] = server.files["a.csv"] = b"n\n1\n"
        server.moved = {"out.csv": f"{other.url}/a.csv", "in.csv": f"{server.url}/a.csv"}
        assert column(load("t", f"{server.url}/in.csv"), "n") == [1]
        with pytest.raises(UserError, match="sends on to another server"):
            load("t", f"{server.url}/out.csv")
        assert not other.asked


def test_a_file_that_changes_while_it_is_read_is_refused(server: RangesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["a.log"] = b"x\n" * 500
    monkeypatch.setattr(remote, "WINDOW", 64)
    monkeypatch.setattr(remote, "AHEAD", 1)
    with remote.open_remote(f"{server.url}/a.log") as stream:
        stream.read(10)
        server.files["a.log"] = b"y\n" * 500
        with pytest.raises(UserError, match="was changed while it was read"):
            stream.read()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://user:pw-of-mine@host/a.csv", "was given with a user or password"),
        ("s3://key:pw-of-mine@bucket/a.csv", "was given with a user or password"),
        ("https://host/a.csv?X-Amz-Signature=pw-of-mine", "was given with a query"),
        ("http://host.example/a.csv", "is not encrypted"),
        ("https://host/*.csv", "does not list its files"),
    ],
)
def test_addresses_that_hold_secrets_or_cannot_be_trusted_are_refused(address: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        find(address)
    assert "pw-of-mine" not in str(caught.value)


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 220), st.integers(0, 90)), max_size=8))
def test_ranges_are_the_file(content: bytes, places: list[tuple[int, int]]) -> None:
    """Whatever is read of it, in whatever order."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "WINDOW", 16)
        patch.setattr(remote, "NEAR", 8)
        stream = remote.Ranges(len(content), lambda start, end: content[start:end], pool)
        assert stream.read() == content
        for at, size in places:
            stream.seek(at)
            held = bytearray(size)
            count = stream.readinto(held)
            assert held[:count] == content[at : at + count] and (count or at >= len(content) or not size)
        stream.seek(0)
        assert stream.read() == content


def test_a_trace_that_names_an_address_is_only_read(tmp_path: Path, server: RangesServer) -> None:
    """A stranger's header: doctor, cite and show make no connection either."""
    server.files["a.csv"] = b"n\n1\n"
    trace = tmp_path / "a.trace"
    rlm_dsl.run("answer t", {"t": f"{server.url}/a.csv"}, trace=trace)
    asked = len(server.asked)
    store_context("t", f"{server.url}/a.csv", tmp_path / "t.rlmctx")
    rlm_dsl.run("answer t", {"t": str(tmp_path / "t.rlmctx")}, trace=tmp_path / "b.trace")
    asked = len(server.asked)
    assert "a trace alone makes no connection" in str(rlm_dsl.verify(tmp_path / "b.trace"))
    for words in (["doctor", str(trace)], ["cite", str(trace)], ["show", str(trace)], ["verify", str(trace)]):
        command(tmp_path, *words)
    assert len(server.asked) == asked
    assert json.loads((trace / "trace.json").read_text())["contexts"][0]["given"] == f"{server.url}/a.csv"
