"""A program's model steps as dspy's predictors, which its optimizers change.

In: the steps of a program that can be tuned. Out: a module with a predictor for each, and the candidate that they make.
Law: a predictor is never called; it holds an instruction and demos, and whoever runs the program writes them into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import dspy

from rlm_dsl.language.types import BOOL, FLOAT, INT, Enum, ListOf, Nullable, Type
from rlm_dsl.models.recording import Call
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.steps import Tunable, escape_braces
from rlm_dsl.optimize.tuned import TunedCall

TAKEN = frozenset(dir(dspy.Example)) | {"text", "step", "case"}
"""Names that a field of an example may not have: some of them would be shadowed, and fail in silence."""
SPARE = "__"
"""Put behind a field's name that is taken."""


def alias(field: str) -> str:
    return field + SPARE if field in TAKEN else field


def annotation(type_: Type) -> Any:
    """A type as Python annotates it, for signatures."""
    match type_:
        case Nullable(of):
            return annotation(of) | None
        case Enum(values):
            return Literal[tuple(values)]
        case ListOf(of):
            return list[annotation(of)]  # type: ignore[misc]
        case _:
            return {str(BOOL): bool, str(INT): int, str(FLOAT): float}.get(str(type_), str)


def signature(step: Tunable) -> Any:
    """What a step asks, as dspy has it: the text, the fields of its answer, its instruction."""
    fields: dict[str, Any] = {"text": (str, dspy.InputField())}
    fields |= {alias(f.name): (annotation(f.type), dspy.OutputField()) for f in step.result.fields}
    return dspy.Signature(fields, step.instruction)


class Predictors(dspy.Module):  # type: ignore[misc]
    """A predictor for each step. What is `held` is shared by copies, which optimizers make freely; where it `refuses`
    an instruction of a step, the step has its own."""

    def __init__(self, base: Candidate, steps: Mapping[str, Tunable], **held: Any) -> None:
        super().__init__()
        self.held: dict[str, Any] = {"base": base, "steps": steps, **held}
        self.steps = {name: dspy.Predict(signature(step)) for name, step in steps.items()}
        for name, step in steps.items():
            self.steps[name].demos = [example_of(each, name) for each in step.examples]

    def __deepcopy__(self, memo: Any) -> Any:
        """The predictors anew, the rest the same."""
        return self.copy_with(lambda predictor: predictor.deepcopy())

    def deepcopy(self) -> Any:
        return self.__deepcopy__({})

    def reset_copy(self) -> Any:
        return self.copy_with(lambda predictor: predictor.reset_copy())

    def copy_with(self, each: Callable[[Any], Any]) -> Any:
        new = type(self).__new__(type(self))
        dspy.Module.__init__(new)
        new.held = self.held
        new.steps = {name: each(predictor) for name, predictor in self.steps.items()}
        new._compiled = getattr(self, "_compiled", False)
        return new

    def candidate(self, origin: str = "") -> Candidate:
        """The program with these instructions and demos."""
        base: Candidate = self.held["base"]
        found = []
        for name, step in self.held["steps"].items():
            predictor, changed = self.steps[name], dict[str, Any]()
            instruction, refuses = predictor.signature.instructions, self.held.get("refuses", never)
            if step.words and instruction != step.instruction and not refuses(step, instruction):
                changed[step.words] = escape_braces(instruction)
            demos = [demo for each in predictor.demos if (demo := demonstration(each, name, step)) is not None]
            if demos != [dict(each) for each in step.examples]:
                changed["examples"] = demos
            if changed:
                found.append(TunedCall(step.statement, step.call, changed))
        return replace(base, calls=(*base.calls, *found), origin=origin or base.origin)

    def note_calls(self, calls: Iterable[Call]) -> None:
        """Leave what a run's steps were asked in dspy's trace."""
        for call in calls:
            request, predictor = call.request, self.steps.get(call.request.purpose)
            if predictor is None or len(request.messages) != 2 or request.rows or not call.answer.keepable:
                continue
            try:
                value = json.loads(call.answer.text)
                said = dspy.Prediction(**{alias(key): each for key, each in value.items()})
            except (ValueError, AttributeError, TypeError):
                continue
            note(predictor, {"text": request.messages[1].content}, said)


def never(step: Tunable, instruction: str) -> bool:
    return False


def note(predictor: Any, inputs: Mapping[str, Any], prediction: Any) -> None:
    trace = dspy.settings.trace
    if trace is not None:
        trace.append((predictor, dict(inputs), prediction))


def demonstration(demo: Any, name: str, step: Tunable) -> dict[str, Any] | None:
    """A demo as a program writes it; None for one of another step, or whose answer is none."""
    held = dict(demo.items())
    answer = {f.name: held.get(alias(f.name)) for f in step.result.fields}
    if held.get("step", name) != name or not isinstance(held.get("text"), str) or step.misfit(answer):
        return None
    return {"text": held["text"], **answer}


def example_of(given: Mapping[str, Any] | Labelled, step: str) -> Any:
    """A labelled example as dspy has it."""
    if isinstance(given, Labelled) and not given.step:
        case = json.dumps({"contexts": dict(given.contexts), "params": dict(given.params)}, sort_keys=True)
        return dspy.Example(case=case, answer=given.answer).with_inputs("case")
    text, answer = (given.text, given.answer) if isinstance(given, Labelled) else (given["text"], given)
    fields = {alias(key): value for key, value in answer.items() if key != "text" or isinstance(given, Labelled)}
    return dspy.Example(text=text, step=step, **fields).with_inputs("text", "step")
