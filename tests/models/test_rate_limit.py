"""A server's gate on a played clock: width, holds, rates, silence."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.budget import Budgeted
from rlm_dsl.models.protocol import Attempt, ModelUnavailable
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.retry import Retrying
from rlm_dsl.models.server.one_ahead import OneAhead
from rlm_dsl.models.server.rate_limit import FIRST, LONGEST_HOLD, SILENCE, Pace, Paced, Rate, span
from rlm_dsl.models.settings import Limits
from tests.support.played_server import Play, PlayedServer, QueueingServer, Way, request
from tests.support.played_time import PlayedLoop, played


def pace(loop: PlayedLoop, ceiling: int = 64, *rates: int | None) -> Pace:
    return Pace(ceiling, loop.time, *rates)


def left_at(ceiling: int, tokens: list[int], *rates: int | None, lasts: float = 1.0) -> tuple[list[float], int]:
    """When each request left, asked for all at once; and the most that were in flight."""
    left: list[float] = []
    most = [0]

    async def work(loop: PlayedLoop) -> None:
        gate = pace(loop, ceiling, *rates)

        async def one(amount: int) -> None:
            async with gate.leave(amount) as at:
                left.append(at)
                most[0] = max(most[0], gate.flying)
                await asyncio.sleep(lasts)

        await asyncio.gather(*map(one, tokens))
        assert gate.flying == 0

    assert played(work)[0] is None
    return left, most[0]


def test_no_more_are_in_flight_than_the_width() -> None:
    assert left_at(3, [1] * 7) == ([0.0] * 3 + [1.0] * 3 + [2.0], 3)
    assert left_at(64, [1] * 20)[1] == FIRST == 16
    assert left_at(1, [1] * 3) == ([0.0, 1.0, 2.0], 1)


def test_a_rate_says_how_long_to_wait() -> None:
    now = [0.0]
    rate = Rate(10, lambda: now[0])
    assert rate.wait(10) == 0.0 and rate.wait(99) == 0.0, "more than a minute's worth goes alone"
    rate.take(4)
    now[0] = 5.0
    rate.take(6)
    assert rate.wait(1) == 55.0 and rate.wait(4) == 55.0 and rate.wait(5) == 60.0 and rate.wait(99) == 60.0
    now[0] = 59.0
    assert rate.wait(4) == 1.0 and rate.sum == 10
    now[0] = 60.0
    assert rate.wait(4) == 0.0 and rate.sum == 6 and rate.wait(5) == 5.0
    now[0] = 65.0
    assert rate.wait(10) == 0.0 and rate.sum == 0 and not rate.taken
    free = Rate(None, lambda: now[0])
    free.take(10**9)
    assert free.wait(10**9) == 0.0 and not free.taken and free.sum == 0


def test_the_width_grows_by_one_an_answer_until_strained_then_by_one_a_window() -> None:
    loop = PlayedLoop()
    gate = pace(loop, 20)
    assert gate.width == 16.0 and pace(loop, 4).width == 4.0
    for width in (17.0, 18.0, 19.0, 20.0, 20.0):
        gate.well()
        assert gate.width == width
    loop.now = 1.0
    gate.slow(0.5, None)
    assert gate.width == 10.0 and gate.held_until == 0.0
    gate.slow(1.0, None)
    assert gate.width == 10.0, "what left before that was known says nothing new"
    gate.well()
    assert gate.width == 10.1
    gate.slow(1.5, 3.0)
    assert gate.width == 5.05 and gate.held_until == 4.0
    gate.slow(1.0, 2.0)
    assert gate.held_until == 4.0, "a hold is never shortened"
    gate.slow(1.0, 1_000.0)
    assert gate.held_until == 1.0 + LONGEST_HOLD
    for at in range(2, 9):
        loop.now = float(at)
        gate.slow(at - 0.5, 0.0)
    assert gate.width == 1.0 and gate.held_until == 1.0 + LONGEST_HOLD
    loop.close()


def test_what_a_server_says_holds_everybody_back() -> None:
    async def work(loop: PlayedLoop) -> float:
        gate = pace(loop)
        gate.slow(0.0, 5.0)
        async with gate.leave(1) as at:
            return at

    assert played(work) == (5.0, 5.0)


@pytest.mark.parametrize(("headers", "until"), [
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}, 12.0),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "500ms"}, 10.5),
    ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "2s"}, 0.0),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 70.0),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0.0),
    ({"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "2s"}, 0.0),
    ({"x-ratelimit-reset-requests": "2s"}, 0.0),
    ({}, 0.0),
])  # fmt: skip
def test_counts_in_headers_hold_requests_back(headers: dict[str, str], until: float) -> None:
    loop = PlayedLoop()
    loop.now = 10.0
    gate = pace(loop)
    gate.heard(headers)
    assert gate.held_until == until
    gate.held_until = 99.0
    gate.heard(headers)
    assert gate.held_until == 99.0
    loop.close()


@pytest.mark.parametrize(("text", "seconds"), [
    ("1s", 1.0), ("20ms", 0.02), ("6m0s", 360.0), ("1h2m3s", 3_723.0), ("1.5s", 1.5), ("7", 7.0), ("0.25", 0.25),
    ("soon", 0.0), ("", 0.0),
])  # fmt: skip
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == seconds


def test_a_server_that_gives_nothing_is_given_up_after_a_silence() -> None:
    loop = PlayedLoop()
    gate = pace(loop)
    assert not gate.failed(50.0) and not gate.failed(50.0 + SILENCE - 0.1) and gate.failed(50.0 + SILENCE)
    gate.well()
    assert gate.failing_since is None and not gate.failed(400.0) and not gate.failed(401.0)
    loop.close()


@pytest.mark.parametrize(("kind", "width", "again", "since"), [
    ("answered", 17.0, None, None),
    ("busy", 8.0, True, None),
    ("late", 8.0, True, 0.0),
    ("failed", 16.0, True, 0.0),
    ("unreachable", 16.0, True, 0.0),
    ("refused", 16.0, False, None),
])  # fmt: skip
def test_how_an_attempt_went_changes_the_pace(kind: str, width: float, again: bool | None, since: float | None) -> None:
    gates: list[Pace] = []

    async def work(loop: PlayedLoop, at: float = 0.0, silent: float | None = None) -> Answer:
        loop.now = at
        gate = pace(loop)
        gate.failing_since = silent
        gates.append(gate)
        return await Paced(PlayedServer(loop, [Play(kind)]), gate).answer(request(0))

    result, _ = played(work)
    gate = gates[-1]
    assert (gate.width, gate.failing_since, gate.flying) == (width, since, 0)
    assert isinstance(result, Answer) if again is None else isinstance(result, Attempt) and result.again == again
    result, _ = played(lambda loop: work(loop, SILENCE, 0.0))
    if kind in ("late", "failed", "unreachable"):
        assert isinstance(result, Attempt) and not result.again and result.billed == (kind != "unreachable")
        assert isinstance(result.error, ModelUnavailable)
    elif kind == "busy":
        assert isinstance(result, Attempt) and result.again


def test_whoever_stops_waiting_for_a_place_takes_none() -> None:
    async def work(loop: PlayedLoop) -> list[float]:
        gate, left = pace(loop, 1), []

        async def one(asked: Request) -> None:
            async with gate.leave(1) as at:
                left.append(at)
                await asyncio.sleep(1.0)

        tasks = [asyncio.ensure_future(one(request(number))) for number in range(4)]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.flying == 0
        return left

    assert played(work) == ([0.0, 0.5, 1.5], 2.5)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 12), st.integers(100, 400),
       st.integers(1, 40))  # fmt: skip
def test_rates_hold_within_any_minute_and_waste_nothing(
    tokens: list[int], requests: int, most: int, ceiling: int
) -> None:
    left, _ = left_at(ceiling, tokens, requests, most, lasts=0.0)
    # Requests leave in the order in which they asked where none lasts, so that these are their tokens.
    taken = list(zip(left, tokens, strict=True)) if ceiling == 1 else [(at, 1) for at in left]
    for at in left:
        window = [amount for when, amount in taken if at <= when < at + 60.0]
        assert len(window) <= requests and (ceiling > 1 or sum(window) <= most or len(window) == 1)
    assert len(left) == len(tokens)


@pytest.mark.parametrize("drops", [True, False])
@pytest.mark.parametrize(
    ("slots", "seconds"), [(1, 0.5), (1, 1.5), (1, 3.9), (2, 0.5), (2, 1.5), (2, 3.5), (8, 3.0), (16, 1.0)]
)
def test_a_server_that_queues_is_asked_for_what_it_answers_in_time(slots: int, seconds: float, drops: bool) -> None:
    """60 rows, 16 in flight, 4 seconds for an answer: few of them late, and no more calls than the budget has."""
    rows, limits = 60, Limits(calls=80)
    ways: list[tuple[Way, QueueingServer]] = []

    async def work(loop: PlayedLoop) -> None:
        way, server = Way(loop, limits, [Play()]), QueueingServer(loop, slots, seconds, 4.0, drops)
        way.pace.timeout = 4.0
        paced = Paced(Budgeted(server, way.spending), way.pace)
        way.model = Retrying(OneAhead(paced), way.spending.sleep, lambda: 0.5)
        ways.append((way, server))
        await way.ask([request(number) for number in range(rows)])

    found, took = played(work)
    way, server = ways[0]
    assert found is None and len(way.answered) == rows
    assert server.late <= 6 and server.asked == way.spending.calls == rows + server.late
    assert took < 1.5 * rows * seconds + 30, "narrow, but not idle"
