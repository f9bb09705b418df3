"""Attempts on a played clock: how often, how long between them, and when they end."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.protocol import Attempt, ModelUnavailable, RequestRefused
from rlm_dsl.models.request import ERROR, REJECTED, Answer, Message, ModelSettings, Request
from rlm_dsl.models.retry import FIRST_WAIT, LONGEST_WAIT, Retrying
from rlm_dsl.models.settings import Limits
from tests.support.played_server import Play, PlayedServer, Way, request
from tests.support.played_time import PlayedLoop, played

TYPED = Request(ModelSettings("m", "u"), (Message("user", "a"),), {"type": "object"})


def tried(plays: list[Play], draw: float = 1.0, asked: Request = TYPED, **more: Any) -> tuple[list[float], Any, float]:
    """When each attempt was sent, what came of them, and how long it took."""
    servers: list[PlayedServer] = []

    async def work(loop: PlayedLoop) -> Answer:
        servers.append(PlayedServer(loop, plays))
        return await Retrying(servers[0], asyncio.sleep, lambda: draw, **more).answer(asked)

    result, took = played(work)
    return [sent.at for sent in servers[0].sent], result, took


def test_waits_double_up_to_the_longest_and_are_drawn() -> None:
    broken = Play("failed", 0.0)
    at, result, _ = tried([broken])
    waits = [FIRST_WAIT * 2**n for n in range(6)] + [LONGEST_WAIT]
    assert [later - earlier for earlier, later in pairwise(at)] == waits
    assert isinstance(result, ModelUnavailable) and str(result).startswith("played: failed")
    at, _, took = tried([broken], 0.0)
    assert at == [0.0] * 8 and took == 0.0
    at, result, took = tried([broken, broken, Play()], 0.5)
    assert at == [0.0, 0.25, 0.75] and isinstance(result, Answer) and took == 1.75


def test_a_server_is_not_asked_before_the_time_that_it_names() -> None:
    at, result, _ = tried([Play("busy", 0.0, 7.0), Play("failed", 0.0, 0.1), Play()])
    assert at == [0.0, 7.0, 8.0] and isinstance(result, Answer)


@pytest.mark.parametrize(("kind", "attempts"), [
    ("failed", 8), ("unreachable", 4), ("late", 8), ("refused", 1),
])  # fmt: skip
def test_so_many_attempts_fail_and_no_more(kind: str, attempts: int) -> None:
    at, result, _ = tried([Play(kind, 0.0)], asked=request(0))
    assert len(at) == attempts and isinstance(result, ModelUnavailable | RequestRefused)
    at, result, _ = tried([Play(kind, 0.0)] * (attempts - 1) + [Play()], asked=request(0))
    assert isinstance(result, Answer) and len(at) == attempts
    assert len(tried([Play("failed", 0.0)], attempts=3)[0]) == 3


def test_being_asked_too_much_is_no_failure_and_waits_as_long_as_patience_lasts() -> None:
    at, result, took = tried([Play("busy", 0.0, 10.0)], 0.0)
    assert len(at) == 13 and took == 120.0, "twelve waits of ten seconds are as long as patience lasts"
    assert isinstance(result, ModelUnavailable)
    assert tried([Play("busy", 0.0, 121.0)])[2] == 0.0, "a wait that is longer is not begun"
    assert len(tried([Play("busy", 0.0, 5.0)], 0.0, patience=10.0)[0]) == 3


def test_a_row_that_a_server_refuses_is_answered_by_its_words() -> None:
    class Refusing:
        def __init__(self, code: str) -> None:
            self.code = code

        async def answer(self, request: Request) -> Answer:
            raise Attempt(RequestRefused("no", code=self.code), again=False)

    def said(code: str, asked: Request) -> Any:
        async def work(loop: PlayedLoop) -> Answer:
            return await Retrying(Refusing(code), asyncio.sleep, lambda: 1.0).answer(asked)

        return played(work)[0]

    assert said("row", TYPED) == Answer("no", finish=ERROR)
    assert said("request", TYPED) == Answer("no", finish=REJECTED)
    for code, asked in (("key", TYPED), ("row", request(0)), ("request", request(0))):
        assert isinstance(said(code, asked), RequestRefused)


def silent(rows: int, delay: float, kind: str = "late", limits: Limits | None = None) -> tuple[Way, Any, float]:
    ways: list[Way] = []

    async def work(loop: PlayedLoop) -> None:
        ways.append(Way(loop, limits or Limits(), [Play(kind, delay)], ceiling=16))
        await ways[0].ask([request(number) for number in range(rows)])

    result, took = played(work)
    return ways[0], result, took


@pytest.mark.parametrize("rows", [1, 16, 300])
@pytest.mark.parametrize("kind", ["late", "unreachable"])
def test_a_server_that_answers_nothing_ends_the_run_within_minutes(rows: int, kind: str) -> None:
    way, result, took = silent(rows, 120.0, kind)
    assert isinstance(result, ModelUnavailable) and took < 500.0
    assert len(way.server.sent) <= (4 if rows == 1 else 5 * 16 if kind == "unreachable" else 16 + 16 + 8 + 4 + 2)
    assert way.spending.calls == sum(each.ended in ("late", "interrupted") for each in way.server.sent)


def test_a_server_that_answers_nothing_quickly_ends_by_its_attempts() -> None:
    _, result, took = silent(300, 0.5)
    assert isinstance(result, ModelUnavailable) and took < 310.0


@given(st.integers(1, 80), st.integers(2, 8))
def test_a_server_that_is_too_slow_for_many_at_once_is_asked_for_fewer(rows: int, able: int) -> None:
    """One that answers the slower the more ask at once, and nobody in time, is narrowed down to what it can."""
    ways: list[Way] = []

    async def work(loop: PlayedLoop) -> None:
        way = Way(loop, Limits(), [Play()], ceiling=16)
        ways.append(way)
        flying = [0]

        class Shared:
            async def answer(self, request: Request) -> Answer:
                flying[0] += 1
                try:
                    takes = 50.0 * flying[0] / able
                    await asyncio.sleep(min(takes, 120.0))
                    if takes > 120.0:
                        raise Attempt(ModelUnavailable("late"), again=True, billed=True, narrow=True)
                    return Answer("a")
                finally:
                    flying[0] -= 1

        way.server.answer = Shared().answer  # type: ignore[method-assign]
        await way.ask([request(number) for number in range(rows)])

    result, _ = played(work)
    assert result is None and len(ways[0].answered) == rows and ways[0].pace.failing_since is None
