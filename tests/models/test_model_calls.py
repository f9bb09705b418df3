"""Model calls against a real HTTP server: faults, fallbacks, budget, store."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.language.answer_schema import json_schema, read_answer
from rlm_dsl.language.types import INT, TEXT, Enum, Field, ListOf, Nullable, Record
from rlm_dsl.models.attempts import Announced
from rlm_dsl.models.budget import Budgeted, Spending
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.cache.stored import Stored
from rlm_dsl.models.protocol import Attempt, BudgetExceeded, ModelUnavailable, RequestRefused
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.models.retry import Retrying
from rlm_dsl.models.server.client import Endpoint
from rlm_dsl.models.server.rate_limit import Pace, Paced
from rlm_dsl.models.settings import Limits
from rlm_dsl.models.typed_retry import ask_typed
from rlm_dsl.testing import serve
from tests.support.endless import answers_put
from tests.support.processes import Process

LABEL = Record((Field("label", Enum(("a", "b"))),))
GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(200)]


def request(base_url: str, text: str = "text 1", model: str = "m", **parameters: Any) -> Request:
    messages = (Message("system", "Choose."), Message("user", text))
    parameters = {"max_completion_tokens": 50, **parameters}
    return Request(ModelSettings(model, base_url, parameters=parameters), messages, json_schema(LABEL), purpose="step")


def answers(base_url: str, *requests: Request, key: str | None = None, **more: Any) -> list[Any]:
    """What a bare endpoint, or one behind `around`, says to each request at once."""
    around: Callable[[Endpoint], Any] = more.pop("around", lambda endpoint: endpoint)

    async def asked() -> list[Any]:
        endpoint = Endpoint(base_url, key, **more)
        try:
            model = around(endpoint)
            return await asyncio.gather(*(model.answer(r) for r in requests), return_exceptions=True)
        finally:
            await endpoint.close()

    return asyncio.run(asked())


def retrying(waits: list[float]) -> Callable[[Endpoint], Retrying]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return lambda endpoint: Retrying(endpoint, sleep, lambda: 1.0)


@pytest.mark.parametrize(
    "lacks",
    [
        {},
        {"no_json_schema": True},
        {"no_json_schema": True, "no_tools": True},
        {"no_response_format": True, "no_tools": True},
        {"no_max_completion_tokens": True},
        {"think": True},
        {"content_parts": True},
        {"no_usage": True, "odd_errors": True, "at": {"500": [1], "429": [2]}, "retry_after": 0},
    ],
    ids=str,
)
def test_a_typed_answer_comes_from_servers_of_every_ability(lacks: dict[str, Any]) -> None:
    with serve(gold=GOLD, **lacks) as server:
        asked = request(server.base_url), request(server.base_url, "text 2")
        first, second = answers(server.base_url, *asked, around=retrying([]))
        assert [read_answer(found.text, LABEL) for found in (first, second)] == [{"label": "b"}, {"label": "a"}]
        assert (first.prompt_tokens or 0) > 0 or lacks.get("no_usage")
        assert "rlm_dsl.testing" in first.model and first.finish == "stop"


def test_what_a_server_lacks_is_found_out_once() -> None:
    with serve(gold=GOLD, no_json_schema=True) as server:

        async def asked() -> None:
            endpoint = Endpoint(server.base_url, None)
            for n in range(5):
                await endpoint.answer(request(server.base_url, f"text {n}"))
            await endpoint.close()

        asyncio.run(asked())
        assert server.calls == 6


@pytest.mark.parametrize("fault", ["429", "500", "drop", "reset_midway", "not_json_body"])
def test_a_passing_fault_is_tried_again(fault: str) -> None:
    waits: list[float] = []
    with serve(gold=GOLD, at={fault: [1, 2]}, retry_after=7) as server:
        (found,) = answers(server.base_url, request(server.base_url), around=retrying(waits))
        assert json.loads(found.text) == {"label": "b"} and server.calls == 3
    assert waits == [7.0, 7.0] if fault == "429" else waits == [0.5, 1.0]


def test_a_lasting_fault_ends_after_so_many_attempts() -> None:
    waits: list[float] = []
    with serve(gold=GOLD, rate_500=1.0) as server:
        (found,) = answers(server.base_url, request(server.base_url), around=retrying(waits))
        assert isinstance(found, ModelUnavailable) and found.exit_code == 3 and server.calls == 8
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


def test_wrong_key_unknown_model_and_silence_are_each_told() -> None:
    with serve(gold=GOLD, key="right", models=["known"]) as server:
        url = server.base_url
        (wrong,) = answers(url, request(url), key="sk-wrong-key-1234567890")
        (unknown,) = answers(url, request(url, model="other"), key="right")
    assert isinstance(wrong, Attempt) and "refuses the key" in str(wrong) and "sk-wrong" not in str(wrong.error)
    assert isinstance(unknown, Attempt) and isinstance(unknown.error, RequestRefused) and "`other`" in str(unknown)
    with serve(gold=GOLD, latency=5.0) as server:
        (slow,) = answers(server.base_url, request(server.base_url), timeout_seconds=0.3)
    assert isinstance(slow, Attempt) and slow.billed and "did not answer in 0.3 s" in str(slow)
    with serve(gold=GOLD, rate_drop=1.0) as server:
        (broken,) = answers(server.base_url, request(server.base_url))
    assert isinstance(broken, Attempt) and broken.billed and "broke the connection" in str(broken)
    (unreached,) = answers(server.base_url, request(server.base_url))
    assert isinstance(unreached, Attempt) and not unreached.billed and "cannot be reached" in str(unreached)


@pytest.mark.parametrize("fault", ["malformed", "truncated", "off_schema", "empty"])
def test_an_answer_that_does_not_fit_is_asked_again_once(fault: str) -> None:
    read = lambda text: read_answer(text, LABEL)  # noqa: E731

    async def asked(url: str) -> Any:
        endpoint = Endpoint(url, None)
        try:
            return await ask_typed(endpoint, request(url), read)
        finally:
            await endpoint.close()

    with serve(gold=GOLD, at={fault: [1]}) as server:
        mended = asyncio.run(asked(server.base_url))
        assert mended.status == "ok" and mended.value == {"label": "b"} and len(mended.raw) == 2
        assert "That does not fit" in server.requests[1].body["messages"][-1]["content"]
    with serve(gold=GOLD, **{f"rate_{fault}": 1.0}) as server:
        assert asyncio.run(asked(server.base_url)).status == "invalid" and server.calls == 2
    with serve(gold=GOLD, rate_refusal=1.0) as server:
        assert asyncio.run(asked(server.base_url)).status == "refused" and server.calls == 1


def test_fenced_answers_are_read() -> None:
    with serve(gold=GOLD, rate_fenced=1.0) as server:
        (found,) = answers(server.base_url, request(server.base_url))
    assert read_answer(found.text, LABEL) == {"label": "b"}


def test_the_budget_is_exact_under_concurrency() -> None:
    with serve(gold=GOLD, latency=0.02) as server:
        spending = Spending(Limits(calls=50))
        found = answers(
            server.base_url,
            *(request(server.base_url, f"text {n}") for n in range(60)),
            around=lambda endpoint: Budgeted(endpoint, spending),
        )
        assert sum(isinstance(a, Answer) for a in found) == server.calls == spending.calls == 50
        assert sum(isinstance(a, BudgetExceeded) for a in found) == 10


def test_the_token_budget_is_never_passed_and_refunds_what_was_not_billed() -> None:
    with serve(gold=GOLD) as server:
        spending = Spending(Limits(tokens=1_000))
        found = answers(
            server.base_url,
            *(request(server.base_url, f"text {n}") for n in range(100)),
            around=lambda endpoint: Budgeted(endpoint, spending),
        )
        assert 0 < sum(isinstance(a, Answer) for a in found) < 100 and spending.tokens <= 1_000
    spending = Spending(Limits(calls=1))
    with serve(gold=GOLD, at={"429": [1, 2]}, retry_after=0) as server:
        (found,) = answers(
            server.base_url,
            request(server.base_url),
            around=lambda endpoint: retrying([])(Budgeted(endpoint, spending)),
        )  # type: ignore[arg-type]
        assert isinstance(found, Answer) and spending.calls == 1 and server.calls == 3


def test_every_attempt_is_announced_before_it_leaves_and_concurrency_is_bounded() -> None:
    log: list[tuple[str, Any]] = []
    with serve(gold=GOLD, latency=0.02, at={"500": [3]}) as server:
        answers(
            server.base_url,
            *(request(server.base_url, f"text {n}") for n in range(20)),
            around=lambda endpoint: Paced(
                Announced(endpoint, lambda kind, fields: log.append((kind, fields)), time.monotonic),
                Pace(4, time.monotonic),
            ),
        )
        assert server.max_in_flight <= 4
        kinds = [kind for kind, _ in log]
        assert kinds.count("call.start") == kinds.count("call.end") == server.calls == 20
    assert [fields["outcome"] for kind, fields in log if kind == "call.end"].count("failed") == 1


def test_the_store_keeps_whole_answers_and_one_request_a_key_is_in_flight(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite")
    with serve(gold=GOLD, latency=0.05) as server:
        same = [request(server.base_url) for _ in range(30)]
        found = answers(server.base_url, *same, around=lambda endpoint: Stored(endpoint, store))
        assert len({a.text for a in found}) == 1 and server.calls == 1
        answers(server.base_url, *same, around=lambda endpoint: Stored(endpoint, store))
        assert server.calls == 1
    with pytest.raises(ValueError):
        store.put(same[0], Answer("", refusal="no"))
    store.close()


def test_a_cancelled_asker_leaves_the_request_to_the_others(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite")

    async def asked(url: str) -> str:
        endpoint = Endpoint(url, None)
        stored = Stored(endpoint, store)
        first, second = (asyncio.ensure_future(stored.answer(request(url))) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        text = (await second).text
        await endpoint.close()
        return text

    with serve(gold=GOLD, latency=0.2) as server:
        assert json.loads(asyncio.run(asked(server.base_url))) == {"label": "b"} and server.calls == 1
    store.close()


def test_a_foreign_or_broken_file_is_no_store(tmp_path: Path) -> None:
    from rlm_dsl.common.diagnostics import UserError

    (tmp_path / "broken").write_bytes(b"no database at all, but long enough to be read as one" * 30)
    with pytest.raises(UserError, match="cannot be used"):
        SqliteStore(tmp_path / "broken")
    assert (tmp_path / "broken").exists()
    with sqlite3.connect(tmp_path / "foreign") as other:
        other.execute("CREATE TABLE t (a)")
    with pytest.raises(UserError, match="another program's"):
        SqliteStore(tmp_path / "foreign")


def killed_writers(folder: Path, times: int) -> None:
    """Writers killed at odd moments: every key that was acknowledged is in the store."""
    path = folder / "s.sqlite"
    acknowledged: list[str] = []
    for number in range(times):
        with Process(folder, answers_put, path, number) as process:
            lines = process.lines()
            acknowledged += islice(lines, 1 + number * 7 % 40)
            process.send(signal.SIGKILL)
            acknowledged += (line for line in lines if len(line) == 64)
            assert process.ended().code == -signal.SIGKILL
    store = SqliteStore(path)
    assert set(store.held(acknowledged)) == set(acknowledged) and len(acknowledged) > times
    store.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    killed_writers(tmp_path, 5)


@pytest.mark.proof
def test_what_was_acknowledged_survives_200_kills(tmp_path: Path) -> None:
    killed_writers(tmp_path, 200)


def test_types_and_schemas_agree() -> None:
    import jsonschema

    type_ = Record(
        (Field("a", Nullable(INT)), Field("b", ListOf(Record((Field("c", TEXT),)))), Field("d", Enum(("x", "Y"))))
    )
    schema = json_schema(type_)
    good = {"a": None, "b": [{"c": "t"}], "d": "x"}
    jsonschema.validate(good, schema)
    assert read_answer(json.dumps(good), type_) == good
    assert read_answer('{"a": 1, "b": [], "d": " y "}', type_)["d"] == "Y"
    for bad in (
        {"a": 1.5, "b": [], "d": "x"},
        {"a": 1, "b": [{}], "d": "x"},
        {"a": 1, "b": [], "d": "z"},
        {"a": 1},
        [],
        "x",
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
        with pytest.raises(Exception, match="answer"):
            read_answer(json.dumps(bad), type_)
    for words in ('{"a": NaN, "b": [], "d": "x"}', "not json", "", '{"a": true, "b": [], "d": "x"}'):
        with pytest.raises(Exception, match="answer"):
            read_answer(words, type_)


@given(
    st.text(), st.text(), st.dictionaries(st.text("abc"), st.none() | st.integers() | st.text() | st.floats(-9, 9)),
    st.none() | st.just(json_schema(LABEL)), st.integers(0, 3), st.integers(0, 2), st.sampled_from(["", "answer 1"]),
)  # fmt: skip
def test_a_key_is_over_the_canonical_form_of_the_whole(
    model: str, text: str, parameters: Any, schema: Any, sample: int, explore: int, program: str
) -> None:
    settings = ModelSettings(model, "u\u00e9", parameters=parameters)
    messages = (Message("system", text), Message("user", text[::-1]))
    asked = Request(settings, messages, schema, sample, "step", explore, program)
    assert asked.key == identity("call-v1", without_floats(asked.as_json()))


def test_a_request_key_leaves_nothing_out_that_matters() -> None:
    base = request("http://x/v1")
    others = [
        request("http://y/v1"),
        request("http://x/v1", "text 2"),
        request("http://x/v1", model="n"),
        request("http://x/v1", temperature=0.5),
        request("http://x/v1", anything_new=1),
        Request(base.settings, base.messages, None),
        Request(base.settings, base.messages, base.schema, sample=1),
    ]
    assert len({base.key, *(other.key for other in others)}) == 1 + len(others)
    assert Request(base.settings, base.messages, base.schema, purpose="elsewhere").key == base.key
