"""A program as dspy's optimizers call it: a module that asks about a row, or runs the program whole.

In: a row's text with its step, or a whole-run example. Out: dspy's prediction, and its trace. Law: rows are asked by
the evaluator, as a run asks them; dspy's own way of asking is never used.
"""

from __future__ import annotations

import json
from typing import Any

import dspy

from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.candidate_stack import CandidateStack
from rlm_dsl.optimize.evaluator import Evaluator
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.prompt_search.borrowed import Borrowed
from rlm_dsl.optimize.prompt_search.guarded_metric import GuardedMetric
from rlm_dsl.optimize.prompt_search.predictors import Predictors, alias, note


class ProgramModule(Predictors):
    """A program with its evaluator: `forward` asks about a row, or runs it whole."""

    def __init__(self, evaluator: Evaluator, base: Candidate, guard: GuardedMetric, borrowed: Borrowed) -> None:
        steps = evaluator.steps(base.program_text())
        super().__init__(base, steps, evaluator=evaluator, guard=guard, borrowed=borrowed, refuses=borrowed.refuses)

    @property
    def evaluator(self) -> Evaluator:
        found: Evaluator = self.held["evaluator"]
        return found

    def forward(self, text: str = "", step: str = "", case: str = "") -> Any:
        """The answer about a row, or of a whole run. What stops the search once stops it for good."""
        guard: GuardedMetric = self.held["guard"]
        with guard:
            found = self.ask(text, step, case)
        self.evaluator.progress.answered(step)
        return found

    def ask(self, text: str, step: str, case: str) -> Any:
        parameters, sample = sampling(self)
        if case:
            given = json.loads(case)
            example = Labelled("", "", None, given["contexts"], given["params"])
            with self.evaluator.lock:
                models = CandidateStack(self.evaluator.calls.models)
                calls = self.evaluator.calls_of(self.candidate(), models)
                answer = self.evaluator.run_example(self.candidate().program_text(), example, calls)
            self.note_calls(models.recording.calls.values())
            shown = [call.request.messages[-1].content for call in models.recording.calls.values()]
            self.held["borrowed"].rows.add(shown)
            return dspy.Prediction(answer=answer)
        value = self.evaluator.answer_row(self.candidate(), step, text, sample, parameters)
        fields = self.held["steps"][step].result.fields
        prediction = dspy.Prediction(**{alias(f.name): None if value is None else value[f.name] for f in fields})
        note(self.steps[step], {"text": text}, prediction)
        return prediction


def sampling(module: Any) -> tuple[dict[str, Any], int]:
    """Which sample of the model's answers is wanted, and with which parameters: optimizers say so by their models."""
    held = [each.lm for each in module.steps.values() if each.lm is not None]
    lm = held[0] if held else dspy.settings.lm
    given = getattr(lm, "kwargs", None) or {}
    sample = given.get("rollout_id") or 0
    return ({"temperature": given["temperature"]} if sample and given.get("temperature") is not None else {}), sample
