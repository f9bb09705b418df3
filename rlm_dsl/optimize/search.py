"""The search for a better program, stage by stage: order, prompts, variants, prefilters, cascades.

In: a job, its examples, an evaluator. Out: candidates with their points on the validation examples, and notes.
Law: a stage begins with the best candidate of the one before it; none looks at the test examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.certify import Target, fit_cascade, split_in_halves
from rlm_dsl.optimize.cost import cost_of, cost_text, point_of
from rlm_dsl.optimize.evaluator import Evaluator, Trial
from rlm_dsl.optimize.examples import Labelled, Splits
from rlm_dsl.optimize.halving import successive_halving
from rlm_dsl.optimize.job import OptimizationJob
from rlm_dsl.optimize.metric import Score
from rlm_dsl.optimize.optimizers import SearchOptions
from rlm_dsl.optimize.pareto import Point, pick
from rlm_dsl.optimize.program_changes.keep_order import reorder_keeps
from rlm_dsl.optimize.program_changes.prefilter import find_prefilter, with_prefilter
from rlm_dsl.optimize.program_changes.variants import variants_of
from rlm_dsl.optimize.steps import Tunable


class Search:
    """A search at work: every candidate that was tried, by its origin, and what there is to say of it."""

    def __init__(
        self, job: OptimizationJob, evaluator: Evaluator, score: Score, examples: Sequence[Labelled], splits: Splits
    ) -> None:
        self.job, self.evaluator, self.score = job, evaluator, score
        self.examples, self.splits = examples, splits
        self.tried: dict[str, tuple[Candidate, Point]] = {}
        self.notes: list[str] = []

    def run(self, base: Candidate) -> Candidate:
        """Every stage that the job asks for; the candidate that its rule picks."""
        self.try_out(base)
        best = self.search_prompts(self.reorder(base))
        if self.job.variants:
            best = self.search_variants(best)
        if self.job.target is not None:
            self.fit_cascades(best, self.job.target)
        return self.tried[pick(self.points, self.job.pick).name][0]

    @property
    def points(self) -> list[Point]:
        return [point for _, point in self.tried.values()]

    def evaluate(self, candidate: Candidate, examples: Sequence[Labelled]) -> tuple[Trial, list[float]]:
        """A trial, and the score of each example in it."""
        trial = self.evaluator.evaluate(candidate, examples)
        pairs = zip(examples, trial.answers, strict=True)
        return trial, [0.0 if answer is None else self.score(e.answer, answer) for e, answer in pairs]

    def try_out(self, candidate: Candidate) -> None:
        """A candidate on the validation examples."""
        point = point_of(candidate.origin, *self.evaluate(candidate, self.splits.validation), self.job.settings)
        self.tried.setdefault(candidate.origin, (candidate, point))
        cost = cost_text(point.cost, self.job.settings)
        self.job.notify(f"{candidate.origin}: {point.score:.3f}, {cost} for 1,000")

    def best(self) -> Candidate:
        """What scores best on validation, the cheaper among equals."""
        return min(self.tried.values(), key=lambda each: (-each[1].score, each[1].cost, each[1].name))[0]

    def note(self, line: str) -> None:
        self.notes.append(line)
        self.job.notify(line)

    # ---- stages ----

    def reorder(self, base: Candidate) -> Candidate:
        labelled = [*self.splits.train, *self.splits.validation]
        text, change = reorder_keeps(base.text, self.evaluator.steps(), labelled)
        if not change:
            return base
        self.note(change)
        return replace(base, text=text, origin="reordered")

    def search_prompts(self, base: Candidate) -> Candidate:
        """Other instructions and examples, by each optimizer."""
        from rlm_dsl.optimize.prompt_search.search import search_prompts

        job, splits = self.job, self.splits
        if base.origin not in self.tried:
            self.try_out(base)
        for name in job.optimizers:
            job.notify(f"{name} searches")
            options = SearchOptions(name, job.seed, job.effort, job.demos)
            found = search_prompts(self.evaluator, base, splits.train, splits.validation, self.score, options)
            if found.program_text() == base.program_text():
                self.note(f"{name} found nothing better than the program as it is")
            else:
                self.try_out(found)
        return self.best()

    def search_variants(self, best: Candidate) -> Candidate:
        """Other models, several rows a call, other chunks: a grid, halved on what is learnt from; then a prefilter."""
        steps = self.evaluator.steps(best.program_text())
        grid = variants_of(best, steps, self.examples, self.job.settings)
        for found in successive_halving(grid, self.splits.train, self.score_and_cost) if grid else []:
            self.try_out(found)
        return self.prefilter(self.best())

    def score_and_cost(self, candidate: Candidate, examples: Sequence[Labelled]) -> tuple[float, float]:
        trial, scores = self.evaluate(candidate, examples)
        return sum(scores) / len(scores), -cost_of(trial, self.job.settings)

    def prefilter(self, best: Candidate) -> Candidate:
        """Tries a prefilter before each step; hands back the candidate that it was given."""
        for name, step in self.evaluator.steps(best.program_text()).items():
            found = find_prefilter(step, self.splits.train, self.splits.validation)
            if found is not None:
                text = with_prefilter(best.text, step, found)
                if text != best.text:
                    self.notes.append(f"{name}: {found}")
                    prefilters = {**best.prefilters, name: found.pattern}
                    origin = f"{best.origin}, {name} prefiltered"
                    self.try_out(replace(best, text=text, prefilters=prefilters, origin=origin))
        return best

    def fit_cascades(self, best: Candidate, target: Target) -> None:
        """Each step with a closed set of answers, decided by a proxy where it is sure."""
        steps = self.evaluator.steps(best.program_text())
        stored = self.evaluator.stored_answers(best)
        learn, certify = (self.answers(best, part) for part in (self.splits.train, self.splits.validation))
        held_out = {(e.step, e.text) for e in self.splits.test}
        for name, step in steps.items():
            if step.labels is None or not can_cascade(step, target):
                self.notes.append(f"{name}: no cascade with {target} is possible for such answers")
                continue
            field = step.result.fields[0].name
            unlabelled = ((t, a[field]) for t, a in stored.get(name, {}).items() if (name, t) not in held_out)
            learnt_from, certified_on = (
                {**dict(pairs), **{t: each[field] for t, each in labelled.get(name, {}).items()}}
                for pairs, labelled in zip(split_in_halves(unlabelled), (learn, certify), strict=True)
            )
            proxy = fit_cascade(learnt_from, certified_on, step.labels, target, self.job.seed)
            if proxy is None:
                counts = f"{len(learnt_from)} and {len(certified_on)} answers"
                self.note(f"{name}: no cascade can be certified for {target} from {counts}")
                continue
            certificate = proxy.certificate
            self.notes.append(
                f"{name}: the cascade decides {certificate['decided']} of {certificate['rows']} rows, "
                f"{certificate['wrong']} unlike the model ({target}, delta {certificate['delta']})"
            )
            found = best.with_arguments(step, f"{best.origin}, {name} in a cascade", proxy=proxy.digest)
            self.try_out(replace(found, proxies={**found.proxies, proxy.digest: proxy.as_json()}))

    def answers(self, candidate: Candidate, examples: Sequence[Labelled]) -> dict[str, dict[str, Any]]:
        """The model's answers about labelled rows, by step and text."""
        rows = [example for example in examples if example.step]
        found: dict[str, dict[str, Any]] = {}
        for example, answer in zip(rows, self.evaluator.evaluate(candidate, rows).answers, strict=True):
            if answer is not None:
                found.setdefault(example.step, {})[example.text] = answer
        return found


def can_cascade(step: Tunable, target: Target) -> bool:
    """Whether a proxy can answer in a step's place: from a closed set, and for recall by truth values."""
    parameters = {p.name for p in table_operators()[step.call.partition("[")[0]].parameters}
    labels = step.labels or ()
    return bool(labels) and "proxy" in parameters and (target.kind != "recall" or False in labels)
