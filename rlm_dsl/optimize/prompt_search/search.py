"""dspy's optimizers at work on a program.

In: an evaluator, labelled examples, an optimizer's name. Out: a candidate with other instructions and examples.
Law: dspy searches and never asks: rows are asked by the evaluator, as a run asks them; what optimizers ask on their own
account goes through an engine over the same models, store and budget.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

import dspy

from rlm_dsl.common.cost_map import keep_cost_map_local
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.evaluator import Evaluator
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.metric import Score
from rlm_dsl.optimize.optimizers import SearchOptions, most_answers
from rlm_dsl.optimize.prompt_search.borrowed import Borrowed
from rlm_dsl.optimize.prompt_search.dspy_optimizers import COMPILE
from rlm_dsl.optimize.prompt_search.guarded_metric import GuardedMetric
from rlm_dsl.optimize.prompt_search.predictors import example_of
from rlm_dsl.optimize.prompt_search.program_module import ProgramModule
from rlm_dsl.optimize.prompt_search.proposer import ProposerEngine


def search_prompts(
    evaluator: Evaluator,
    base: Candidate,
    train: Sequence[Labelled],
    validation: Sequence[Labelled],
    score: Score,
    options: SearchOptions,
    borrowed: Borrowed,
) -> Candidate:
    """The candidate that an optimizer comes to. Raises UserError: budget, server, a metric that raises."""
    keep_cost_map_local()
    metric = GuardedMetric(score)
    engine = ProposerEngine(evaluator, metric, borrowed)
    lm = dspy.LM("rlm-dsl/optimizer", engine=engine, cache=False, num_retries=0)
    student = ProgramModule(evaluator, base, metric, borrowed)
    trainset, valset = ([example_of(e, e.step) for e in part] for part in (train, validation))
    most = most_answers(options.optimizer, len(trainset), len(valset), len(student.steps), options.effort)
    evaluator.progress.round_started(options.optimizer, len(train) + len(validation), most)
    with quiet(), dspy.context(lm=lm, adapter=dspy.ChatAdapter(), warn_on_type_mismatch=False):
        try:
            found = COMPILE[options.optimizer](student, metric, lm, trainset, valset, options)
        except Exception as failure:
            raise (metric.failure or user_error_in(failure) or search_failure(options.optimizer, failure)) from None
        finally:
            evaluator.progress.round_ended(options.optimizer)
    if metric.failure:
        raise metric.failure
    candidate: Candidate = found.candidate(options.optimizer)
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


def user_error_in(failure: BaseException) -> UserError | None:
    """What stopped a search, if it was ours."""
    seen: BaseException | None = failure
    while seen is not None:
        if isinstance(seen, UserError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def search_failure(name: str, failure: Exception) -> UserError:
    return UserError(f"dspy's {name} failed: {type(failure).__name__}: {str(failure)[:300]}", "try another --optimizer")
