"""A round whose answers are read from how probable the model holds each value.

In: a round in each order of its labels, rows. Out: an outcome for each, with its probability. Law: the value and its
probability follow from the recorded scores alone, in decimal arithmetic, the same on every machine; where a server
tells no scores the value is the one that is said, and its probability is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from rlm_dsl.engine.calls.failed_rows import Failing
from rlm_dsl.engine.calls.round import Round, reading, texts_of
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.engine.progress import Progress
from rlm_dsl.language.operators.core.model_step import EXPECTED, PROBABLE
from rlm_dsl.language.operators.core.scoring import UNLABELLED, Scoring
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.scores import UNIT, closed_values
from rlm_dsl.models.typed_retry import Outcome, ask_typed
from rlm_dsl.plan.bounds import ASKS

EXACT = Context(prec=28)
"""Decimal arithmetic is rounded correctly, so that probabilities are the same wherever they are computed."""
PLACES, HALF = Decimal("0.0001"), Decimal("0.5")
Scores = Mapping[Any, Decimal]
"""Natural logarithms of probabilities, by value."""


def all_requests(rounds: Sequence[Round], texts: Iterable[str]) -> list[Request]:
    """All that is asked: the texts without content and each row's, in each order."""
    return [round_.request(text) for text in (*unlabelled(rounds), *texts) for round_ in rounds]


def unlabelled(rounds: Sequence[Round]) -> tuple[str, ...]:
    return UNLABELLED if scoring_of(rounds).content_free else ()


def scoring_of(rounds: Sequence[Round]) -> Scoring:
    assert rounds[0].scoring is not None
    return rounds[0].scoring


async def ask_scored(
    rounds: Sequence[Round], rows: Sequence[Row], model: Model, progress: Progress, max_failed: float = 1.0
) -> RoundResult:
    """Ask for every row, after the texts without content."""
    name, failing = rounds[0].stage.step_name, Failing(rounds[0].stage.step_name, max_failed)
    texts = list(dict.fromkeys(text for row in rows for text in row.texts))
    requests = {request.key for request in all_requests(rounds, texts)}
    progress.round_started(name, len(rows), len(requests))
    prior = await leaning_asked(rounds, model)
    found: dict[str, Outcome[dict[str, Any]]] = {}

    async def one(text: str) -> None:
        outcomes = [await asked_once(round_, text, model) for round_ in rounds]
        found[text] = put_together(rounds, outcomes, prior)
        progress.answered(name)
        failing.count(found[text])

    await in_turn(texts, one)
    progress.round_ended(name)
    outcomes = {row.key: found[row.texts[0]] if row.texts else None for row in rows}
    unscored = sum(1 for each in outcomes.values() if each is not None and each.value and each.value[PROBABLE] is None)
    return RoundResult(outcomes, len(requests), unscored=unscored)


async def asked_once(round_: Round, text: str, model: Model) -> Outcome[dict[str, Any]]:
    """One order's outcome; an answer with scores counts, whatever its words are."""
    request = round_.request(text)
    answer = await model.answer(request)
    if scores_in(round_, answer):
        return Outcome("ok", None, ((request.key, answer),))
    read = reading(round_, texts_of(text, round_.stage))
    return await ask_typed(model, request, read, asks=ASKS, first=answer)


def scores_in(round_: Round, answer: Answer) -> Scores | None:
    """An answer's scores by value; None where it has none."""
    _, values = closed_values(round_.schema) or ("", ())
    if not answer.scores or len(answer.scores) != len(values) or answer.refusal is not None:
        return None
    return {value: Decimal(score) / UNIT for value, score in zip(values, answer.scores, strict=True)}


def told_scores(rounds: Sequence[Round], outcomes: Sequence[Outcome[dict[str, Any]]]) -> list[Scores]:
    found = (scores_in(r, outcome.raw[-1][1]) for r, outcome in zip(rounds, outcomes, strict=True))
    return [scores for scores in found if scores is not None]


def put_together(
    rounds: Sequence[Round], outcomes: Sequence[Outcome[dict[str, Any]]], prior: Scores
) -> Outcome[dict[str, Any]]:
    """What the orders' answers come to; where one of them has no scores, what the first good one says."""
    raw = tuple(each for outcome in outcomes for each in outcome.raw)
    told = told_scores(rounds, outcomes)
    field = rounds[0].result.fields[0].name
    if len(told) == len(outcomes):
        value, probability, mean = decided(told, prior, scoring_of(rounds))
        return Outcome("ok", {field: value, PROBABLE: probability, EXPECTED: mean}, raw)
    first = next((outcome for outcome in outcomes if outcome.value is not None), None)
    if first is not None and first.value is not None:
        return replace(first, value={**first.value, PROBABLE: None, EXPECTED: None}, raw=raw)
    return replace(next(outcome for outcome in outcomes if outcome.status != "ok"), raw=raw)


def leaning(told: Sequence[Scores]) -> Scores:
    """What the model says whatever the text: the mean of the probabilities of texts without content."""
    if not told:
        return {}
    total = {value: sum((exponential(s[value]) for s in told), Decimal(0)) for value in told[0]}
    return {value: EXACT.ln(EXACT.divide(sums, Decimal(len(told)))) for value, sums in total.items()}


def decided(told: Sequence[Scores], prior: Scores, scoring: Scoring) -> tuple[Any, float, float | None]:
    """The most probable value, the first of those that are alike, and its probability to four places: the orders'
    mean, less the leaning, by the weights. Of numbers their mean too, where it is asked for."""
    shares = shares_of(told, prior, scoring.weights)
    if set(shares) == {True, False}:
        holds = shares[True] >= (HALF if scoring.at_least is None else scoring.at_least)
        return holds, float(shares[True].quantize(PLACES)), None
    best = max(shares, key=lambda value: shares[value])
    mean = sum((Decimal(value) * share for value, share in shares.items()), Decimal(0)) if scoring.expected else None
    return best, float(shares[best].quantize(PLACES)), None if mean is None else float(mean.quantize(PLACES))


def shares_of(told: Sequence[Scores], prior: Scores, weights: Mapping[str, Decimal]) -> dict[Any, Decimal]:
    """The probability of each value; they add up to 1."""
    weighed: dict[Any, Decimal] = {}
    for value in told[0]:
        mean = EXACT.divide(sum((scores[value] for scores in told), Decimal(0)), Decimal(len(told)))
        weight = weights.get(value, Decimal(1)) if isinstance(value, str) else Decimal(1)
        weighed[value] = EXACT.multiply(exponential(EXACT.subtract(mean, prior.get(value, Decimal(0)))), weight)
    total = sum(weighed.values(), Decimal(0))
    return {value: EXACT.divide(each, total) for value, each in weighed.items()}


async def held_probable(rounds: Sequence[Round], texts: Iterable[str], model: Model) -> dict[str, dict[Any, Decimal]]:
    """The probability of each value for texts, before any weights; without those of which a server told none."""
    prior = await leaning_asked(rounds, model)
    found = {}
    for text in texts:
        told = told_scores(rounds, [await asked_once(round_, text, model) for round_ in rounds])
        if len(told) == len(rounds):
            found[text] = shares_of(told, prior, {})
    return found


async def leaning_asked(rounds: Sequence[Round], model: Model) -> Scores:
    """What the model says of the texts without content, where those are asked about."""
    found = [[await asked_once(round_, text, model) for round_ in rounds] for text in unlabelled(rounds)]
    return leaning([told for each in found for told in told_scores(rounds, each)])


@lru_cache(maxsize=100_000)
def exponential(value: Decimal) -> Decimal:
    return EXACT.exp(value)
