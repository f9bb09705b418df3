"""Every attempt is announced before it leaves and told of when it is over; it leaves at the server's pace.

In: requests. Out: answers, and events handed to `log`. Law: no attempt leaves that was not logged first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rlm_dsl.models.protocol import Attempt, Model
from rlm_dsl.models.rate_limit import Pace
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, Request

Log = Callable[[str, Mapping[str, Any]], None]


class Announced:
    """A model whose attempts are logged. `clock` gives seconds; `pace` says when one may leave; `noted` is told of each
    answer before the next attempt takes its place, so that a kill loses what is in flight and no more."""

    def __init__(
        self,
        inner: Model,
        log: Log,
        clock: Callable[[], float],
        pace: Pace,
        noted: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self.inner, self.log, self.clock, self.pace, self.noted = inner, log, clock, pace, noted

    async def answer(self, request: Request) -> Answer:
        tokens = request.prompt_tokens
        async with self.pace.leave(tokens) as left:
            self.log(
                "call.start",
                {
                    "key": request.key,
                    "step": request.purpose,
                    "gen_ai.request.model": request.settings.model,
                    "server.address": request.settings.base_url,
                    "prompt_tokens_estimate": tokens,
                },
            )
            started = self.clock()
            ended: dict[str, Any] = {"key": request.key, "outcome": "cancelled"}
            try:
                answer = await self.inner.answer(request)
                ended |= told(answer)
                self.noted(Call(request, answer, "live"))
                self.pace.well()
                return answer
            except Attempt as failure:
                if failure.narrow:
                    self.pace.slow(left, failure.wait)
                ended |= {"outcome": "failed", "error": failure.error.message, "may_be_billed": failure.billed}
                raise
            finally:
                self.log("call.end", {**ended, "seconds": round(self.clock() - started, 6)})


def told(answer: Answer) -> dict[str, Any]:
    """An answer's outcome and figures, by OpenTelemetry's names where it has some."""
    outcome = "refused" if answer.refusal else "answered" if answer.finish == "stop" else answer.finish
    return {
        "outcome": outcome,
        "gen_ai.response.model": answer.model,
        "gen_ai.usage.input_tokens": answer.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.completion_tokens,
    }
