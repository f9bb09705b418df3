"""The search for a better program, stage by stage: order, prompts, variants, prefilters, cascades.

In: a job, its examples, an evaluator. Out: candidates with their points on the validation examples, and notes.
Law: a stage begins with the best candidate of the one before it; none looks at the test examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.models.small_model import SmallModel
from rlm_dsl.optimize.bounds import FIRST, Bounds, require_seconds
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.certify import RECHECK, Target, fit_cascade, fit_small_model, split_in_halves
from rlm_dsl.optimize.cost import Cost, cost_in, per_thousand, unit_of
from rlm_dsl.optimize.evaluator import Evaluator, Trial
from rlm_dsl.optimize.examples import Labelled, Splits
from rlm_dsl.optimize.halving import successive_halving
from rlm_dsl.optimize.job import OptimizationJob
from rlm_dsl.optimize.metric import GRADED, WHOLE, Score
from rlm_dsl.optimize.optimizers import SearchOptions
from rlm_dsl.optimize.pareto import Point, pick, slower
from rlm_dsl.optimize.program_changes.keep_order import reorder_keeps
from rlm_dsl.optimize.program_changes.label_weights import fitted_weights
from rlm_dsl.optimize.program_changes.prefilter import find_prefilter, with_prefilter
from rlm_dsl.optimize.program_changes.variants import variants_of
from rlm_dsl.optimize.provable import require_provable_after
from rlm_dsl.optimize.steps import Tunable
from rlm_dsl.optimize.tuned import certificate_words

IN_TOKENS = (
    "costs are counted in tokens: how long the answers took that were known before is not known, and could not be "
    "measured; a slower model may seem cheaper"
)


def seconds_of_thousand(trial: Trial, examples: int) -> float | None:
    """How long the calls of 1,000 rows or runs take one after the other; None where no call was timed."""
    if trial.seconds is None:
        return None
    small = 0.0 if trial.small is None else (trial.small.seconds or 0.0) * 1000 / examples
    return trial.seconds * per_thousand(trial, examples) + small


class Search:
    """A search at work: every candidate that was tried, by its origin, and what there is to say of it. One that was
    `under_way` when it was stopped goes on, however long that may take: each time as far as the budget lasts."""

    def __init__(
        self,
        job: OptimizationJob,
        evaluator: Evaluator,
        score: Score,
        examples: Sequence[Labelled],
        splits: Splits,
        bounds: Bounds,
        *,
        under_way: bool = False,
    ) -> None:
        self.job, self.evaluator, self.score = job, evaluator, score
        self.examples, self.splits, self.bounds = examples, splits, bounds
        self.tried: dict[str, tuple[Candidate, Point]] = {}
        self.notes: list[str] = []
        self.graded = job.metric in GRADED
        self.why = ""
        self.counted: Cost | None = None
        self.under_way = under_way

    def run(self, base: Candidate) -> Candidate:
        """Every stage that the job asks for; the candidate that its rule picks."""
        self.begin(base)
        best = self.search_prompts(self.reorder(base))
        if self.job.variants:
            best = self.fit_weights(self.search_variants(best))
        if self.job.target is not None:
            self.fit_cascades(best, self.job.target)
        chosen = pick(self.points, self.job.pick)
        self.why = chosen.why
        for line in chosen.passed:
            self.note(line)
        self.job.notify(f"picked: {chosen.point.name}, {chosen.why}")
        self.tell_cascades_passed(chosen.point)
        if self.cost.unit != "seconds" and (told := slower(self.points[0], chosen.point)):
            self.note(told)
        return self.tried[chosen.point.name][0]

    def begin(self, base: Candidate) -> None:
        """The program as it is, on the validation examples: what counts as cost, what the rest may take, and whether
        anything can still be proved, are known by it."""
        used = [step.using for step in self.evaluator.steps(base.text).values()]
        unit = unit_of(self.job.settings, used, self.job.cost)
        self.evaluator.measures = unit == "seconds"
        trial, scores = self.evaluate(base, self.splits.validation)
        self.counted = cost_in(unit, self.job.settings, trial)
        if self.counted.unit != unit:
            self.note(IN_TOKENS)
        self.note_point(base, trial, scores)
        if not self.graded:
            require_provable_after(scores, len(self.splits.test), self.job.confirm)
        left = self.bounds.total - self.bounds.questions[FIRST]
        if not self.under_way:
            require_seconds(self.job.settings, left, self.evaluator.seconds.values())

    @property
    def cost(self) -> Cost:
        assert self.counted is not None
        return self.counted

    @property
    def points(self) -> list[Point]:
        return [point for _, point in self.tried.values()]

    def evaluate(self, candidate: Candidate, examples: Sequence[Labelled]) -> tuple[Trial, list[float]]:
        """A trial, and the score of each example in it."""
        trial = self.evaluator.evaluate(candidate, examples)
        pairs = zip(examples, trial.answers, strict=True)
        scores = [0.0 if answer is None else self.score(e.answer, answer) for e, answer in pairs]
        if self.job.metric not in WHOLE:
            self.graded = self.graded or any(score not in (0, 1) for score in scores)
        return trial, scores

    def try_out(self, candidate: Candidate) -> None:
        """A candidate on the validation examples."""
        self.note_point(candidate, *self.evaluate(candidate, self.splits.validation))

    def note_point(self, candidate: Candidate, trial: Trial, scores: Sequence[float]) -> None:
        point = self.point_of(candidate, trial, scores)
        self.tried.setdefault(candidate.origin, (candidate, point))
        lapsed = ", which asks no less often than row by row" if point.lapsed else ""
        self.job.notify(f"{candidate.origin}: {point.score:.3f}, {self.cost.text(point.cost)} for 1,000{lapsed}")

    def point_of(self, candidate: Candidate, trial: Trial, scores: Sequence[float]) -> Point:
        """A trial's mean score with what 1,000 rows or runs cost and take."""
        thousand = per_thousand(trial, len(scores))
        return Point(
            candidate.origin,
            sum(scores) / len(scores),
            self.cost.of_thousand(trial, len(scores)),
            trial.requests * thousand + (0 if trial.small is None else trial.small.requests * 1000 / len(scores)),
            seconds_of_thousand(trial, len(scores)),
            scores=tuple(scores),
            lapsed=trial.lapsed,
        )

    def best(self) -> Candidate:
        """What scores best on validation and is worth its cost."""
        return self.tried[pick(self.points, "best").point.name][0]

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
        from rlm_dsl.optimize.prompt_search.borrowed import Borrowed, told
        from rlm_dsl.optimize.prompt_search.search import search_prompts

        job, splits = self.job, self.splits
        if base.origin not in self.tried:
            self.try_out(base)
        for name in job.optimizers:
            job.notify(f"{name} searches")
            options = SearchOptions(name, job.seed, job.effort, job.demos)
            borrowed = Borrowed(example.text for example in (*splits.train, *splits.validation))
            found = search_prompts(self.evaluator, base, splits.train, splits.validation, self.score, options, borrowed)
            if borrowed.refused:
                self.note(f"{name}: {told([*borrowed.refused.items()])}")
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

    def score_and_cost(self, candidate: Candidate, examples: Sequence[Labelled]) -> tuple[bool, float, float]:
        """What ranks candidates: one whose packs lapse comes after all others, so that smaller packs go on."""
        trial, scores = self.evaluate(candidate, examples)
        return not trial.lapsed, sum(scores) / len(scores), -self.cost.of(trial)

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

    def fit_weights(self, best: Candidate) -> Candidate:
        """Each step whose labels are read by probability, with weights as the labelled texts say."""
        train = self.splits.train
        for name, step in self.evaluator.steps(best.program_text()).items():
            own = {e.text: e.answer for e in train if e.step == name}
            odds = self.evaluator.held_probable(best, name, list(own)) if own else {}
            field = step.result.fields[0].name
            right = [own[text][field] if isinstance(own[text], Mapping) else own[text] for text in odds]
            if weights := fitted_weights(list(odds.values()), right):
                self.try_out(best.with_arguments(step, f"{best.origin}, {name} weighed", weights=weights))
        return self.best()

    def fit_cascades(self, best: Candidate, target: Target) -> None:
        """Each step with a closed set of answers, decided by a proxy where it is sure."""
        steps = self.evaluator.steps(best.program_text())
        stored = self.evaluator.stored_answers(best)
        learn, certify = (self.answers(best, part) for part in (self.splits.train, self.splits.validation))
        held_out = {(e.step, e.text) for e in self.splits.test}
        for name, step in steps.items():
            if step.labels is None or not can_cascade(step, target):
                self.note(f"{name}: no cascade with {target} is possible for such answers")
                continue
            field = step.result.fields[0].name
            unlabelled = ((t, a[field]) for t, a in stored.get(name, {}).items() if (name, t) not in held_out)
            learnt_from, certified_on = (
                {**dict(pairs), **{t: each[field] for t, each in labelled.get(name, {}).items()}}
                for pairs, labelled in zip(split_in_halves(unlabelled), (learn, certify), strict=True)
            )
            proxy = (
                fit_cascade(learnt_from, certified_on, step.labels, target, self.job.seed)
                if self.job.small is None
                else self.by_small_model(best, step, step.labels, certified_on, target)
            )
            if proxy is None:
                counts = f"{len(learnt_from)} and {len(certified_on)} answers"
                self.note(f"{name}: no cascade can be certified for {target} from {counts}")
                continue
            self.note(f"{name}: its proxy {': '.join(certificate_words(proxy.certificate))}")
            found = best.with_arguments(step, f"{best.origin}, {name} in a cascade", proxy=proxy.digest)
            self.try_out(replace(found, proxies={**found.proxies, proxy.digest: proxy.as_json()}))

    def tell_cascades_passed(self, chosen: Point) -> None:
        """A cascade that was asked for, could be certified, and is not taken."""
        if self.tried[chosen.name][0].proxies:
            return
        for candidate, point in self.tried.values():
            if candidate.proxies:
                self.note(
                    f"the cascade that was asked for is not taken: {point.name} scores {point.score:.3f} for "
                    f"{self.cost.text(point.cost)}, {chosen.name} {chosen.score:.3f} for "
                    f"{self.cost.text(chosen.cost)}; --pick chooses otherwise"
                )

    def by_small_model(
        self,
        best: Candidate,
        step: Tunable,
        labels: Sequence[str | bool],
        certify: Mapping[str, str | bool],
        target: Target,
    ) -> SmallModel | None:
        """The smaller model with thresholds certified on what the step's own model answers."""
        assert self.job.small is not None
        small = SmallModel(
            tuple(labels), self.job.small, 1, False, (None,) * len(labels), "1", str(target.delta), RECHECK, {}
        )
        said = self.evaluator.said_by_small(best, step.name, small, sorted(certify))
        return fit_small_model(small, said, certify, target)

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
