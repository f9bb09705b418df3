"""One request ahead of the others, on a played clock: who waits for whom, how long, and what a refusal for good stops.

In: plays of a server. Out: when each request left. Law: none leaves before it is known how to ask, or after it is known
that nobody is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rlm_dsl.models.protocol import Attempt, RequestRefused
from rlm_dsl.models.request import Request
from rlm_dsl.models.server.one_ahead import PATIENCE, STANDS, OneAhead, Standing
from tests.support.played_server import Play, PlayedServer, request
from tests.support.played_time import PlayedLoop, played


def left(plays: Sequence[Play], asked: Sequence[Request], given_up: bool = False) -> list[float]:
    """When each request left, all asked for at once."""
    sent: list[float] = []

    async def work(loop: PlayedLoop) -> None:
        server = PlayedServer(loop, plays)
        model = OneAhead(Standing(server), lambda request: given_up)
        await asyncio.gather(*map(model.answer, asked), return_exceptions=True)
        sent.extend(one.at for one in server.sent)

    assert played(work)[0] is None
    return sent


FOUR = [request(number) for number in range(4)]
OTHER = replace(FOUR[0], schema={"type": "object", "properties": {"x": {"type": "integer"}}})


def test_the_others_wait_for_the_first_answer_of_their_kind() -> None:
    assert left([Play(delay=2.0)], FOUR) == [0.0, 2.0, 2.0, 2.0]
    assert left([Play(delay=2.0)], [*FOUR[:2], OTHER]) == [0.0, 0.0, 2.0], "another schema is another kind"


def test_a_slow_first_answer_holds_them_up_for_seconds_alone() -> None:
    assert left([Play(delay=60.0)], FOUR) == [0.0, PATIENCE, PATIENCE, PATIENCE]


def test_where_the_first_fails_another_goes_ahead() -> None:
    assert left([Play("busy"), Play()], FOUR) == [0.0, 1.0, 2.0, 2.0]
    assert left([Play("failed", delay=3.0)], FOUR) == [0.0, 3.0, PATIENCE, PATIENCE]
    assert left([Play("refused"), Play()], FOUR, given_up=True) == [0.0, 1.0, 1.0, 1.0], "nothing more is found out"


def test_one_that_is_ahead_and_is_given_up_leaves_its_place() -> None:
    async def work(loop: PlayedLoop) -> list[float]:
        server = PlayedServer(loop, [Play(delay=4.0)])
        model = OneAhead(server)
        tasks = [asyncio.ensure_future(model.answer(one)) for one in FOUR[:3]]
        await asyncio.sleep(1.0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [one.at for one in server.sent]

    assert played(work)[0] == [0.0, 1.0, PATIENCE]


@pytest.mark.parametrize("code", ["key", "model", "redirect", "address", "outage", "request"])
def test_nothing_leaves_once_a_refusal_for_good_is_known(code: str) -> None:
    async def work(loop: PlayedLoop) -> tuple[int, int]:
        sent = [0]

        class Refusing:
            async def answer(self, request: Request) -> None:
                sent[0] += 1
                await asyncio.sleep(0.1)
                raise Attempt(RequestRefused("no", code=code), again=False)

        model = Standing(Refusing())  # type: ignore[arg-type]
        for one in FOUR:
            with pytest.raises(Attempt, match="no"):
                await model.answer(one)
        at_once = sent[0]
        await asyncio.sleep(STANDS)
        with pytest.raises(Attempt):
            await model.answer(FOUR[0])
        return at_once, sent[0]

    assert played(work)[0] == ((4, 5) if code == "request" else (1, 2)), "later it is asked again: it may be mended"
