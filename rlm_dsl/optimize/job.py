"""What is to be optimized, by what and how far; and what came of it.

In: what a user says. Out: values. Law: nothing here asks, reads or writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.progress import Progress
from rlm_dsl.language.types import Table
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.optimize.certify import Target
from rlm_dsl.optimize.tuned import Tuned


@dataclass(frozen=True, slots=True)
class OptimizationJob:
    """`examples` and `labels`, what people said in reviews, are files, one of which is there at least; `optimizers` are
    tried one after the other; `variants` lets models, rows a call, chunks and order change too; `target` asks for
    cascades, by the model of the alias `small` where one is said; `cost` is the unit that costs are counted in, where
    the user says one; `confirm` is asked, and raises, where what is to come seems of no use; `load` makes a context of
    a path that a whole-run example names; `command` is how people go on with a search that was stopped; `notify` gets
    a line whenever there is news."""

    source: Source
    contexts: Mapping[str, Context]
    params: Mapping[str, Any]
    examples: Path | None
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
    variants: bool = True
    target: Target | None = None
    small: str | None = None
    pick: str = "best"
    cost: str | None = None
    notify: Callable[[str], None] = field(default=lambda line: None)
    approve: Approve = approve_all
    confirm: Callable[[str], None] = field(default=lambda line: None)
    labels: Path | None = None
    command: str = "the same command again"


@dataclass(frozen=True, slots=True)
class OptimizationResult:
    """`tuned` is there also where nothing is proved; whoever writes it then says so."""

    tuned: Tuned
    proved: bool
    report: Mapping[str, Any]


def require_small(job: OptimizationJob) -> None:
    """Raises UserError for a smaller model that nothing would ask, or that no settings name."""
    if job.small is None:
        return
    if job.target is None:
        raise UserError(
            f"`{job.small}` is to decide in a cascade, and none is asked for",
            "say what the cascade must hold: --cascade 'accuracy>=0.95', or leave out --small",
        )
    known = job.settings.by_alias()
    if job.small not in known:
        raise UserError(
            f"no model has the alias `{job.small}`",
            f"name one: --model {job.small}=MODEL, or under `models:` in rlm-dsl.yaml; there are: {', '.join(known)}",
        )
