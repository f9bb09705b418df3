"""A rerun, afterwards: what was asked anew and why, in all.

In: a rerun, the name of the trace that it goes back to. Out: a line of text. Law: words alone.
"""

from __future__ import annotations

from collections import Counter

from rlm_dsl.common.counted import counted
from rlm_dsl.compare.matching import KINDS
from rlm_dsl.compare.rerun import Rerun


def rerun_text(found: Rerun, trace: str) -> str:
    """Afterwards: how many rows were corrected, what was asked anew and why, in all."""
    return corrected_text(found) + asked_text(found, f"compare: rlm-dsl diff {trace} {found.result.trace}")


def dry_run_text(found: Rerun | None) -> str:
    """Of a run that leaves no trace; None is one that ended where it would have asked."""
    if found is None:
        return "nothing was asked"
    return f"{corrected_text(found)}nothing would be asked: every answer is known"


def corrected_text(found: Rerun) -> str:
    return "".join(f"{counted(count, 'row')} corrected by hand; " for count in found.corrected)


def asked_text(found: Rerun, compare: str) -> str:
    kinds: Counter[str] = Counter()
    for asked in found.asked:
        for (kind, _), count in asked.reasons.items():
            kinds[kind] += count
    if not kinds:
        return f"nothing was asked: every answer was known; {compare}"
    why = ", ".join(f"{kind} {kinds[kind]:,}" for kind in KINDS if kinds[kind])
    more = f", and {found.again:,} that followed from answers" if found.again else ""
    return f"asked anew: {kinds.total():,} ({why}){more}; {compare}"
