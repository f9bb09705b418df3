"""Every attempt is announced before it is sent and told of when it is over.

In: requests. Out: answers, and events handed to `log`. Law: nothing is sent that was not logged first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rlm_dsl.models.protocol import Attempt, Model
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, Request

Log = Callable[[str, Mapping[str, Any]], None]


class Announced:
    """A model whose attempts are logged. `clock` gives seconds; `noted` is told of each answer before another attempt
    takes its place, so that a kill loses what is in flight and no more."""

    def __init__(
        self,
        inner: Model,
        log: Log,
        clock: Callable[[], float],
        noted: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self.inner, self.log, self.clock, self.noted = inner, log, clock, noted

    async def answer(self, request: Request) -> Answer:
        self.log("call.start", announcement(request))
        started = self.clock()
        ended: dict[str, Any] = {"key": request.key, "outcome": "cancelled"}
        try:
            answer = await self.inner.answer(request)
            ended |= told(answer)
            self.noted(Call(request, answer, "live"))
            return answer
        except Attempt as failure:
            if failure.cut is not None:
                ended |= told(failure.cut)
            else:
                ended |= {"outcome": "failed", "error": failure.error.message, "may_be_billed": failure.billed}
            raise
        finally:
            self.log("call.end", {**ended, "seconds": round(self.clock() - started, 6)})


def announcement(request: Request) -> dict[str, Any]:
    """What is logged of a request before it is sent."""
    return {
        "key": request.key,
        "step": request.purpose,
        "gen_ai.request.model": request.settings.model,
        "server.address": request.settings.base_url,
        "prompt_tokens_estimate": request.prompt_tokens,
    }


def told(answer: Answer) -> dict[str, Any]:
    """An answer's outcome and figures, by OpenTelemetry's names where it has some."""
    outcome = "refused" if answer.refusal else "answered" if answer.finish == "stop" else answer.finish
    return {
        "outcome": outcome,
        "gen_ai.response.model": answer.model,
        "gen_ai.usage.input_tokens": answer.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.completion_tokens,
        **({"gen_ai.usage.cache_read.input_tokens": answer.cached_tokens} if answer.cached_tokens else {}),
    }
