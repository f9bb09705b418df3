"""The budget on a played clock: nothing passes its limits, nothing that fits is refused, nothing unsent is booked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.models.budget import (
    BEYOND,
    NOTHING,
    Amount,
    Estimate,
    Spending,
    amount,
    count_tokens,
    dollars,
    estimate_round,
    most_output,
)
from rlm_dsl.models.prices import Price
from rlm_dsl.models.protocol import BudgetExceeded, ModelUnavailable, RequestRefused, TooDear
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request, estimated_tokens
from rlm_dsl.models.settings import OUTPUT, Limits
from tests.support.played_server import Play, Way, request
from tests.support.played_time import PlayedLoop, played

FIGURES = st.one_of(
    st.none(), st.integers(0, 60), st.integers(-5, BEYOND * 2), st.just(10**15), st.booleans(), st.just("10"),
    st.just(2.5),
)  # fmt: skip
PLAYS = st.lists(
    st.builds(
        Play,
        st.sampled_from(["answered"] * 6 + ["busy", "failed", "unreachable", "late", "refused", "unsendable"]),
        st.sampled_from([0.0, 0.25, 1.0, 2.5, 7.0]),
        st.sampled_from([None, None, 0.0, 0.5, 3.0, 60.0]),
        st.tuples(FIGURES, FIGURES),
        st.sampled_from(["", "a", "a b c " * 9, "word " * 200]),
    ),
    min_size=1,
    max_size=12,
)
SIZES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 60)), min_size=1, max_size=90)
LIMITS = st.builds(
    Limits,
    st.sampled_from([0, 1, 7, 40, 1_000]),
    st.sampled_from([0, 50, 111, 1_000, 10**6]),
    st.sampled_from([None, None, 0.0, 0.00001, 0.001]),
    st.sampled_from([None, None, 0.0, 0.5, 3.0, 20.0]),
)


def asked_for(limits: Limits, plays: list[Play], sizes: list[tuple[int, int]], **more: Any) -> tuple[Way, Any, float]:
    ways: list[Way] = []

    async def work(loop: PlayedLoop) -> None:
        ways.append(Way(loop, limits, plays, **more))
        await ways[0].ask([request(number, *size) for number, size in enumerate(sizes)])

    result, took = played(work)
    return ways[0], result, took


def test_a_wait_that_would_outlast_the_budget_ends_the_run_at_once() -> None:
    plays = [Play("busy", delay=0.1, wait=60.0), *[Play(delay=1.0)] * 3]
    way, result, took = asked_for(Limits(seconds=3), plays, [(1, 50)] * 4)
    assert str(result).splitlines()[0] == "the budget of 3 seconds ends before the next call may leave, in 60 s"
    assert took == 1.0 and len(way.answered) == 3 == way.spending.calls, "what is under way is waited for"
    _, result, took = asked_for(Limits(), [*plays, plays[1]], [(1, 50)] * 4)
    assert result is None and took == 61.1
    _, result, took = asked_for(Limits(seconds=3), [Play(delay=0.1)], [(1, 50)] * 10, requests_per_minute=4)
    assert "ends before the next call may leave, in 60 s" in str(result) and took == 0.1


def test_a_refusal_ends_whatever_waits_until_the_next_round() -> None:
    ways: list[Way] = []

    async def work(loop: PlayedLoop) -> None:
        plays = [Play("busy", 0.5, 50.0), Play(delay=1.0), Play(delay=2.0)]
        ways.append(Way(loop, Limits(calls=2), plays))
        await ways[0].ask([request(number) for number in range(4)])

    result, took = played(work)
    way = ways[0]
    assert isinstance(result, BudgetExceeded) and took == 2.5 and way.spending.calls == 2 == len(way.answered)
    assert way.spending.refusal and way.spending.refused.is_set()
    with pytest.raises(TooDear):
        way.spending.check(estimate_round("s", 1, [request(9)], lambda model: None))
    assert not way.spending.refusal and not way.spending.refused.is_set()


def test_what_waits_for_a_reservation_gets_it_when_another_is_given_back() -> None:
    one = request(0).prompt_tokens + 50
    plays = [Play(delay=1.0, figures=(2, 3))]
    way, result, took = asked_for(Limits(tokens=one + 5), plays, [(1, 50)] * 2)
    assert result is None and took == 2.0 and way.spending.tokens == 10 and len(way.answered) == 2
    way, result, took = asked_for(Limits(tokens=one + 4), plays, [(1, 50)] * 2)
    assert isinstance(result, BudgetExceeded) and took == 1.0 and way.spending.tokens == 5
    assert str(result).splitlines()[0] == (
        f"the budget of {one + 4} tokens has {one - 1} left, and the next call may take {one}"
    )


def test_calls_that_waited_for_a_place_and_were_interrupted_are_not_booked() -> None:
    ways: list[Way] = []

    async def work(loop: PlayedLoop) -> None:
        ways.append(Way(loop, Limits(), [Play(delay=9.0)], ceiling=4))
        asking = asyncio.ensure_future(ways[0].ask([request(number) for number in range(50)]))
        loop.call_later(1.0, asking.cancel)
        await asking

    result, took = played(work)
    spending = ways[0].spending
    assert isinstance(result, asyncio.CancelledError) and took == 1.0
    assert spending.calls == 4 and spending.prompt_tokens == 4 * request(0).prompt_tokens
    assert spending.completion_tokens == 0 and spending.estimated and spending.reserved == NOTHING
    assert [fields["outcome"] for kind, fields in ways[0].log if kind == "call.end"] == ["cancelled"] * 4


def test_what_was_surely_not_sent_or_not_billed_is_given_back() -> None:
    for kind, calls in (("unsendable", 0), ("refused", 0), ("unreachable", 0), ("failed", 8), ("late", 8)):
        way, result, _ = asked_for(Limits(), [Play(kind)], [(1, 50)])
        assert isinstance(result, ModelUnavailable | RequestRefused)
        assert (way.spending.calls, way.spending.tokens) == (calls, calls * request(0).prompt_tokens)
        assert way.spending.reserved == NOTHING and way.spending.estimated == (calls > 0)


@pytest.mark.parametrize(("figures", "prompt", "completion", "own"), [
    ((3, 4), 3, 4, False),
    ((0, 0), 0, 0, False),
    ((None, 4), None, 4, True),
    ((3, None), 3, "text", True),
    ((-1, 4), None, 4, True),
    ((3, -1), 3, "text", True),
    (("3", "4"), None, "text", True),
    ((True, False), None, "text", True),
    ((2.5, float("nan")), None, "text", True),
    ((10**12, 10**12), None, "text", True),
])  # fmt: skip
def test_figures_that_cannot_be_are_estimated(figures: Any, prompt: Any, completion: Any, own: bool) -> None:
    play = Play(figures=figures, text="five short words of text")
    way, result, _ = asked_for(Limits(), [play], [(30, 50)])
    assert result is None and way.spending.estimated == own
    assert way.spending.prompt_tokens == (request(0, 30).prompt_tokens if prompt is None else prompt)
    assert way.spending.completion_tokens == (estimated_tokens(play.text) if completion == "text" else completion)


def test_a_count_above_what_was_reserved_is_believed_from_the_next_call_on() -> None:
    asked = request(0)
    play = Play(figures=(asked.prompt_tokens + 100, 50 + 7))
    way, result, _ = asked_for(Limits(), [play], [(1, 50)] * 3, ceiling=1)
    assert result is None and way.spending.prompt_tokens == 3 * asked.prompt_tokens + 2 * 100
    assert way.spending.completion_tokens == 3 * 50 + 2 * 7
    most = Answer("", prompt_tokens=asked.prompt_tokens + BEYOND, completion_tokens=50 + BEYOND)
    assert count_tokens(asked, most) == (asked.prompt_tokens + BEYOND, 50 + BEYOND, False)
    over = Answer("", prompt_tokens=asked.prompt_tokens + BEYOND + 1, completion_tokens=50 + BEYOND + 1)
    assert count_tokens(asked, over) == (asked.prompt_tokens, 1, True)
    assert count_tokens(asked, over, beside=1)[0] == asked.prompt_tokens + BEYOND + 1
    way, _, _ = asked_for(Limits(), [Play(text="a " * 9_000)], [(1, 50)] * 2, ceiling=1)
    assert way.spending.beyond["m"] == Amount(0, BEYOND) and way.spending.completion_tokens == 50 + 50 + BEYOND
    way, _, _ = asked_for(Limits(), [play, Play(figures=(1, 1))], [(1, 50)] * 4, ceiling=1)
    assert way.spending.beyond["m"] == Amount(100, 7)


@pytest.mark.parametrize(("given", "most"), [
    ({}, OUTPUT), ({"max_completion_tokens": 7}, 7), ({"max_completion_tokens": 1}, 1),
    ({"max_completion_tokens": 0}, OUTPUT), ({"max_completion_tokens": -1}, OUTPUT),
    ({"max_completion_tokens": True}, OUTPUT), ({"max_completion_tokens": "7"}, OUTPUT),
])  # fmt: skip
def test_the_most_that_an_answer_may_have(given: dict[str, Any], most: int) -> None:
    assert most_output(Request(ModelSettings("m", "u", parameters=given), (Message("user", "a"),))) == most


def test_amounts_are_sums() -> None:
    one, other = Amount(1, 2, 0.1, 1), Amount(3, 4, 0.2, 2)
    assert one + other == Amount(4, 6, 0.3, 3) and (one + other) - other == one and one - one == NOTHING
    assert one.tokens == 3 and amount(10, 20, Price(1, 2)) == Amount(10, 20, 0.00005, 1)
    assert amount(10, 20, None) == Amount(10, 20, 0.0, 1)


def test_a_round_is_estimated_before_it_leaves() -> None:
    asked = [request(0, 10, 100), request(1, 20, 200)]
    prompt = sum(each.prompt_tokens for each in asked)
    price = Price(1, 10)
    found = estimate_round("s", 5, iter(asked), lambda model: price)
    most = sum(price.of(r.prompt_tokens, most_output(r)) for r in asked)
    assert found == Estimate(
        "s", 5, 2, prompt, prompt + 300, sum(price.of(r.prompt_tokens, 0) for r in asked),
        most, tuple(asked), limit_usd=most,
    )  # fmt: skip
    short = estimate_round("s", 5, asked, lambda model: price, room=lambda request: 40)
    assert (short.most_tokens, short.limit_usd) == (prompt + 80, most) and (short.most_usd or 0) < most
    by_batch = estimate_round("s", 5, asked, lambda model: price, room=lambda request: 40, batch=True)
    assert by_batch.most_usd == most, "the Batch API is asked for as much as there may be"
    unknown = estimate_round("s", 5, asked, lambda model: None)
    assert unknown == replace(found, least_usd=None, most_usd=None, limit_usd=None)
    other = replace(asked[1], settings=replace(asked[1].settings, model="n"))
    some = estimate_round("s", 5, [asked[0], other], lambda model: price if model == "m" else None)
    assert (some.least_usd, some.most_usd) == (None, None)
    nothing = estimate_round("s", 5, [], lambda model: None)
    assert (nothing.new, nothing.least_usd, nothing.most_usd) == (0, 0, 0)


def test_a_round_that_surely_costs_more_than_is_left_is_refused_before_it() -> None:
    def checked(limits: Limits, **more: Any) -> str:
        spending = Spending(
            limits, calls=2, prompt_tokens=10, completion_tokens=20, usd=0.1, reserved=Amount(3, 4, 0.2, 1)
        )
        estimate = Estimate("s", 9, **{"new": 4, "prompt_tokens": 40, "most_tokens": 99, "least_usd": 0.3,
                                       "most_usd": 9.0, **more})  # fmt: skip
        try:
            spending.check(estimate)
        except TooDear as failure:
            return str(failure).splitlines()[0]
        return ""

    assert checked(Limits(7, 77, 0.6)) == "" and checked(Limits(7, 77, None)) == ""
    assert checked(Limits(6, 77, 0.6)) == "s needs 4 new model calls, and the budget of 6 has 3 left"
    assert checked(Limits(1, 77, 0.6)) == "s needs 4 new model calls, and the budget of 1 has 0 left"
    assert checked(Limits(7, 76, 0.6)) == (
        "s needs about 40 tokens for what it shows alone, and the budget of 76 has 39 left"
    )
    assert (
        checked(Limits(7, 7, 0.6)) == "s needs about 40 tokens for what it shows alone, and the budget of 7 has 0 left"
    )
    assert checked(Limits(7, 77, 0.59)) == (
        "s needs about $0.30 for what it shows alone, and the budget of $0.59 has $0.29 left"
    )
    assert checked(Limits(7, 77, 0.1)) == (
        "s needs about $0.30 for what it shows alone, and the budget of $0.10 has $0.00 left"
    )
    assert checked(Limits(7, 77, 0.3), least_usd=None) == ""


def test_why_a_call_may_not_go_is_told_in_figures() -> None:
    spending = Spending(Limits(3, 100, 1.0), calls=1, prompt_tokens=30, completion_tokens=20, usd=0.5)
    spending.reserved = Amount(10, 5, 0.25, 1)
    assert spending.problem(Amount(30, 5, 0.25, 1)) == ""
    assert spending.problem(Amount(0, 0, 0, 2)) == "the budget of 3 calls is used up"
    assert spending.problem(Amount(30, 6, 0, 1)) == (
        "the budget of 100 tokens has 50 left, and the next call may take 36"
    )
    assert spending.problem(Amount(0, 0, 0.26, 1)) == (
        "the budget of $1.00 has $0.50 left, and the next call may take $0.26"
    )
    assert replace(spending, limits=Limits(3, 100)).problem(Amount(30, 5, 99.0, 1)) == ""


def test_the_clock_begins_with_the_first_call() -> None:
    now = [100.0]
    spending = Spending(Limits(seconds=5), lambda: now[0])
    assert spending.started is None and spending.late() == "" and spending.started == 100.0
    now[0] = 104.5
    assert spending.late() == "" and spending.late(0.4) == ""
    assert spending.late(0.5) == "the budget of 5 seconds ends before the next call may leave, in 0.5 s"
    now[0] = 105.0
    assert spending.late() == spending.late(9.0) == "the budget of 5 seconds is used up"
    endless = Spending(Limits(), lambda: now[0])
    assert endless.late(10**9) == ""


@given(LIMITS, PLAYS, SIZES, st.integers(1, 20), st.sampled_from([None, 5]), st.sampled_from([None, None, 0.3, 4.0]),
       st.sampled_from([0.0, 0.5, 1.0]))  # fmt: skip
def test_the_law(
    limits: Limits,
    plays: list[Play],
    sizes: list[tuple[int, int]],
    ceiling: int,
    rate: int | None,
    interrupted: float | None,
    draw: float,
) -> None:
    ways: list[Way] = []

    def seen() -> None:
        spending = ways[0].spending
        spent = spending.calls + spending.reserved.calls
        assert spent <= limits.calls and spending.tokens + spending.reserved.tokens <= limits.tokens
        assert limits.usd is None or dollars(spending.usd + spending.reserved.usd) <= limits.usd
        assert all(value >= 0 for value in (spending.calls, spending.prompt_tokens, spending.completion_tokens))
        assert spending.usd >= 0 and spending.reserved.tokens >= 0 and spending.reserved.usd >= 0

    async def work(loop: PlayedLoop) -> None:
        ways.append(Way(loop, limits, plays, ceiling, rate, draw=draw, seen=seen))
        asking = asyncio.ensure_future(ways[0].ask([request(number, *size) for number, size in enumerate(sizes)]))
        if interrupted is not None:
            loop.call_later(interrupted, asking.cancel)
        await asking

    result, took = played(work)
    way = ways[0]
    spending, sent = way.spending, way.server.sent
    seen()
    assert spending.reserved == NOTHING and all(each.ended for each in sent)
    # No call leaves once the seconds are over; whatever leaves is announced, and nothing else is.
    assert limits.seconds is None or all(each.at < limits.seconds for each in sent)
    kinds = [kind for kind, _ in way.log]
    assert kinds.count("call.start") == kinds.count("call.end") == way.server.asked
    # What was sent and may be billed is booked once; what surely was not is not.
    booked = [each for each in sent if each.ended in ("answered", "failed", "late", "interrupted")]
    answered = [each for each in booked if each.ended == "answered"]
    assert spending.calls == len(booked)
    assert spending.prompt_tokens <= sum(each.request.prompt_tokens + BEYOND for each in booked)
    assert spending.completion_tokens <= sum(most_output(each.request) + BEYOND for each in answered)
    match result:
        case None:
            assert len(way.answered) == len(sizes) == len(answered)
        case BudgetExceeded():  # what was under way is waited for and kept, and nothing is waited for beside it
            assert "interrupted" not in way.ended and len(way.answered) == len(answered)
            last = max((each.at + each.play.delay for each in sent), default=0.0)
            assert limits.seconds is None or took <= max(last, limits.seconds)
        case asyncio.CancelledError():
            assert interrupted is not None and took == interrupted
        case _:
            assert isinstance(result, ModelUnavailable | RequestRefused)


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 99), st.integers(1, 9_999), st.integers(1, 9_999),
       st.integers(1, 16))  # fmt: skip
def test_what_fits_exactly_is_never_refused_and_one_less_is(
    rows: int, size: int, most: int, given_price: int, said_price: int, ceiling: int
) -> None:
    price, prompt = Price(given_price / 100, said_price / 100), request(0, size).prompt_tokens
    play = Play(figures=(prompt, most))
    each = amount(prompt, most, price)
    tokens, usd = rows * each.tokens, (prompt * given_price + most * said_price) * rows / 10**8
    for limits in (Limits(rows), Limits(tokens=tokens), Limits(usd=usd), Limits(rows, tokens, usd)):
        way, result, _ = asked_for(limits, [play], [(size, most)] * rows, price=price, ceiling=ceiling)
        assert result is None and (way.spending.calls, way.spending.tokens) == (rows, tokens)
        assert way.spending.usd == dollars(usd) and way.spending.reserved == NOTHING and not way.spending.estimated
    for limits in (Limits(rows - 1), Limits(tokens=tokens - 1), Limits(usd=usd - 1e-8)):
        way, result, _ = asked_for(limits, [play], [(size, most)] * rows, price=price, ceiling=ceiling)
        assert isinstance(result, BudgetExceeded) and way.spending.calls == len(way.answered) == rows - 1


@given(st.integers(1, 60), st.integers(1, 16), st.sampled_from([0.5, 1.0, 4.0, 60.0]))
def test_no_call_leaves_after_the_last_second_and_those_under_way_are_kept(
    rows: int, ceiling: int, seconds: float
) -> None:
    way, result, took = asked_for(Limits(seconds=seconds), [Play(delay=0.75)], [(1, 50)] * rows, ceiling=ceiling)
    times = [each.at for each in way.server.sent]
    assert all(at < seconds for at in times) and len(way.answered) == len(times) == way.spending.calls
    if isinstance(result, BudgetExceeded):
        assert took == max(times) + 0.75 >= seconds and len(times) < rows
        assert str(result).startswith(f"the budget of {seconds:g} seconds is used up")
    else:
        assert result is None and len(times) == rows
