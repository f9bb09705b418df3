"""dspy's optimizers at work on a program.

In: a bench, labelled examples, an optimizer's name. Out: a candidate with other instructions and examples.
Law: dspy searches and never asks: rows are asked by the bench, as a run asks them; what optimizers ask on their own
account goes through an engine over the same models, store and budget.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import dspy

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.request import Message
from rlm_dsl.optimize.bench import Bench, Candidate, CandidateStack
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.metric import Score
from rlm_dsl.optimize.predictors import SPARE, Predictors, alias, example_of, note


class Steps(Predictors):
    """A program at a bench: `forward` asks about a row, or runs it whole."""

    def __init__(self, bench: Bench, base: Candidate, guard: Guarded) -> None:
        super().__init__(base, bench.steps(base.whole()), bench=bench, guard=guard)

    @property
    def bench(self) -> Bench:
        found: Bench = self.held["bench"]
        return found

    def forward(self, text: str = "", step: str = "", case: str = "") -> Any:
        """The answer about a row, or of a whole run. What stops the search once stops it for good."""
        guard: Guarded = self.held["guard"]
        with guard:
            found = self.answered(text, step, case)
        self.bench.progress.answered(step)
        return found

    def answered(self, text: str, step: str, case: str) -> Any:
        parameters, sample = sampling(self)
        if case:
            given = json.loads(case)
            example = Labelled("", "", None, given["contexts"], given["params"])
            with self.bench.lock:
                models = CandidateStack(self.bench.calls.models)
                calls = self.bench.calls_of(self.candidate(), models)
                answer = self.bench.run(self.candidate().whole(), example, calls)
            self.note_calls(models.recording.calls.values())
            return dspy.Prediction(answer=answer)
        value = self.bench.row(self.candidate(), step, text, sample, parameters)
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


def expected(example: Any) -> Any:
    held = dict(example.items())
    if "case" in held:
        return held["answer"]
    return {key.removesuffix(SPARE): value for key, value in held.items() if key not in ("text", "step")}


def given_of(example: Any, prediction: Any) -> Any:
    if prediction is None:
        return None
    held = dict(prediction.items())
    if "case" in dict(example.items()):
        return held.get("answer")
    found = {key.removesuffix(SPARE): value for key, value in held.items()}
    return None if all(value is None for value in found.values()) else found


class Engine:
    """What dspy's optimizers ask by: our models, store and budget. One attempt, no streams."""

    def __init__(self, bench: Bench, guard: Guarded) -> None:
        self.bench, self.guard = bench, guard

    def complete(self, request: Any) -> Any:
        from dspy.lm15 import Message as Said
        from dspy.lm15 import Response, Usage

        system = request.system if isinstance(request.system, str) else text_of(request.system or ())
        messages = [Message("system", system)] if system else []
        for each in request.messages:
            messages.append(Message("assistant" if each.role == "assistant" else "user", text_of(each.parts)))
        config = request.config
        named = {"temperature": config.temperature, "max_completion_tokens": config.max_tokens, "top_p": config.top_p}
        with self.guard:
            answer = self.bench.ask(messages, {key: value for key, value in named.items() if value is not None})
            if not answer.keepable:
                told = answer.refusal or answer.finish
                raise UserError(f"the model that proposes did not answer: {told}", exit_code=3)
        usage = Usage(input_tokens=answer.prompt_tokens or 0, output_tokens=answer.completion_tokens or 0)
        return Response(None, answer.model or "model", Said.assistant(answer.text or " "), "stop", usage)

    def close(self) -> None:
        """The bench owns the models."""


def text_of(parts: Sequence[Any]) -> str:
    return "\n".join(str(getattr(part, "text", part)) for part in parts)


@dataclass(frozen=True, slots=True)
class Search:
    """How an optimizer is to search. `effort` multiplies what it tries; `demos` is the most examples a step gets."""

    optimizer: str
    seed: int = 0
    effort: int = 1
    demos: int = 16
    threads: int = 8


def optimized(
    bench: Bench,
    base: Candidate,
    train: Sequence[Labelled],
    validation: Sequence[Labelled],
    score: Score,
    search: Search,
) -> Candidate:
    """The candidate that an optimizer comes to. Raises UserError: budget, server, a metric that raises."""
    held = Guarded(score)
    engine = Engine(bench, held)
    lm = dspy.LM("rlm-dsl/optimizer", engine=engine, cache=False, num_retries=0)
    student = Steps(bench, base, held)
    trainset, valset = ([example_of(e, e.step) for e in part] for part in (train, validation))
    bench.progress.round_started(
        search.optimizer, len(train) + len(validation), most_of(search, trainset, valset, student)
    )
    with quiet(), dspy.context(lm=lm, adapter=dspy.ChatAdapter(), warn_on_type_mismatch=False):
        try:
            found = SEARCHES[search.optimizer](student, held, lm, trainset, valset, search)
        except Exception as failure:
            raise (held.failure or cause(failure) or failed(search.optimizer, failure)) from None
        finally:
            bench.progress.round_ended(search.optimizer)
    if held.failure:
        raise held.failure
    candidate: Candidate = found.candidate(search.optimizer)
    return candidate


@contextmanager
def quiet() -> Iterator[None]:
    """While dspy searches: what it prints and logs is for people who use it by itself."""
    log = logging.getLogger("dspy")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(level)


def cause(failure: BaseException) -> UserError | None:
    """What stopped a search, if it was ours."""
    seen: BaseException | None = failure
    while seen is not None:
        if isinstance(seen, UserError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def failed(name: str, failure: Exception) -> UserError:
    return UserError(f"dspy's {name} failed: {type(failure).__name__}: {str(failure)[:300]}", "try another --optimizer")


class Guarded:
    """A metric in dspy's form, and what guards a search: a failure of the metric, a budget or a server is kept, and
    every later call fails with it. dspy would count it as a score of nothing, and go on."""

    def __init__(self, score: Score) -> None:
        self.inner = score
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
        given = given_of(example, prediction)
        with self:
            return 0.0 if given is None else self.inner(expected(example), given)

    def feedback(self, gold: Any, pred: Any, trace: Any = None, name: Any = None, steps: Any = None) -> Any:
        """With what was wrong, for optimizers that read."""
        value = self.value(gold, pred)
        asked = steps or []
        rows = "\n".join(
            f"The text {json.dumps(inputs['text'], ensure_ascii=False)} was answered {plainly(said)}."
            for _, inputs, said in asked[:8]
        )
        right = json.dumps(expected(gold), ensure_ascii=False, default=str)
        told = f"{rows}\nThe right answer is {right}; the one given is {plainly(pred)}."
        return dspy.Prediction(score=value, feedback=f"{'Right.' if value >= 1 else 'Wrong.'} {told}")


def plainly(prediction: Any) -> str:
    held = {} if prediction is None else {k.removesuffix(SPARE): v for k, v in prediction.items()}
    return json.dumps(held, ensure_ascii=False, default=str)


def bootstrap(student: Steps, score: Guarded, lm: Any, train: Any, validation: Any, search: Search) -> Any:
    from dspy.teleprompt import BootstrapFewShot

    own = max(1, search.demos // 2)
    return BootstrapFewShot(
        metric=score, max_bootstrapped_demos=own, max_labeled_demos=search.demos, max_errors=1
    ).compile(student, trainset=train)


def random(student: Steps, score: Guarded, lm: Any, train: Any, validation: Any, search: Search) -> Any:
    from dspy.teleprompt import BootstrapFewShotWithRandomSearch

    return BootstrapFewShotWithRandomSearch(
        metric=score,
        max_bootstrapped_demos=max(1, search.demos // 2),
        max_labeled_demos=search.demos,
        num_candidate_programs=4 * search.effort,
        num_threads=search.threads,
        max_errors=1,
    ).compile(student, trainset=train, valset=validation)


def mipro(student: Steps, score: Guarded, lm: Any, train: Any, validation: Any, search: Search) -> Any:
    from dspy.teleprompt import MIPROv2

    return MIPROv2(
        metric=score,
        prompt_model=lm,
        task_model=lm,
        auto=None,
        num_candidates=3 * search.effort,
        max_bootstrapped_demos=max(1, search.demos // 2),
        max_labeled_demos=search.demos,
        num_threads=search.threads,
        max_errors=1,
        seed=search.seed,
    ).compile(
        student,
        trainset=train,
        valset=validation,
        num_trials=6 * search.effort,
        minibatch=False,
        seed=search.seed,
        program_aware_proposer=False,
    )


def simba(student: Steps, score: Guarded, lm: Any, train: Any, validation: Any, search: Search) -> Any:
    from dspy.teleprompt import SIMBA

    return SIMBA(
        metric=lambda example, prediction: score(example, prediction),
        bsize=min(16, len(train)),
        num_candidates=3,
        max_steps=2 * search.effort,
        max_demos=min(8, search.demos),
        num_threads=search.threads,
    ).compile(student, trainset=train, seed=search.seed)


def gepa(student: Steps, score: Guarded, lm: Any, train: Any, validation: Any, search: Search) -> Any:
    return dspy.GEPA(
        metric=score.feedback,
        max_metric_calls=most_metric_calls(len(validation), search),
        reflection_minibatch_size=min(8, len(train)),
        reflection_lm=lm,
        num_threads=search.threads,
        seed=search.seed,
        warn_on_score_mismatch=False,
    ).compile(student, trainset=train, valset=validation)


def most_of(search: Search, train: Any, validation: Any, student: Steps) -> int:
    return most_questions(search.optimizer, len(train), len(validation), len(student.steps), search.effort)


def most_questions(optimizer: str, train: int, validation: int, steps: int, effort: int) -> int:
    """How many answers a search wants at most, of rows or runs and for proposals."""
    v, t, size = validation, train, min(16, train)
    return {
        "bootstrap": t,
        "random": (4 * effort + 3) * v + (4 * effort + 1) * t,
        "mipro": (6 * effort + 2) * v + 3 * effort * t + 12 * effort * steps + 30,
        "simba": 2 * effort * (size * 7 + 3) + 4 * t,
        "gepa": most_metric_calls(v, Search("gepa", effort=effort)) + 2 * v + 60 * effort,
    }[optimizer]


def most_metric_calls(validation: int, search: Search) -> int:
    return (4 * validation + 80) * search.effort


SEARCHES: Mapping[str, Any] = {
    "bootstrap": bootstrap,
    "random": random,
    "mipro": mipro,
    "simba": simba,
    "gepa": gepa,
}
