"""What dspy's optimizers ask on their own account, such as for a better instruction, asked of our models.

In: dspy's request. Out: dspy's response. Law: one attempt, no streams; it is budgeted, stored and recorded like any
other request of the optimization.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.request import Message
from rlm_dsl.optimize.evaluator import Evaluator
from rlm_dsl.optimize.prompt_search.borrowed import Borrowed
from rlm_dsl.optimize.prompt_search.guarded_metric import GuardedMetric


class ProposerEngine:
    """What dspy's optimizers ask by: our models, store and budget. One attempt, no streams."""

    def __init__(self, evaluator: Evaluator, guard: GuardedMetric, borrowed: Borrowed) -> None:
        self.evaluator, self.guard, self.borrowed = evaluator, guard, borrowed

    def complete(self, request: Any) -> Any:
        from dspy.lm15 import Message as DspyMessage
        from dspy.lm15 import Response, Usage

        system = request.system if isinstance(request.system, str) else text_of(request.system or ())
        messages = [Message("system", system)] if system else []
        self.borrowed.asked(system)
        for each in request.messages:
            messages.append(Message("assistant" if each.role == "assistant" else "user", text_of(each.parts)))
        config = request.config
        named = {"temperature": config.temperature, "max_completion_tokens": config.max_tokens, "top_p": config.top_p}
        parameters = {key: value for key, value in named.items() if value is not None}
        with self.guard:
            answer = self.evaluator.ask_writer(messages, parameters)
            if not answer.keepable:
                reason = answer.refusal or answer.finish
                raise UserError(f"the model that proposes did not answer: {reason}", exit_code=3)
        usage = Usage(input_tokens=answer.prompt_tokens or 0, output_tokens=answer.completion_tokens or 0)
        return Response(None, answer.model or "model", DspyMessage.assistant(answer.text or " "), "stop", usage)

    def close(self) -> None:
        """The evaluator owns the models."""


def text_of(parts: Sequence[Any]) -> str:
    return "\n".join(str(getattr(part, "text", part)) for part in parts)
