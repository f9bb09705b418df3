"""`RLM`: a dspy.Module that answers by exploring, to stand where `dspy.RLM` stands.

In: a signature; its inputs at each call. Out: a prediction with the signature's outputs, `trajectory` and `program`.
Law: of the inputs only those that ask (`query`, `question`, ...) reach the prompt as words; all others are data.

`explore` is a `dspy.Predict` that is never called: it holds what optimizers tune (instructions, demos) and the model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dspy

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.typed_question import Answered, answer_typed
from rlm_dsl.explore.view import cut
from rlm_dsl.integrations.dspy.models import note_usage, settings_of
from rlm_dsl.integrations.dspy.program import Program
from rlm_dsl.integrations.dspy.types import field_type, field_value
from rlm_dsl.integrations.python_data import given_contexts, refuse_arguments
from rlm_dsl.integrations.rlms import free_trace, tell
from rlm_dsl.language.types import Field, Record, Type
from rlm_dsl.models.settings import Limits, Settings

__all__ = ["RLM", "Program"]

ASKING = ("question", "query", "task", "prompt", "instruction", "instructions")
"""Inputs that ask by their names; `asking=` names others."""
RESULT = ("trajectory", "program")
REFUSED = {
    "tools": "models write the language of rlm-dsl, which calls no functions: hand in what they would look up as data",
    "interpreter_factory": "no code is interpreted here but the language itself",
    "max_output_chars": "what a step shows is bounded already, by rows, cells and characters",
}
DEMOS = 2_000
"""Characters of worked examples that stand in a question."""


class RLM(dspy.Module):  # type: ignore[misc]
    """Answers by a program over the inputs. `more` are fields of Settings (concurrency, store, memory, ...).

    `max_llm_calls` bounds the model calls for rows, one for each different text; turns come on top.
    """

    def __init__(
        self,
        signature: Any,
        max_iters: int = 20,
        max_llm_calls: int = 1_000,
        max_output_chars: int | None = None,
        verbose: bool = False,
        tools: Sequence[Any] | None = None,
        sub_lm: Any = None,
        interpreter_factory: Any = None,
        *,
        max_tokens: int = Limits().tokens,
        asking: Sequence[str] = ASKING,
        traces: str | Path | None = None,
        **more: Any,
    ) -> None:
        super().__init__()
        peers = {"tools": tools, "interpreter_factory": interpreter_factory, "max_output_chars": max_output_chars}
        refuse_arguments(peers, REFUSED, "RLM")
        self.signature = dspy.ensure_signature(signature)
        self.max_iters, self.max_llm_calls, self.max_tokens = max_iters, max_llm_calls, max_tokens
        self.verbose, self.sub_lm, self.asking = verbose, sub_lm, tuple(asking)
        self.traces, self.more = None if traces is None else Path(traces), more
        if clash := [name for name in self.signature.output_fields if name in RESULT]:
            raise UserError(f"an output may not be called {clash[0]}", "the prediction has that of its own: rename it")
        Settings(**more)  # a field that it has not is a TypeError now, not at the first call
        self.returns = returned_type(self.signature)
        self.explore = dspy.Predict(self.signature)

    def forward(self, **inputs: Any) -> Any:
        """Explore the inputs until the outputs are found. Raises UserError: budget, turns, server, type."""
        self.check(inputs)
        lm = self.explore.lm or dspy.settings.lm
        if lm is None:
            raise UserError("no language model is configured", "dspy.configure(lm=dspy.LM('openai/NAME'))")
        limits = Limits(self.max_llm_calls + self.max_iters + 1, self.max_tokens)
        settings, keys = settings_of(lm, self.sub_lm, limits, self.max_iters, self.more)
        asked = {name: value for name, value in inputs.items() if self.asks(name, value)}
        if len(asked) == len(inputs):
            raise UserError("no input is data to explore", "name one that is no question, or say asking=() for all")
        found = answer_typed(
            question_of(self.explore.signature, asked, self.explore.demos),
            given_contexts({name: value for name, value in inputs.items() if name not in asked}),
            settings,
            returns=self.returns,
            keys=keys,
            trace=None if self.traces is None else free_trace(self.traces),
            shown=tell if self.verbose else lambda told: None,
        )
        prediction = prediction_of(found, self.signature)
        note_usage(found.result.usage)
        note_trace(self.explore, inputs, prediction)
        return prediction

    async def aforward(self, **inputs: Any) -> Any:
        """The same without holding up the event loop."""
        return await asyncio.to_thread(self.forward, **inputs)

    def check(self, inputs: Mapping[str, Any]) -> None:
        wanted = set(self.signature.input_fields)
        if unexpected := sorted(set(inputs) - wanted):
            raise ValueError(f"inputs that the signature has not: {unexpected}")
        if missing := sorted(wanted - set(inputs)):
            raise ValueError(f"inputs are missing: {missing}")

    def asks(self, name: str, value: Any) -> bool:
        """Whether an input is shown as words: one that asks, or a mere number or truth value."""
        return (name in self.asking and isinstance(value, str)) or isinstance(value, bool | int | float | None)


def returned_type(signature: Any) -> Type:
    """The type of all outputs: of one its own, of several a record."""
    fields = [Field(name, field_type(field.annotation, name)) for name, field in signature.output_fields.items()]
    return fields[0].type if len(fields) == 1 else Record(tuple(fields))


def question_of(signature: Any, asked: Mapping[str, Any], demos: Sequence[Any]) -> str:
    """What the root model is asked: the signature's instructions, the inputs that ask, what is wanted, examples."""
    tables = [f"`{name}`" for name in signature.input_fields if name not in asked]
    parts = [signature.instructions, *(f"{name}: {value}" for name, value in asked.items())]
    if tables:
        parts.append(f"The data stands in {', '.join(tables)}.")
    described = [f"{name}: {told}" for name, told in descriptions(signature)]
    parts += [f"Wanted: {'; '.join(described)}"] if described else []
    parts += worked(signature, demos)
    return "\n\n".join(parts)


def descriptions(signature: Any) -> list[tuple[str, str]]:
    """What the signature says of its outputs beyond their names."""
    told = [(name, (field.json_schema_extra or {}).get("desc", "")) for name, field in signature.output_fields.items()]
    return [(name, desc) for name, desc in told if desc and desc != f"${{{name}}}"]


def worked(signature: Any, demos: Sequence[Any]) -> list[str]:
    """Examples that an optimizer chose: what was asked, what came out, and by which program if that is known."""
    found = []
    for demo in demos:
        held = dict(demo.items())
        asked = [f"{name}: {held[name]}" for name in signature.input_fields if is_short(held.get(name))]
        came = {name: held[name] for name in signature.output_fields if name in held}
        program = f"\n{held['program']}" if held.get("program") else ""
        found.append("; ".join(asked) + program + f"\ngave {json.dumps(came, default=str, ensure_ascii=False)}")
    return [cut("Examples on other data:\n" + "\n".join(found), DEMOS)] if found else []


def is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 300 and "\n" not in value)


def prediction_of(found: Answered, signature: Any) -> Any:
    """The outputs as their annotations have them, with how they came about."""
    names = list(signature.output_fields)
    values = {names[0]: found.value} if len(names) == 1 else found.value
    outputs = {name: field_value(values[name], field.annotation) for name, field in signature.output_fields.items()}
    return dspy.Prediction(**outputs, trajectory=[step(told) for told in found.turns], program=found.result.program)


def step(told: Told) -> dict[str, Any]:
    """A turn as `dspy.RLM` keeps its own."""
    return {"reasoning": told.reply, "code": told.program, "output": told.observation}


def note_trace(predictor: Any, inputs: Mapping[str, Any], prediction: Any) -> None:
    """Leave the call in dspy's trace, which optimizers draw demos from."""
    trace = dspy.settings.trace
    if trace is not None and dspy.settings.max_trace_size > 0:
        if len(trace) >= dspy.settings.max_trace_size:
            trace.pop(0)
        trace.append((predictor, dict(inputs), prediction))
