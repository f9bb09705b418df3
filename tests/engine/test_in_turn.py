"""What ends a round, on a played clock: a budget lets answers be kept, everything else stops at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.in_turn import AT_ONCE, KEPT, in_turn
from rlm_dsl.models.protocol import BudgetExceeded, ModelUnavailable, TooDear
from tests.support.played_time import PlayedLoop, played


def asked(
    items: int, ends: dict[int, BaseException], lasts: Callable[[int], float]
) -> tuple[Any, float, Any, Any, Any]:
    """What came of so many items that each last so long, some ending in an error: the result, the time it took, and
    which were begun, done and cancelled."""
    begun: list[int] = []
    done: list[int] = []
    cancelled: list[int] = []

    async def one(item: int) -> None:
        begun.append(item)
        try:
            await asyncio.sleep(lasts(item))
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        if item in ends:
            raise ends[item]
        done.append(item)

    async def work(loop: PlayedLoop) -> None:
        await in_turn(list(range(items)), one)

    result, took = played(work)
    return result, took, begun, sorted(done), sorted(cancelled)


def test_every_item_is_done_once_in_order_so_many_at_once() -> None:
    result, took, begun, done, cancelled = asked(3 * AT_ONCE, {}, lambda item: 1.0)
    assert result is None and took == 3.0 and begun == done == list(range(3 * AT_ONCE)) and not cancelled
    assert asked(0, {}, lambda item: 1.0)[:2] == (None, 0.0)


@pytest.mark.parametrize("refusal", [BudgetExceeded("used up"), TooDear("too dear")], ids=repr)
def test_a_budget_that_ends_a_round_lets_answers_that_have_come_be_kept(refusal: BudgetExceeded) -> None:
    lasts = lambda item: 1.0 if item == 5 else 1.0 + KEPT / 2 if item < 10 else 100.0  # noqa: E731
    result, took, begun, done, cancelled = asked(2 * AT_ONCE, {5: refusal}, lasts)
    assert result is refusal and took == 1.0 + KEPT
    assert begun == list(range(AT_ONCE)), "nothing more is begun"
    assert done == [item for item in range(10) if item != 5] and cancelled == list(range(10, AT_ONCE))
    result, took, begun, done, cancelled = asked(8, {5: refusal}, lasts)
    assert result is refusal and took == 1.0 + KEPT / 2 and len(done) == 7 and not cancelled, (
        "none is waited for in vain"
    )


@pytest.mark.parametrize("failure", [ModelUnavailable("down"), UserError("window"), RuntimeError("fault")], ids=str)
def test_whatever_else_ends_a_round_ends_it_at_once(failure: Exception) -> None:
    lasts = lambda item: 1.0 if item == 5 else 1.0 + KEPT / 2  # noqa: E731
    result, took, begun, done, cancelled = asked(2 * AT_ONCE, {5: failure}, lasts)
    assert result is failure and took == 1.0 and not done
    assert begun == list(range(AT_ONCE)) and len(cancelled) == AT_ONCE - 1


def test_an_interrupt_ends_a_round_at_once_even_while_a_budget_ends_it() -> None:
    for at in (0.5, 1.2):
        stopped: list[float] = []

        async def one(item: int, stopped: list[float] = stopped) -> None:
            try:
                await asyncio.sleep(1.0 if item == 0 else 9.0)
            except asyncio.CancelledError:
                stopped.append(asyncio.get_running_loop().time())
                raise
            raise BudgetExceeded("used up")

        async def work(loop: PlayedLoop, at: float = at, one: Any = one) -> None:
            asking = asyncio.ensure_future(in_turn([0, 1, 2], one))
            loop.call_later(at, asking.cancel)
            await asking

        result, took = played(work)
        assert isinstance(result, asyncio.CancelledError) and took == at
        assert stopped == [at] * (3 if at < 1 else 2)
