"""An optimization from labels to a tuned program: bounded, searched, measured once on what no search saw.

In: a program, contexts, labelled examples, settings. Out: a tuned program with its scores, or the news that none is
proved; and a record of every call. Law: no choice looks at the test examples; they are asked about once, by the program
as it is and by the one result, after everything is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.run import RunLog, header_of, redaction_of, run_log, spent_of, writing
from rlm_dsl.engine.run_trace import write_calls
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.types import Table
from rlm_dsl.models.budget import Amount
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.recording import Call, call_rows
from rlm_dsl.models.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, LiveStack, approve_all
from rlm_dsl.optimize.bench import Bench, Candidate, Times, Tried
from rlm_dsl.optimize.certify import Target, cascade_of, halves
from rlm_dsl.optimize.changes import (
    by_alias,
    halved,
    keeps_reordered,
    most_halving,
    other_chunks,
    prefilter,
    together,
    with_call,
    with_prefilter,
)
from rlm_dsl.optimize.examples import Labelled, read_examples, split
from rlm_dsl.optimize.front import Point, front, picked
from rlm_dsl.optimize.metric import Score, metric
from rlm_dsl.optimize.statistics import Interval, paired_gain
from rlm_dsl.optimize.tuned import Tuned, TunedCall, program_digest
from rlm_dsl.trace.journal import journaled

SCHEMA = "rlm-optimization/1"
REPORT = "report.json"
SECONDS = "seconds.json"
SAMPLED, EXAMPLE_TOKENS, ANSWER_TOKENS = 100, 15, 60
"""For the estimate: rows looked at, what an example takes beside its text, what an answer takes."""
WORSE = 0.05
"""A cheaper program counts as proved where its score is not worse by more than this, with a certainty of 95 %."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to optimize, by what, how far. `optimizers` are tried one after the other; `target` asks for cascades;
    `load` makes a context of a path that a whole-run example names; `told` gets a line whenever there is news."""

    source: Source
    contexts: Mapping[str, Context]
    params: Mapping[str, Any]
    examples: Path
    settings: Settings
    keys: Keys
    folder: Path
    progress: Progress
    load: Callable[[str, str, Table | None], Context]
    metric: str = "exact"
    optimizers: Sequence[str] = ("mipro",)
    seed: int = 0
    effort: int = 1
    demos: int = 16
    changes: bool = True
    target: Target | None = None
    pick: str = "best"
    told: Callable[[str], None] = field(default=lambda line: None)
    approve: Approve = approve_all


@dataclass(frozen=True, slots=True)
class Optimized:
    """What came of it. `tuned` is there also where nothing is proved; whoever writes it then says so."""

    tuned: Tuned
    proved: bool
    report: Mapping[str, Any]


def optimize(wish: Wish) -> Optimized:
    """Raises UserError before anything is asked: examples, metric, optimizer, budget; and for what ends a search: the
    budget, a server, a metric that raises."""
    score = metric(wish.metric)
    redaction = redaction_of(wish.keys, wish.settings)
    header = {
        **header_of(wish.contexts, wish.params, wish.settings.by_alias(), wish.settings, {}),
        "schema": SCHEMA,
    }
    known = answers_of_stopped(wish.folder, header)
    seconds = times(wish.folder)
    with run_log(wish.folder, redaction, known, "the same command again") as log:
        log.begin({"program": wish.source.text}, header, known)
        tell = Times(log.tell, seconds).tell
        opened = live_calls(
            wish.settings, wish.keys, tell, redaction.redact, None, None, wish.approve, known, log.note
        )
        with opened as calls:
            wish.progress.watch(calls.models.spent)
            bench = Bench(
                wish.source, wish.contexts, wish.params, wish.settings, calls, wish.progress, wish.load, seconds
            )
            try:
                found = Optimization(wish, bench, score).result()
            finally:
                bench.close()
                keep_times(wish.folder, seconds)
            return sealed(wish, found, calls.models, log)


def answers_of_stopped(folder: Path, header: Mapping[str, Any]) -> KnownAnswers:
    """The answers of an optimization that was stopped, to go on with."""
    rows = journaled(folder)
    if not rows:
        return NONE_KNOWN
    live = [Call.from_json(row).answer for row in rows if row["origin"] == "live"]
    spent = Amount(sum(a.prompt_tokens or 0 for a in live), sum(a.completion_tokens or 0 for a in live))
    return KnownAnswers(
        {row["key"]: row["answer"] for row in rows},
        {row["key"]: row["origin"] for row in rows},
        len(live),
        spent,
        header=header,
    )


def times(folder: Path) -> dict[str, float]:
    with suppress(OSError, ValueError):
        return dict(json.loads((folder / SECONDS).read_text()))
    return {}


def keep_times(folder: Path, seconds: Mapping[str, float]) -> None:
    with suppress(OSError):
        (folder / SECONDS).write_text(json.dumps({key: round(value, 4) for key, value in seconds.items()}) + "\n")


def sealed(wish: Wish, found: Optimized, models: LiveStack, log: RunLog) -> Optimized:
    """The record, closed: the report, the tuned program, every call."""
    spent = spent_of(models.recording, wish.settings)
    report = {**found.report, "spent": {**spent.as_event(), "seconds": round(log.seconds, 2)}}
    assert log.writer is not None
    with writing(log.writer):
        rows = call_rows(models.recording.calls.values())
        log.writer.end({"outcome": "answered", **spent.as_event(), "seconds": log.seconds}, rows)
        log.writer.write_text("program.rlm", wish.source.text)
        log.writer.write_text("tuned.yaml", found.tuned.yaml())
        log.writer.write_json(REPORT, report)
        write_calls(log.writer, rows)
        log.writer.seal()
    return replace(found, report=report)


class Optimization:
    """One optimization at work: everything that was tried, and what came of it."""

    def __init__(self, wish: Wish, bench: Bench, score: Score) -> None:
        self.wish, self.bench, self.score = wish, bench, score
        self.steps = bench.steps()
        self.examples = read_examples(wish.examples, self.steps)
        self.parts = split(self.examples)
        self.tried: dict[str, tuple[Candidate, Tried, list[float], Point]] = {}
        self.notes: list[str] = []

    def result(self) -> Optimized:
        wish, parts = self.wish, self.parts
        bound = self.bounded()
        most = sum(bound.values())
        wish.told(
            f"{len(self.examples)} examples: {len(parts.train)} to learn from, {len(parts.validation)} to choose by, "
            f"{len(parts.test)} for the score; at most {most:,} questions, {self.worth(most)}"
        )
        base = Candidate(wish.source.text)
        self.try_out(base)
        best = self.words(self.reordered(base))
        if wish.changes:
            best = self.changed(best)
        if wish.target is not None:
            self.cascaded(best, wish.target)
        points = [point for _, _, _, point in self.tried.values()]
        return self.judged(base, self.tried[picked(points, wish.pick).name][0], points, bound)

    # ---- bounds ----

    def bounded(self) -> dict[str, int]:
        """How many answers each part of the search wants at most. Raises UserError where the budget has less."""
        from rlm_dsl.optimize.words import SEARCHES, most_questions

        wish, parts = self.wish, self.parts
        if unknown := [name for name in wish.optimizers if name not in SEARCHES]:
            raise UserError(f"there is no optimizer `{unknown[0]}`", f"there are: {', '.join(SEARCHES)}")
        if not self.steps:
            raise UserError("the program has no step that could be tuned", "classify, ask and keep can be")
        train, validation, test = len(parts.train), len(parts.validation), len(parts.test)
        found = {"the program as it is": validation}
        for name in wish.optimizers:
            asked = most_questions(name, train, validation, len(self.steps), wish.effort)
            found[name] = asked + validation
        if wish.changes:
            variants = len(self.variants(Candidate(wish.source.text)))
            found["changes"] = most_halving(variants, train) + 3 * validation
        if wish.target is not None:
            found["cascade"] = train + validation
        found["test"] = 2 * test
        each = self.calls_of_a_run()
        found = {name: count * each for name, count in found.items()}
        if sum(found.values()) > wish.settings.limits.calls:
            told = ", ".join(f"{count:,} for {name}" for name, count in found.items())
            whole, most = sum(found.values()), wish.settings.limits.calls
            raise UserError(
                f"this may ask {whole:,} questions, and the budget is {most:,}: {told}",
                f"--budget calls={whole}, fewer examples, or --optimizer bootstrap, which asks least",
                code="budget",
            )
        return found

    def worth(self, questions: int) -> str:
        """About what so many questions cost, from the rows' own prompts with as many examples as a step may show.
        Raises UserError where the budget has less."""
        steps = self.bench.rounds(self.wish.source.text)
        rows = [e for e in self.examples if e.step] or [Labelled(next(iter(steps)), "x" * 400, None)]
        usd: float | None = 0.0
        tokens = 0
        for name, (_, round_) in steps.items():
            own = [e for e in rows if e.step == name][:SAMPLED]
            if not own:
                continue
            sizes = [round_.request(e.text).prompt_tokens for e in own]
            shown = self.wish.demos * (sum(len(e.text) for e in own) / len(own) / 4 + EXAMPLE_TOKENS)
            given = questions * (sum(sizes) / len(sizes) + shown) / max(1, len({e.step for e in rows}))
            answered = questions * ANSWER_TOKENS / max(1, len({e.step for e in rows}))
            tokens += round(given + answered)
            price = self.wish.settings.price_of(round_.settings.model)
            usd = None if usd is None or price is None else usd + price.of(round(given), round(answered))
        limits = self.wish.settings.limits
        told = f"about {tokens:,} tokens" + ("" if usd is None else f", ${usd:,.2f}")
        if tokens > limits.tokens or (usd is not None and limits.usd is not None and usd > limits.usd):
            raise UserError(
                f"this may take {told}, which is more than the budget has", "--budget tokens=N,usd=X", code="budget"
            )
        return told

    def calls_of_a_run(self) -> int:
        """How many questions an example stands for: one, or those of a whole run, where they are known before."""
        if all(example.step for example in self.examples):
            return 1
        most = self.bench.most_calls()
        if most is None:
            self.notes.append("how much a whole run asks is not known beforehand: the budget alone bounds it")
        return most or 1

    # ---- trying ----

    def measured(self, candidate: Candidate, examples: Sequence[Labelled]) -> tuple[Tried, list[float]]:
        tried = self.bench.tried(candidate, examples)
        pairs = zip(examples, tried.answers, strict=True)
        return tried, [0.0 if given is None else self.score(e.answer, given) for e, given in pairs]

    def try_out(self, candidate: Candidate) -> Point:
        """A candidate on the validation examples: a point of the front."""
        tried, scores = self.measured(candidate, self.parts.validation)
        point = self.point(candidate.origin, tried, scores)
        self.tried.setdefault(candidate.origin, (candidate, tried, scores, point))
        self.wish.told(f"{candidate.origin}: {point.score:.3f}, {self.costly(point.cost)} for 1,000")
        return point

    def point(self, name: str, tried: Tried, scores: Sequence[float]) -> Point:
        thousand = per_thousand(tried, len(scores))
        seconds = None if tried.seconds is None else tried.seconds * thousand
        mean = sum(scores) / len(scores)
        return Point(name, mean, self.cost(tried) * thousand, tried.requests * thousand, seconds)

    def cost(self, tried: Tried) -> float:
        """Dollars where every model's price is known, else tokens."""
        prices = [self.wish.settings.price_of(each.model) for each in tried.usage]
        if not self.priced:
            return float(tried.tokens)
        known = zip(tried.usage, prices, strict=True)
        return sum(p.of(u.prompt_tokens, u.completion_tokens) for u, p in known if p is not None)

    @property
    def priced(self) -> bool:
        models = self.wish.settings.by_alias().values()
        return all(self.wish.settings.price_of(each.model) is not None for each in models)

    def costly(self, cost: float) -> str:
        return f"${cost:,.4f}" if self.priced else f"{cost:,.0f} tokens"

    def best(self) -> Candidate:
        """What scores best on validation, the cheaper among equals."""
        return min(self.tried.values(), key=lambda each: (-each[3].score, each[3].cost, each[3].name))[0]

    # ---- searching ----

    def reordered(self, base: Candidate) -> Candidate:
        labelled = [*self.parts.train, *self.parts.validation]
        text, told = keeps_reordered(base.text, self.steps, labelled)
        if not told:
            return base
        self.notes.append(told)
        self.wish.told(told)
        return replace(base, text=text, origin="reordered")

    def words(self, base: Candidate) -> Candidate:
        """Other words and examples, by each optimizer."""
        from rlm_dsl.optimize.words import Search, optimized

        wish, parts = self.wish, self.parts
        if base.origin not in self.tried:
            self.try_out(base)
        for name in wish.optimizers:
            wish.told(f"{name} searches")
            search = Search(name, wish.seed, wish.effort, wish.demos)
            found = optimized(self.bench, base, parts.train, parts.validation, self.score, search)
            if found.whole() == base.whole():
                self.notes.append(f"{name} found nothing better than the program as it is")
                wish.told(self.notes[-1])
            else:
                self.try_out(found)
        return self.best()

    def variants(self, best: Candidate) -> list[Candidate]:
        steps = self.bench.steps(best.whole())
        rows = [step for step in steps if any(e.step == step for e in self.examples)]
        found = by_alias(best, steps, {*self.wish.settings.models} - {"root"}) if self.several_models else []
        found += together(best, rows) if rows else []
        if any(not example.step for example in self.examples):
            found += [
                replace(best, text=text, origin=f"{best.origin}, {told}") for text, told in other_chunks(best.text)
            ]
        return found

    @property
    def several_models(self) -> bool:
        return len({each.model for each in self.wish.settings.by_alias().values()}) > 1

    def changed(self, best: Candidate) -> Candidate:
        """Other models, several rows a call, other chunks: a grid, halved on what is learnt from; then a prefilter."""
        grid = self.variants(best)
        for found in halved(grid, self.parts.train, self.halving_score) if grid else []:
            self.try_out(found)
        best = self.best()
        for name, step in self.bench.steps(best.whole()).items():
            made = prefilter(step, self.parts.train, self.parts.validation)
            if made is not None:
                text = with_prefilter(best.text, step, made)
                wanted = {**best.wanted, name: made.pattern}
                if text != best.text:
                    self.notes.append(f"{name}: {made}")
                    self.try_out(replace(best, text=text, wanted=wanted, origin=f"{best.origin}, {name} prefiltered"))
        return best

    def halving_score(self, candidate: Candidate, examples: Sequence[Labelled]) -> tuple[float, float]:
        tried, scores = self.measured(candidate, examples)
        return sum(scores) / len(scores), -self.cost(tried)

    def cascaded(self, best: Candidate, target: Target) -> None:
        """Each step with a closed set of answers, decided by a proxy where it is sure."""
        steps = self.bench.steps(best.whole())
        known = self.bench.known(best)
        learn, certify = (self.answers(best, part) for part in (self.parts.train, self.parts.validation))
        unseen = {(e.step, e.text) for e in self.parts.test}
        for name, step in steps.items():
            parameters = {p.name for p in table_operators()[step.call.partition("[")[0]].parameters}
            if (
                step.labels is None
                or "proxy" not in parameters
                or (target.kind == "recall" and False not in step.labels)
            ):
                self.notes.append(f"{name}: no cascade with {target} is possible for such answers")
                continue
            field_ = step.result.fields[0].name
            more = halves((t, a[field_]) for t, a in known.get(name, {}).items() if (name, t) not in unseen)
            learnt_from, certified_on = (
                {**dict(pairs), **{t: each[field_] for t, each in held.get(name, {}).items()}}
                for pairs, held in zip(more, (learn, certify), strict=True)
            )
            proxy = cascade_of(learnt_from, certified_on, step.labels, target, self.wish.seed)
            if proxy is None:
                told = f"{len(learnt_from)} and {len(certified_on)} answers"
                self.notes.append(f"{name}: no cascade can be certified for {target} from {told}")
                self.wish.told(self.notes[-1])
                continue
            found = with_call(best, step, f"{best.origin}, {name} in a cascade", proxy=proxy.digest)
            certificate = proxy.certificate
            self.notes.append(
                f"{name}: the cascade decides {certificate['decided']} of {certificate['rows']} rows, "
                f"{certificate['wrong']} unlike the model ({target}, delta {certificate['delta']})"
            )
            self.try_out(replace(found, proxies={**found.proxies, proxy.digest: proxy.as_json()}))

    def answers(self, candidate: Candidate, examples: Sequence[Labelled]) -> dict[str, dict[str, Any]]:
        """The model's answers about labelled rows, by step and text."""
        rows = [example for example in examples if example.step]
        found: dict[str, dict[str, Any]] = {}
        for example, given in zip(rows, self.bench.tried(candidate, rows).answers, strict=True):
            if given is not None:
                found.setdefault(example.step, {})[example.text] = given
        return found

    # ---- judging ----

    def judged(self, base: Candidate, result: Candidate, points: list[Point], bound: Mapping[str, int]) -> Optimized:
        """The test, once; what it proves; the result as data."""
        wish, test = self.wish, self.parts.test
        before_tried, before = self.measured(base, test)
        after_tried, after = self.measured(result, test) if result is not base else (before_tried, before)
        gain = paired_gain(before, after, wish.seed)
        costs = [self.point("", t, s).cost for t, s in ((before_tried, before), (after_tried, after))]
        verdict = verdict_of(gain, *costs) if result is not base else "nothing better was found"
        on_front = {point.name for point in front(points)}
        shown = [replace(point, on_front=point.name in on_front) for point in points]
        scores = {
            "verdict": verdict,
            "metric": wish.metric,
            "test": {
                "examples": len(test),
                "before": round(sum(before) / len(before), 4),
                "after": round(sum(after) / len(after), 4),
                "gain": gain.as_json(),
            },
            "cost": {
                "unit": "usd for 1,000" if self.priced else "tokens for 1,000",
                "before": round(costs[0], 6),
                "after": round(costs[1], 6),
            },
            "certificates": {digest[:12]: dict(each["certificate"]) for digest, each in sorted(result.proxies.items())},
        }
        tuned = self.tuned(result, {name: value for name, value in scores.items() if value})
        report = {
            "schema": SCHEMA,
            "program": wish.source.name,
            "examples": {name: len(getattr(self.parts, name)) for name in ("train", "validation", "test")},
            "optimizers": list(wish.optimizers),
            "seed": wish.seed,
            "pick": wish.pick,
            "bound": dict(bound),
            "points": [point.as_json() for point in shown],
            "picked": result.origin,
            "notes": self.notes,
            **scores,
            "diff": difference(wish.source, result),
        }
        return Optimized(tuned, verdict in PROVED, report)

    def tuned(self, result: Candidate, scores: Mapping[str, Any]) -> Tuned:
        wish = self.wish
        made = {
            "optimizer": result.origin,
            "seed": wish.seed,
            "examples": identity("examples-v1", sorted(e.identity for e in self.examples)),
            "dspy": version("dspy"),
        }
        return Tuned(
            program_digest(wish.source.text),
            merged(result.calls),
            dict(result.rows_per_call),
            result.text if result.text != wish.source.text else "",
            made,
            scores,
            dict(result.proxies),
        )


PROVED = ("better", "cheaper")


def verdict_of(gain: Interval, cost_before: float, cost_after: float) -> str:
    if gain.low > 0:
        return "better"
    return "cheaper" if cost_after < 0.95 * cost_before and gain.low > -WORSE else "unproved"


def per_thousand(tried: Tried, examples: int) -> float:
    """What a candidate's use on examples is multiplied with for a run of 1,000: a cascade's recheck is made once a run,
    however many rows there are."""
    asks = tried.asked + tried.rechecked
    return (1000 * tried.asked / examples + tried.rechecked) / asks if asks else 0.0


def merged(calls: Sequence[TunedCall]) -> tuple[TunedCall, ...]:
    """One entry for each call, with all that is set in it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for call in calls:
        found.setdefault((call.step, call.call), {}).update(call.set)
    return tuple(TunedCall(step, call, held) for (step, call), held in found.items())


def difference(source: Source, result: Candidate) -> str:
    """What is other in the program that runs, as a unified diff."""
    before, after = Candidate(source.text).whole(), result.whole()
    lines = unified_diff(before.splitlines(), after.splitlines(), source.name, "tuned", lineterm="")
    return "\n".join(lines)


def result_path(folder: Path, stem: str) -> Path:
    """A folder for the record: one that was stopped is gone on with, a finished one is left alone."""
    number = 1
    while True:
        found = folder / (f"{stem}.optimize" if number == 1 else f"{stem}-{number}.optimize")
        if not (found / "seal.json").exists():
            return found
        number += 1
