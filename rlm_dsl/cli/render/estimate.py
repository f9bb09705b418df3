"""An estimate: what a round asks and may cost, and what the rounds after it may ask.

In: a round's estimate, the program. Out: text. Law: a price that is not known is not guessed; nothing is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.cli.output import safe
from rlm_dsl.cli.render.plan import plan_of
from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.models.budget import Estimate
from rlm_dsl.plan.bounds import bounds
from rlm_dsl.plan.explain import bound_lines


def estimate_text(estimate: Estimate) -> str:
    """What a round asks, in a line."""
    rows = len(estimate.asked) or estimate.new
    known = estimate.requests - rows
    together = f" for {counted(rows, 'row')}" if rows > estimate.new else ""
    before = f" ({counted(known, 'answer', 'are')} known)" if known else ""
    calls = f"{estimate.step}: {counted(estimate.new, 'model call')}{together}{before}"
    tokens = (
        f"about {counted(estimate.prompt_tokens, 'token')} shown, at most {estimate.most_tokens:,} with the answers"
    )
    if estimate.least_usd is None or estimate.most_usd is None:
        return f"{calls}, {tokens}; the price is not known"
    told = f"{calls}, {tokens}; {money(estimate.least_usd)} to {money(estimate.most_usd)}"
    if estimate.by_batch is None:
        return told
    least, most = estimate.by_batch
    return f"{told}, or {money(least)} to {money(most)} as far as the Batch API answers"


def dry_run_text(estimate: Estimate, source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> str:
    """What a run would ask: its first round as counted, the others as bounded."""
    _, plan, _ = plan_of(source, contexts, params)
    all_ = bounds(plan, {known: context.count for known, context in contexts.items()})
    later = [bound for bound in all_ if bound.step != estimate.step]
    lines = [f"would ask  {estimate_text(estimate)}"]
    lines += [f"later      {line}" for line in bound_lines(later)] if later else []
    return safe("\n".join([*lines, "nothing was asked"]))
