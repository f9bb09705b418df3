"""What an optimization may ask and cost at most, told before anything is asked.

In: a job, its examples, the program's steps. Out: questions by stage, an estimate in tokens and dollars. Law: what may
ask more than the budget has is refused before the first question.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil

from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.server.servers import USUAL_CONCURRENCY
from rlm_dsl.models.settings import Settings
from rlm_dsl.optimize import halving, optimizers
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.evaluator import Evaluator, writer_of
from rlm_dsl.optimize.examples import Labelled, Splits
from rlm_dsl.optimize.job import OptimizationJob
from rlm_dsl.optimize.program_changes.variants import variants_of

SAMPLED, EXAMPLE_TOKENS, ANSWER_TOKENS = 100, 15, 60
"""For the estimate: rows looked at, what an example takes beside its text, what an answer takes."""
PROPOSAL = (2_000, 400)
"""For the estimate: tokens of what is asked for an instruction, and of what is written."""
QUICKEST = 0.01
"""Seconds that an answer takes at least, where none was timed yet."""
FIRST = "the program as it is"
UNKNOWN_CALLS = "how much a whole run asks is not known beforehand: the budget alone bounds it"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many questions each stage asks at most, `proposals` of them of whoever writes instructions; `note` says what
    is not known of it."""

    questions: dict[str, int]
    note: str = ""
    proposals: int = 0

    @property
    def total(self) -> int:
        return sum(self.questions.values())


def bounds_of(job: OptimizationJob, evaluator: Evaluator, examples: Sequence[Labelled], splits: Splits) -> Bounds:
    """Raises UserError where the budget has less, or nothing can be tuned."""
    if unknown := [name for name in job.optimizers if name not in optimizers.OPTIMIZERS]:
        raise UserError(f"there is no optimizer `{unknown[0]}`", f"there are: {', '.join(optimizers.OPTIMIZERS)}")
    if not evaluator.steps():
        raise UserError("the program has no step that could be tuned", "classify, ask and keep can be")
    answers = answers_by_stage(job, evaluator, examples, splits)
    each, note = questions_of_an_example(evaluator, examples)
    steps = len(evaluator.steps())
    proposals = sum(optimizers.most_proposals(name, steps, job.effort) for name in job.optimizers)
    found = Bounds({name: count * each for name, count in answers.items()}, note, proposals)
    most = job.settings.limits.calls
    if found.total > most:
        stages = ", ".join(f"{count:,} for {name}" for name, count in found.questions.items())
        raise UserError(
            f"this may ask {counted(found.total, 'question')}, and the budget is {most:,}: {stages}",
            f"--budget calls={found.total}, fewer examples, or --optimizer bootstrap, which asks least",
            code="budget",
        )
    return found


def answers_by_stage(
    job: OptimizationJob, evaluator: Evaluator, examples: Sequence[Labelled], splits: Splits
) -> dict[str, int]:
    """How many answers each stage wants at most, of rows or runs."""
    steps = evaluator.steps()
    train, validation, test = len(splits.train), len(splits.validation), len(splits.test)
    found = {FIRST: validation}
    for name in job.optimizers:
        found[name] = optimizers.most_answers(name, train, validation, len(steps), job.effort) + validation
    if job.variants:
        variants = variants_of(Candidate(job.source.text), steps, examples, job.settings)
        found["changes"] = halving.most_answers(len(variants), train) + 3 * validation
    if job.target is not None:
        found["cascade"] = train + validation + (0 if job.small is None else 2 * validation)
    found["test"] = 2 * test
    return found


def require_seconds(settings: Settings, questions: int, known: Collection[float]) -> None:
    """Raises UserError where the budget in seconds is plainly too small for so many questions: by how long those took
    that were timed, and by the quickest that servers are where none was."""
    most = settings.limits.seconds
    if most is None:
        return
    each = sum(known) / len(known) if known else QUICKEST
    at_once = min(settings.concurrency or min(settings.slots.values(), default=USUAL_CONCURRENCY), max(1, questions))
    needed = questions * each / at_once
    if needed > most:
        told = f"as the {counted(len(known), 'answer')} so far took" if known else "at the very least"
        raise UserError(
            f"this may take {needed:,.0f} s, and the budget is {most:g} s: {counted(questions, 'question')} at most, "
            f"{each:.2f} s each {told}, {at_once} at once",
            f"--budget seconds={needed + 1:.0f}, fewer examples, --words-only, or --optimizer bootstrap",
            code="budget",
        )


def questions_of_an_example(evaluator: Evaluator, examples: Sequence[Labelled]) -> tuple[int, str]:
    """How many questions an example stands for, one or those of a whole run; and a note where that is not known."""
    if all(example.step for example in examples):
        orders = (r.scoring.orders for _, r in evaluator.rounds(evaluator.source.text).values() if r.scoring)
        return max(orders, default=1), ""
    most = evaluator.most_calls()
    return most or 1, UNKNOWN_CALLS if most is None else ""


def estimate(job: OptimizationJob, evaluator: Evaluator, examples: Sequence[Labelled], bounds: Bounds) -> str:
    """About what it costs at most, from the rows' own prompts with as many examples as a step may show, and what is
    asked of the model that writes instructions. Raises UserError where the budget has less."""
    questions = bounds.total - bounds.proposals
    steps = evaluator.rounds(job.source.text)
    rows = [e for e in examples if e.step] or [Labelled(next(iter(steps)), "x" * 400, None)]
    named = max(1, len({e.step for e in rows}))
    written, answered = (bounds.proposals * each for each in PROPOSAL)
    writes = job.settings.price_of(writer_of(job.settings.by_alias()).model)
    usd: float | None = 0.0 if not written else None if writes is None else writes.of(written, answered)
    tokens = written + answered
    for name, (_, round_) in steps.items():
        own = [e for e in rows if e.step == name][:SAMPLED]
        if not own:
            continue
        sizes = [round_.request(e.text).prompt_tokens for e in own]
        demos = job.demos * (sum(len(e.text) for e in own) / len(own) / 4 + EXAMPLE_TOKENS)
        prompt = questions * (sum(sizes) / len(sizes) + demos) / named
        completion = questions * ANSWER_TOKENS / named
        tokens += round(prompt + completion)
        price = job.settings.price_of(round_.settings.model)
        usd = None if usd is None or price is None else usd + price.of(round(prompt), round(completion))
    limits = job.settings.limits
    words = f"about {counted(tokens, 'token')}" + ("" if usd is None else f", {money(usd)}")
    if tokens > limits.tokens or (usd is not None and limits.usd is not None and usd > limits.usd):
        needed = [f"tokens={tokens}"] if tokens > limits.tokens else []
        if usd is not None and limits.usd is not None and usd > limits.usd:
            needed.append(f"usd={ceil(usd * 100) / 100:g}")
        raise UserError(
            f"this may take {words}, which is more than the budget has",
            f"--budget {','.join(needed)}, fewer examples, or --optimizer bootstrap, which asks least",
            code="budget",
        )
    return words
