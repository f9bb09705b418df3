"""The Batch API as a transport: the same answers, paid once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl import traces
from rlm_dsl.cli.render.estimate import estimate_text
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import retry
from rlm_dsl.models.batch_api import batches
from rlm_dsl.models.batch_api.results import read_results
from rlm_dsl.models.budget import Spending, estimate_round
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.prices import Price
from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.models.server.client import Endpoint
from rlm_dsl.models.settings import Limits
from rlm_dsl.report.step_view import step_views
from rlm_dsl.testing import serve
from rlm_dsl.trace.events import read_events
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import open_trace
from tests.support.processes import Process

GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(200)]
PROGRAM = 'answer log | classify(on=text, ["a", "b"], into=label, guide="Which?") | where(label == "a") | count()\n'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FIRST_POLL", 0.02)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)


def log(folder: Path, rows: int = 50) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    path, text = folder / "log.txt", "".join(f"text {n}\n" for n in range(rows))
    if not path.exists() or path.read_text() != text:  # another run may be reading it
        path.write_text(text)
    return {"log": path}


def ran(folder: Path, url: str, **more: Any) -> Any:
    given = {"batch": True, "budget": {"calls": 1_000, "tokens": 10**7}, **more}
    return rlm_dsl.run(PROGRAM, log(folder), model="m", base_url=url, store=str(folder / "s"), **given)


@pytest.mark.one_a_call
def test_a_batch_gives_the_same_answers_and_a_trace_that_verifies(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=0.1) as server:
        found = ran(tmp_path, server.base_url, trace=tmp_path / "t")
        assert found.value == 25 and found.spent.calls == 50 == server.calls and server.max_in_flight == 1
        assert rlm_dsl.verify(tmp_path / "t").ok
        plain = rlm_dsl.run(PROGRAM, log(tmp_path), model="m", base_url=server.base_url, store=str(tmp_path / "other"))
        assert plain.value == found.value and server.calls == 100


def test_what_a_batch_answers_is_priced_by_its_share_and_the_rest_in_full(tmp_path: Path) -> None:
    price = Price(1_000, 10_000, None, 0.25)
    with serve(gold=GOLD, batch_expires_after=30) as server:
        found = ran(tmp_path, server.base_url, trace=tmp_path / "t", price=price)
        calls = traces.sql(tmp_path / "t", "select prompt_tokens, completion_tokens, batch from attempts")[1]
    alone = [price.of(given, said) for given, said, by_batch in calls if not by_batch]
    shared = [price.of(given, said) / 4 for given, said, by_batch in calls if by_batch and given is not None]
    assert (len(alone), len(shared)) == (20, 30)
    assert found.spent.usd == pytest.approx(sum(alone) + sum(shared))
    assert rlm_dsl.verify(tmp_path / "t").ok
    with open_trace(tmp_path / "t") as trace:
        assert sum(view.usd or 0.0 for view in step_views(trace, {})) == pytest.approx(found.spent.usd)


def test_an_estimate_tells_the_price_by_batch_where_all_of_it_is_known() -> None:
    settings = [ModelSettings(name, "http://127.0.0.1/v1") for name in ("m", "other")]
    asked = [Request(each, (Message("user", "text"),), None) for each in settings]
    one, other = Price(1_000, 10_000, None, 0.25), Price(1, 2)
    known = estimate_round("s", 1, asked[:1], {"m": one}.get, batch=True)
    assert known.least_usd and known.by_batch == (known.least_usd / 4, (known.most_usd or 0) / 4)
    assert "as far as the Batch API answers" in estimate_text(known)
    assert estimate_round("s", 1, asked[:1], {"m": one}.get).by_batch is None
    assert estimate_round("s", 2, asked, {"m": one, "other": other}.get, batch=True).by_batch is None


def test_what_a_batch_does_not_answer_is_asked_in_the_ordinary_way(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_expires_after=30, at={"500": [3, 7], "off_schema": [9]}) as server:
        assert ran(tmp_path, server.base_url).value == 25
        assert server.calls == 50 + 2 + 1
    with serve(gold=GOLD, no_batches=True) as server:
        assert ran(tmp_path, server.base_url).value == 25 and server.calls == 50


def test_a_batch_is_paid_for_before_it_leaves(tmp_path: Path) -> None:
    with serve(gold=GOLD) as server:
        with pytest.raises(UserError, match="the budget of 100,000 tokens"):
            ran(tmp_path, server.base_url, budget={"tokens": 100_000})
        assert server.calls == 0
        few = {"max_completion_tokens": 50}
        assert ran(tmp_path, server.base_url, budget={"tokens": 100_000}, parameters=few).value == 25


def test_a_batch_under_way_is_taken_up_after_a_kill_and_not_paid_twice(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=1.0) as server:
        with Process(tmp_path, ran, tmp_path, server.base_url) as process:
            while not under_way(tmp_path / "s", server.base_url):
                assert process.running, process.ended()
                time.sleep(0.02)
            process.send(signal.SIGKILL)
            assert process.ended().code == -signal.SIGKILL
        assert ran(tmp_path, server.base_url).value == 25 and server.calls == 50


def under_way(store: Path, url: str) -> bool:
    """Whether a batch is written down that is known to be made."""
    if not store.exists():
        return False
    held = SqliteStore(store)
    try:
        return any(not batch.startswith(batches.UNMADE) for batch in held.batches(url))
    finally:
        held.close()


PASSING: dict[str, dict[str, Any]] = {
    "uploads": {"upload": ["502", "429", "drop"]},
    "polls": {"poll": ["502", "ok", "429", "drop", "500"]},
    "downloads": {"content": ["500", "429", "drop", "half"]},
    "no answer in time": {"upload": ["ok"], "poll": ["stall"], "content": ["stall"]},
    "a batch that is not made": {"create": ["502", "429"]},
    "a batch that is made, and nothing heard of it": {"create": ["drop"]},
    "a list that fails too": {"create": ["drop"], "list": ["502", "drop"]},
}


@pytest.mark.parametrize("trouble", PASSING)
def test_what_calls_survive_batches_survive(tmp_path: Path, trouble: str) -> None:
    with serve(gold=GOLD, batch_trouble=PASSING[trouble], batch_latency=0.1, retry_after=0.02) as server:
        seconds = 2.0 if "in time" in trouble else 60.0
        assert ran(tmp_path, server.base_url, timeout_seconds=seconds).value == 25
        assert server.calls == 50 and list(server.batches.values()) == ["completed"], "one batch, and nothing beside it"


SPOILS = {"cut": 1, "list": 0, "prose": 0, "stranger": 0, "no_text": 1, "half_line": 1, "twice": 0, "gone": 50}


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_is_wrong_with_a_file_costs_its_rows_only(tmp_path: Path, spoil: str) -> None:
    with serve(gold=GOLD, batch_spoils=[spoil]) as server:
        assert ran(tmp_path, server.base_url, trace=tmp_path / "t").value == 25
        assert server.calls == 50 + SPOILS[spoil] and rlm_dsl.verify(tmp_path / "t").ok
        (ended,) = told(tmp_path / "t", "batch.end")
        assert (ended["answers"], ended["unanswered"]) == (50 - SPOILS[spoil], SPOILS[spoil])
        assert ended.get("reason") == ("its file of answers is gone" if spoil == "gone" else None)
        lost = [call for call in told(tmp_path / "t", "call.end") if call["outcome"] == "failed"]
        assert [call["may_be_billed"] for call in lost] == [True] * SPOILS[spoil], "the server answered these"


OTHERWISE: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "expired": ({"batch_expires_after": 30}, "expired", None),
    "gone": ({"batch_trouble": {"poll": ["404"]}}, "gone", None),
    "failed": (
        {"batch_fails": "token_limit_exceeded: Enqueued token limit reached for m."},
        "failed",
        "Enqueued token limit reached for m. (token_limit_exceeded)",
    ),
    "no Batch API": (
        {"no_batches": True},
        "refused",
        "Unknown request URL: POST /v1/batches. (invalid_request_error, unknown_url)",
    ),
    "no files": (
        {"batch_trouble": {"upload": ["404"]}},
        "refused",
        "It is not there. (invalid_request_error, not_found)",
    ),
}


@pytest.mark.parametrize("case", OTHERWISE)
def test_a_batch_that_comes_to_nothing_is_told_and_its_rows_are_asked(tmp_path: Path, case: str) -> None:
    faults, outcome, reason = OTHERWISE[case]
    with serve(gold=GOLD, **faults) as server:
        assert ran(tmp_path, server.base_url, trace=tmp_path / "t").value == 25
        (ended,) = told(tmp_path / "t", "batch.end")
        assert ended["outcome"] == outcome and ended.get("reason") == reason
        calls = told(tmp_path / "t", "call.end")
        assert sum(call["outcome"] == "answered" for call in calls) == 50 == server.calls
        billed = [call["may_be_billed"] for call in calls if call["outcome"] == "failed"]
        assert set(billed) <= {case == "gone"} and rlm_dsl.verify(tmp_path / "t").ok
        store = SqliteStore(tmp_path / "s")
        assert not store.batches(server.base_url), "nothing waits for it any more"
        store.close()


@pytest.mark.parametrize(("reason", "words"), [
    ("insufficient_quota: You exceeded your current quota.", "is out of credits or quota"),
    ("invalid_api_key: Incorrect API key provided.", "refuses the key"),
])  # fmt: skip
def test_a_batch_that_fails_for_money_or_a_key_ends_the_run(tmp_path: Path, reason: str, words: str) -> None:
    with serve(gold=GOLD, batch_fails=reason) as server:
        with pytest.raises(UserError, match=words) as failure:
            ran(tmp_path, server.base_url)
        assert server.calls == 0 and reason.partition(": ")[2] in str(failure.value)


def test_a_cancelled_batch_is_asked_in_the_ordinary_way(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=30.0) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(ran, tmp_path, server.base_url)
        (batch,) = waited(lambda: list(server.batches))
        import openai

        openai.OpenAI(api_key="none", base_url=server.base_url).batches.cancel(batch)
        assert running.result().value == 25 and server.calls == 50


def test_a_batch_books_what_may_be_billed_and_nothing_else(tmp_path: Path) -> None:
    few = {"max_completion_tokens": 50}
    with serve(gold=GOLD, at={"500": [3, 7]}) as server:
        assert ran(tmp_path / "a", server.base_url, budget={"calls": 50}, parameters=few).value == 25
        assert server.calls == 52, "two were refused, which costs nothing"
    with serve(gold=GOLD, batch_spoils=["half_line"]) as server:
        with pytest.raises(UserError, match="the budget of 50 calls is used up"):
            ran(tmp_path / "b", server.base_url, budget={"calls": 50}, parameters=few)
        assert server.calls == 50
        assert ran(tmp_path / "b", server.base_url, budget={"calls": 1}, parameters=few).value == 25
    for fault, calls in (({"batch_expires_after": 30}, 50), ({"batch_fails": "x: y"}, 50), ({"no_batches": True}, 50)):
        with serve(gold=GOLD, **fault) as server:
            folder = tmp_path / str(len(server.base_url) + calls) / next(iter(fault))
            assert ran(folder, server.base_url, budget={"calls": calls}, parameters=few).value == 25


def test_a_budget_of_seconds_leaves_the_batch_to_the_next_run(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=1.5) as server:
        with pytest.raises(UserError, match="the batch batch-1 goes on, and the same command takes its answers"):
            ran(tmp_path, server.base_url, budget={"tokens": 10**7, "seconds": 0.5})
        assert server.calls == 0
        assert ran(tmp_path, server.base_url, budget={"calls": 0}).value == 25, "what is under way is paid for"
        assert server.calls == 50 and len(server.batches) == 1


def test_a_batch_that_was_asked_for_just_before_a_crash_is_found_by_its_file(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_trouble={"create": ["drop"] * 8, "list": ["502"] * 8}) as server:
        with pytest.raises(UserError, match=r"broke the connection|answers 502"):
            ran(tmp_path, server.base_url)
        assert len(server.batches) == 1 and server.calls == 0
        assert ran(tmp_path, server.base_url).value == 25
        assert len(server.batches) == 1 and server.calls == 50
    with serve(gold=GOLD, batch_trouble={"create": ["502"] * 8}) as server:
        with pytest.raises(UserError, match="answers 502"):
            ran(tmp_path / "other", server.base_url)
        assert not server.batches
        assert ran(tmp_path / "other", server.base_url).value == 25 and len(server.batches) == 1


def test_two_runs_that_ask_the_same_share_one_batch(tmp_path: Path) -> None:
    log(tmp_path)
    with serve(gold=GOLD, batch_latency=0.5) as server, ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(ran, tmp_path, server.base_url) for _ in range(2)]
        assert [run.result().value for run in runs] == [25, 25]
        assert server.calls == 50 and len(server.batches) == 1


def test_a_killed_run_is_resumed_within_its_budget_and_pays_once(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=1.0) as server:
        trace, few = tmp_path / "t.trace", {"max_completion_tokens": 50}
        more = {"budget": {"calls": 50}, "parameters": few, "trace": trace}
        with Process(tmp_path, ran, tmp_path, server.base_url, **more) as process:
            waited(lambda: under_way(tmp_path / "s", server.base_url))
            process.send(signal.SIGKILL)
            process.ended()
        found = rlm_dsl.resume(trace, store=str(tmp_path / "s"), batch=True)
        assert found.value == 25 and server.calls == 50 and len(server.batches) == 1 and rlm_dsl.verify(trace).ok
        ends = told(trace, "call.end")
        assert len(told(trace, "call.start")) == 50 == len(ends) and all(end["batch"] for end in ends)


LINE = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("custom_id"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["custom_id", "response", "status_code", "body", "error"]), inner, max_size=4)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@given(st.lists(st.binary(max_size=40) | LINE), st.lists(st.text("ab", min_size=1), unique=True), st.randoms())
def test_whatever_stands_in_a_file_its_good_lines_count(noise: list[bytes], keys: list[str], random: Any) -> None:
    good = [json.dumps({"custom_id": f"k{key}", "response": {"status_code": 200, "body": {"of": key}}}).encode()
            for key in keys]  # fmt: skip
    lines = [*noise, *good]
    random.shuffle(lines)
    found = read_results(b"\n".join(line.replace(b"\n", b"").replace(b"\r", b"") for line in lines))
    assert all(found[f"k{key}"].status == 200 and json.loads(found[f"k{key}"].body) == {"of": key} for key in keys)


def test_a_line_without_an_answer_tells_the_servers_words() -> None:
    def read(line: dict[str, Any]) -> tuple[int, str]:
        found = read_results(json.dumps({"custom_id": "k", **line}).encode())["k"]
        return found.status, found.words

    error = {"code": "batch_expired", "message": "It could not be done in time."}
    assert read({"response": None, "error": error}) == (0, "It could not be done in time. (batch_expired)")
    body = {"error": {"message": "No such model.", "code": None}}
    assert read({"response": {"status_code": 404, "body": body}, "error": None}) == (404, "No such model.")
    assert read({"response": {"status_code": 200, "body": "text"}}) == (200, "")
    assert read({"response": [1]})[0] == 0 and read({"response": {"status_code": "200", "body": {}}})[0] == 0
    twice = [{"custom_id": "k", "response": {"status_code": status, "body": {"n": n}}}
             for n, status in enumerate((500, 200, 200))]  # fmt: skip
    assert json.loads(read_results(b"\n".join(json.dumps(line).encode() for line in twice))["k"].body) == {"n": 1}


def told(trace: Path, kind: str) -> list[Any]:
    """The events of a kind in a trace's log."""
    return [event.content for event in read_events(trace / EVENTS) if event.type == kind]


def waited(found: Callable[[], Any]) -> Any:
    """What is there in the end."""
    until = time.monotonic() + 60
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://api.anthropic.com/v1", "has no Batch API"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "takes no upload"),
    ],
)
def test_nothing_is_uploaded_to_a_server_that_is_known_to_have_no_batches(url: str, words: str) -> None:
    class NoUpload:
        endpoint = Endpoint(url, None)

        async def upload(self, content: bytes) -> str:
            raise AssertionError("uploaded")

    log: list[tuple[str, Any]] = []
    store = SqliteStore(Path(":memory:"))
    spending = Spending(Limits(), lambda: 0.0)
    told_of = batches.Batches(
        NoUpload(),  # type: ignore[arg-type]
        store,
        spending,
        lambda model: None,
        lambda kind, fields: log.append((kind, fields)),
        lambda key: None,
    )
    asked = [Request(ModelSettings("m", url), (Message("user", str(number)),)) for number in range(3)]
    asyncio.run(told_of.submit("topics", asked))
    ((kind, fields),) = log
    assert kind == "batch.end" and fields["outcome"] == "refused" and words in fields["reason"]
    assert "one by one" in fields["reason"]
    store.close()


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_a_played_server_without_batches_is_asked_in_the_ordinary_way(name: str, tmp_path: Path) -> None:
    with serve(gold=GOLD, persona=name) as server:
        assert ran(tmp_path, server.base_url, trace=tmp_path / "t").value == 25
        assert [one["outcome"] for one in told(tmp_path / "t", "batch.end")] == ["refused"]
