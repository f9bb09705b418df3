"""A metric in dspy's form, which keeps what must end a search and fails from then on.

In: dspy's examples and predictions. Out: a score, with what was wrong where an optimizer reads that. Law: a failure of
the metric, a budget or a server never counts as a score of nothing.
"""

from __future__ import annotations

import json
from typing import Any

import dspy

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.optimize.metric import Score
from rlm_dsl.optimize.prompt_search.predictors import SPARE


class GuardedMetric:
    """A metric in dspy's form, and what guards a search: a failure of the metric, a budget or a server is kept, and
    every later call fails with it. dspy would count it as a score of nothing, and go on."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.failure: UserError | None = None

    def __enter__(self) -> None:
        if self.failure:
            raise self.failure

    def __exit__(self, kind: Any, failure: Any, trace: Any) -> None:
        if isinstance(failure, UserError):
            self.failure = self.failure or failure

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> float:
        value = self.value(example, prediction)
        return value if trace is None else float(value >= 1)

    def value(self, example: Any, prediction: Any) -> float:
        answer = predicted_answer(example, prediction)
        with self:
            return 0.0 if answer is None else self.score(right_answer(example), answer)

    def feedback(self, gold: Any, pred: Any, trace: Any = None, name: Any = None, steps: Any = None) -> Any:
        """With what was wrong, for optimizers that read."""
        value = self.value(gold, pred)
        asked = steps or []
        rows = "\n".join(
            f"The text {json.dumps(inputs['text'], ensure_ascii=False)} was answered {fields_json(said)}."
            for _, inputs, said in asked[:8]
        )
        right = json.dumps(right_answer(gold), ensure_ascii=False, default=str)
        reason = f"{rows}\nThe right answer is {right}; the one given is {fields_json(pred)}."
        return dspy.Prediction(score=value, feedback=f"{'Right.' if value >= 1 else 'Wrong.'} {reason}")


def fields_json(prediction: Any) -> str:
    held = {} if prediction is None else {k.removesuffix(SPARE): v for k, v in prediction.items()}
    return json.dumps(held, ensure_ascii=False, default=str)


def right_answer(example: Any) -> Any:
    held = dict(example.items())
    if "case" in held:
        return held["answer"]
    return {key.removesuffix(SPARE): value for key, value in held.items() if key not in ("text", "step")}


def predicted_answer(example: Any, prediction: Any) -> Any:
    if prediction is None:
        return None
    held = dict(prediction.items())
    if "case" in dict(example.items()):
        return held.get("answer")
    found = {key.removesuffix(SPARE): value for key, value in held.items()}
    return None if all(value is None for value in found.values()) else found
