"""An estimate: what a round asks and may cost, in a line.

In: an estimate. Out: text. Law: a price that is not known is not guessed.
"""

from __future__ import annotations

from rlm_dsl.models.budget import Estimate


def estimate_text(estimate: Estimate) -> str:
    """What a round asks, in a line."""
    rows = len(estimate.asked) or estimate.new
    known = estimate.requests - rows
    together = f" for {rows:,} rows" if rows > estimate.new else ""
    before = f" ({known:,} answers are known)" if known else ""
    calls = f"{estimate.step}: {estimate.new:,} model calls{together}{before}"
    tokens = f"about {estimate.prompt_tokens:,} tokens shown, at most {estimate.most_tokens:,} with the answers"
    if estimate.least_usd is None or estimate.most_usd is None:
        return f"{calls}, {tokens}; the price is not known"
    told = f"{calls}, {tokens}; ${estimate.least_usd:,.4f} to ${estimate.most_usd:,.4f}"
    if estimate.by_batch is None:
        return told
    least, most = estimate.by_batch
    return f"{told}, or ${least:,.4f} to ${most:,.4f} as far as the Batch API answers"
