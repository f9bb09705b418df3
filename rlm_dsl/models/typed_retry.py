"""Asking until the answer has its type, a bounded number of times.

In: a request and how to read its answer. Out: an outcome: ok, invalid, refused or error, with every raw answer.
Law: an answer that does not fit is never passed on; the model is told what was wrong with it, at most `asks` - 1 times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rlm_dsl.language.answer_schema import NotOfType
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import ERROR, REJECTED, Answer, Request

T = TypeVar("T")
CUT_SHORT = "the answer was cut off before it was finished; answer more shortly"
THINK_LESS = "allow more, with `max_completion_tokens` under `parameters`, or ask for less of it (reasoning_effort)"
ALL_THOUGHT = f"all of the answer's limit went to reasoning: {THINK_LESS}"
TELL_APART = (
    "turn reasoning off under `parameters` (reasoning_effort: none, or what the server has for it, such as "
    "chat_template_kwargs: {enable_thinking: false}), or start the server with the model's own reasoning parser or none"
)
ONLY_REASONING = (
    "the reply has reasoning and no answer beside it: the model stopped there, or its server takes answers for "
    f"reasoning: {TELL_APART}"
)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a request came to. `raw` are the answers in the order given, with their keys."""

    status: str
    value: T | None
    raw: tuple[tuple[str, Answer], ...]
    problem: str | None = None


async def ask_typed(
    model: Model, request: Request, read: Callable[[str], T], *, asks: int = 2, first: Answer | None = None
) -> Outcome[T]:
    """The first answer that reads; otherwise the last problem. A refusal is not asked again. `first` is the answer to
    the request as it is, where that is there already."""
    raw: list[tuple[str, Answer]] = []
    problem = ""
    for _ in range(asks):
        answer, first = await model.answer(request) if first is None else first, None
        raw.append((request.key, answer))
        if answer.finish in (ERROR, REJECTED):
            return Outcome("error", None, tuple(raw), answer.text)
        if answer.refusal is not None or answer.finish == "content_filter":
            return Outcome("refused", None, tuple(raw), answer.refusal or "the server filtered the answer")
        if answer.thought and answer.finish == "length":
            return Outcome("invalid", None, tuple(raw), ALL_THOUGHT)
        try:
            if answer.finish == "length":
                raise NotOfType(CUT_SHORT)
            return Outcome("ok", read(answer.text), tuple(raw))
        except NotOfType as failure:
            problem = ONLY_REASONING if answer.thought else str(failure)
            request = request.again(answer.text[:2_000], f"That does not fit: {failure}. Answer again, fitting.")
    return Outcome("invalid", None, tuple(raw), problem)
