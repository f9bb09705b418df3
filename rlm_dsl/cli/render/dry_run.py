"""A dry run: what a run would ask, its first round as counted, the others as bounded.

In: the first round's estimate, the program. Out: text. Law: nothing is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.cli.output import safe
from rlm_dsl.cli.render.estimate import estimate_text
from rlm_dsl.cli.render.plan import plan_of
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.models.budget import Estimate
from rlm_dsl.plan.bounds import bounds
from rlm_dsl.plan.explain import bound_lines


def dry_run_text(estimate: Estimate, source: Source, contexts: Mapping[str, Context], params: Mapping[str, Any]) -> str:
    """What a run would ask: its first round as counted, the others as bounded."""
    _, plan, _ = plan_of(source, contexts, params)
    all_ = bounds(plan, {known: context.count for known, context in contexts.items()})
    later = [bound for bound in all_ if bound.step != estimate.step]
    lines = [f"would ask  {estimate_text(estimate)}"]
    lines += [f"later      {line}" for line in bound_lines(later)] if later else []
    return safe("\n".join([*lines, "nothing was asked"]))
