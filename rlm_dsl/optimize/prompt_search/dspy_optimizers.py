"""dspy's optimizers, each set up to ask no more than its bound.

In: a program as a module, a metric, examples, options. Out: the module that an optimizer comes to. Law: the same seed
and answers give the same module; what each may ask is in `optimizers.most_answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dspy

from rlm_dsl.optimize.optimizers import SearchOptions, gepa_metric_calls
from rlm_dsl.optimize.prompt_search.guarded_metric import GuardedMetric
from rlm_dsl.optimize.prompt_search.program_module import ProgramModule


def bootstrap(
    student: ProgramModule, metric: GuardedMetric, lm: Any, train: Any, validation: Any, options: SearchOptions
) -> Any:
    from dspy.teleprompt import BootstrapFewShot

    own = max(1, options.demos // 2)
    return BootstrapFewShot(
        metric=metric, max_bootstrapped_demos=own, max_labeled_demos=options.demos, max_errors=1
    ).compile(student, trainset=train)


def random(
    student: ProgramModule, metric: GuardedMetric, lm: Any, train: Any, validation: Any, options: SearchOptions
) -> Any:
    from dspy.teleprompt import BootstrapFewShotWithRandomSearch

    return BootstrapFewShotWithRandomSearch(
        metric=metric,
        max_bootstrapped_demos=max(1, options.demos // 2),
        max_labeled_demos=options.demos,
        num_candidate_programs=4 * options.effort,
        num_threads=options.threads,
        max_errors=1,
    ).compile(student, trainset=train, valset=validation)


def mipro(
    student: ProgramModule, metric: GuardedMetric, lm: Any, train: Any, validation: Any, options: SearchOptions
) -> Any:
    from dspy.teleprompt import MIPROv2

    return MIPROv2(
        metric=metric,
        prompt_model=lm,
        task_model=lm,
        auto=None,
        num_candidates=3 * options.effort,
        max_bootstrapped_demos=max(1, options.demos // 2),
        max_labeled_demos=options.demos,
        num_threads=options.threads,
        max_errors=1,
        seed=options.seed,
    ).compile(
        student,
        trainset=train,
        valset=validation,
        num_trials=6 * options.effort,
        minibatch=False,
        seed=options.seed,
        program_aware_proposer=False,
    )


def simba(
    student: ProgramModule, metric: GuardedMetric, lm: Any, train: Any, validation: Any, options: SearchOptions
) -> Any:
    from dspy.teleprompt import SIMBA

    return SIMBA(
        metric=lambda example, prediction: metric(example, prediction),
        bsize=min(16, len(train)),
        num_candidates=3,
        max_steps=2 * options.effort,
        max_demos=min(8, options.demos),
        num_threads=options.threads,
    ).compile(student, trainset=train, seed=options.seed)


def gepa(
    student: ProgramModule, metric: GuardedMetric, lm: Any, train: Any, validation: Any, options: SearchOptions
) -> Any:
    return dspy.GEPA(
        metric=metric.feedback,
        max_metric_calls=gepa_metric_calls(len(validation), options.effort),
        reflection_minibatch_size=min(8, len(train)),
        reflection_lm=lm,
        num_threads=options.threads,
        seed=options.seed,
        warn_on_score_mismatch=False,
    ).compile(student, trainset=train, valset=validation)


COMPILE: Mapping[str, Callable[..., Any]] = {
    "bootstrap": bootstrap,
    "random": random,
    "mipro": mipro,
    "simba": simba,
    "gepa": gepa,
}
