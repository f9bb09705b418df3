"""A round in which a proxy answers the rows that it is sure of, and the model the others.

In: a round that is ready, its rows, its proxy. Out: an outcome for each row, and counts of who answered. Law: some of
the rows that the proxy decides are asked of the model first; where they speak against the proxy's certificate, it is
withdrawn and the model answers every row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.round import Round, with_scores
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.language.operators.core.model_step import PROBABLE
from rlm_dsl.language.operators.core.scoring import Scoring
from rlm_dsl.language.types import BOOL, Enum
from rlm_dsl.models.protocol import ModelStack
from rlm_dsl.models.proxies import AnyProxy
from rlm_dsl.models.proxy_model import Proxy, chosen
from rlm_dsl.models.small_model import SmallModel
from rlm_dsl.models.typed_retry import Outcome

Ask = Callable[[Sequence[Row]], RoundResult]
AskSmall = Callable[[SmallModel, Sequence[Row]], RoundResult]


def proxy_answers(
    proxy: AnyProxy, texts: Sequence[str], rows: Sequence[Row], by_small: RoundResult, field: str
) -> dict[str, Any]:
    """What a proxy says of each text; None where it is not sure."""
    if isinstance(proxy, Proxy):
        return {text: proxy.decide(text) for text in texts}
    said = ((row.texts[0], by_small.outcomes.get(row.key)) for row in rows if row.texts)
    values = {text: outcome.value for text, outcome in said if outcome is not None and outcome.value is not None}
    return {text: proxy.decide(value[field], value[PROBABLE]) for text, value in values.items()}


def round_of_small(round_: Round, proxy: SmallModel, models: ModelStack) -> Round:
    """The round as a smaller model is asked it. Raises UserError where no model has its name."""
    settings = models.settings.get(proxy.using)
    if settings is None:
        raise UserError(
            f"{round_.stage.step_name}: its cascade asks a model called `{proxy.using}`, and none is named",
            f"name it: --model {proxy.using}=NAME",
            code="proxy",
        )
    scoring = Scoring(proxy.orders, proxy.content_free)
    return replace(round_, settings=with_scores(settings), scoring=scoring, known={})


def proxy_of(round_: Round, options: CallOptions) -> AnyProxy | None:
    """The proxy that a round's step names. Raises UserError where it is not at hand, or answers something else."""
    digest = round_.values.get("proxy")
    if not digest:
        return None
    name = round_.stage.step_name
    proxy = options.proxies.get(digest)
    if proxy is None:
        raise UserError(
            f"{name}: its proxy {digest[:12]} is not here",
            "run with the tuned file that it came with: --tuned FILE",
            code="proxy",
        )
    type_ = round_.result.fields[0].type
    known = [False, True] if type_ == BOOL else list(type_.values) if isinstance(type_, Enum) else []
    if unknown := [label for label in proxy.labels if label not in known]:
        raise UserError(f"{name}: its proxy knows a label that the step has not: {unknown[0]}", "optimize again")
    return proxy


def ask_cascade(round_: Round, rows: Sequence[Row], proxy: AnyProxy, ask: Ask, ask_small: AskSmall) -> RoundResult:
    """Every row's outcome, by the proxy or the model. `ask` asks the model about some rows, `ask_small` a smaller one
    that stands in for it."""
    texts = list(dict.fromkeys(text for row in rows for text in row.texts))
    field = round_.result.fields[0].name
    by_small = ask_small(proxy, rows) if isinstance(proxy, SmallModel) else RoundResult({}, 0)
    said = proxy_answers(proxy, texts, rows, by_small, field)
    decided: dict[str, Any] = {text: {field: label} for text, label in said.items() if label is not None}
    sample = set(chosen(list(decided), proxy.recheck))
    first = ask([row for row in rows if sample.intersection(row.texts)]) if sample else RoundResult({}, 0)
    text_of = {row.key: row.texts[0] for row in rows if row.texts}
    compared = {text_of[key]: outcome for key, outcome in first.outcomes.items() if outcome is not None}
    wrong = sum(outcome.status == "ok" and outcome.value != decided[text] for text, outcome in compared.items())
    withdrawn = bool(decided) and proxy.refuted(len(compared), wrong, Fraction(len(decided), len(texts)))
    by_proxy: dict[int, Outcome[dict[str, Any]] | None] = {
        key: Outcome("ok", decided[text], ())
        for key, text in text_of.items()
        if text in decided and text not in sample and not withdrawn
    }
    left = [row for row in rows if row.key not in first.outcomes and row.key not in by_proxy]
    rest = ask(left) if left else RoundResult({}, 0)
    outcomes = {**first.outcomes, **rest.outcomes, **by_proxy}
    return replace(
        rest,
        outcomes={row.key: outcomes[row.key] for row in rows},
        requests=first.requests + rest.requests + by_small.requests,
        by_proxy=len(by_proxy),
        rechecked=len(compared),
        rechecked_wrong=wrong,
        withdrawn=withdrawn,
    )
