"""Ways to an answer: by exploring, or by showing a model the whole context where it is short; or both, to compare.

In: a mode, a question, contexts. Out: results by the way they came. Law: the direct way is a program of one step like
any other: typed, within the budget, recorded and verified.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.result import Result
from rlm_dsl.engine.run import run_program
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.ask import DEFAULT_OPTIONS, ExploreOptions, answer_question
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.typed_answers import read_type
from rlm_dsl.language.types import Table, quoted_name
from rlm_dsl.models.request import estimated_tokens
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, approve_all

SHORT = 2**14
"""Estimated tokens up to which a plain prompt is as good as an exploration by the paper's figures."""
EXPLORE, DIRECT = "explore", "direct"


def answer_by_mode(
    mode: str,
    question: str,
    contexts: Mapping[str, Context],
    settings: Settings,
    wishes: ExploreOptions = DEFAULT_OPTIONS,
    *,
    keys: Keys,
    progress: Progress,
    shown: Callable[[Told], None],
    trace: Path | None,
    approve: Approve = approve_all,
    short: int = SHORT,
) -> dict[str, Result]:
    """The answer by each way that the mode takes. `short` is how many tokens a context may have for `auto` to show it
    whole. Raises UserError as `answer_question` and `run_program` do."""
    found: dict[str, Result] = {}
    if mode in (EXPLORE, "compare") or (mode == "auto" and not is_short(contexts, short)):
        found[EXPLORE] = answer_question(
            question,
            contexts,
            settings,
            wishes,
            keys=keys,
            progress=progress,
            shown=shown,
            trace=trace,
            approve=approve,
        )
    if not found or mode == "compare":
        beside = trace if trace is None or not found else trace.with_name(f"{trace.stem}-direct{trace.suffix}")
        found[DIRECT] = run_program(
            Source("program.rlm", direct_program(question, contexts, wishes.returns)),
            contexts,
            {},
            settings,
            keys=keys,
            progress=progress,
            trace=beside,
            approve=approve,
            extra={"question": question},
        )
    return found


def direct_program(question: str, contexts: Mapping[str, Context], returns: str) -> str:
    """The program that shows a model all rows of the one context at once. Raises UserError where there are several, or
    the type is none that a model can answer in."""
    if len(contexts) != 1:
        raise UserError("the direct way takes one context", "explore: --mode explore")
    ((name, context),) = contexts.items()
    type_ = read_type(returns) if returns else None
    if isinstance(type_, Table):
        raise UserError("a model answers no table directly", "ask for list[{...}], or explore: --mode explore")
    columns = ", ".join(quoted_name(column) for column in context.schema.names)
    asked = json.dumps(question, ensure_ascii=False).replace("{", "{{").replace("}", "}}")
    typed = f", returns={type_}" if type_ is not None else ""
    return (
        f"context {quoted_name(name)}: {context.schema}\n\n"
        f"answer {quoted_name(name)} | reduce({asked}, on=[{columns}]{typed})\n"
    )


def is_short(contexts: Mapping[str, Context], short: int) -> bool:
    """Whether there is one context, and all of its rows together have few enough tokens."""
    if len(contexts) != 1 or sum(source.size for c in contexts.values() for source in c.sources) > 8 * short:
        return False
    (context,) = contexts.values()
    with Warehouse(threads=1, contexts=[context]) as warehouse:
        rows = warehouse.table(warehouse.contexts[context.name], short)
        if context.count > short:
            return False
        return sum(estimated_tokens(json.dumps(json_ready(list(row)), ensure_ascii=False)) for row in rows) <= short
