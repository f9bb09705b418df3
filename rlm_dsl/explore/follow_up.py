"""A question that goes on where a finished exploration ended: with its bindings, its answers and its models.

In: a finished trace, another question, data where it is other than it was. Out: a result whose trace names its parent.
Law: what the parent asked is not asked again; the parent is not touched, and the child's trace needs it no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.given import Given
from rlm_dsl.context.python_table import FORMAT as TABLE
from rlm_dsl.engine.inputs import context_of
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.result import Result
from rlm_dsl.engine.run_trace import recorded_settings
from rlm_dsl.explore.ask import DEFAULT_OPTIONS, ExploreOptions, answer_question
from rlm_dsl.explore.earlier import earlier_of
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.resume import in_order, saying, settings_again
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.names import check_name
from rlm_dsl.language.operators.core.registry import operator_versions, recorded_versions
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import ModelChoice, Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.replay.earlier_run import of_finished
from rlm_dsl.replay.sources import load_context
from rlm_dsl.replay.verify import differences
from rlm_dsl.trace.reader import Trace

Data = Mapping[str, str | Given | Context]
"""Where data lies now, by name: a path, a path with how it is read, or the data itself."""


def follow_up(
    trace: Trace,
    question: str,
    settings: Settings,
    options: ExploreOptions = DEFAULT_OPTIONS,
    *,
    keys: Keys,
    progress: Progress,
    models: Mapping[str, str | ModelChoice] | None = None,
    base_url: str = "",
    given: Data | None = None,
    to: Path | None = None,
    shown: Callable[[Told], None] = lambda told: None,
    noted: Callable[[str], None] = lambda note: None,
    approve: Approve = approve_all,
) -> Result:
    """Ask a question over what a finished run found. Models are the parent's but for those named in `models`, at
    `base_url` where it says one, which without `models` is the root's; of `settings` counts how servers are reached,
    the budget and the turns. `noted` hears of data that is other than it was.

    Raises UserError as `answer_question` does, and for data that is not what it was and was not named for it.
    """
    contexts, changed = contexts_now(trace, given or {})
    for name, what in changed.items():
        noted(f"{name} is not what it was when {trace.name} was made: {what}; what is new in it is asked anew")
    secrets = recorded_redaction(trace.header, contexts)[0].values if not changed else ()
    return answer_question(
        question,
        contexts,
        settings_now(trace, settings, models or {}, base_url),
        options,
        keys=keys,
        progress=progress,
        shown=shown,
        trace=to,
        approve=approve,
        known=replace(of_finished(trace), goes_on=True),
        earlier=replace(earlier_of(trace, changed), secrets=secrets),
    )


def contexts_now(trace: Trace, given: Data) -> tuple[dict[str, Context], dict[str, str]]:
    """The parent's data and what was named beside it; and of data that is not what it was, what differs. That is taken
    where it was named again, else it is refused."""
    contexts: dict[str, Context] = {}
    changed: dict[str, str] = {}
    for recorded in in_order(trace.header):
        name = str(recorded["name"])
        context = contexts[name] = context_now(trace, recorded, given)
        if found := differences(recorded, context):
            one = found[0]
            if name not in given:
                raise UserError(
                    f"{name} is not what it was when {trace.name} was made: {one.message} "
                    f"(D03: recorded {one.recorded}, now {one.now})",
                    f"to go on with it as it is now, name it: --context {name}={recorded['given']}",
                    code="D03",
                )
            changed[name] = f"{recorded['rows']:,} rows then, {context.count:,} now"
    for name in given.keys() - contexts.keys():
        check_name(name)
    return contexts | {name: context_of(name, given[name]) for name in given if name not in contexts}, changed


def context_now(trace: Trace, recorded: Mapping[str, object], given: Data) -> Context:
    """A context of the parent: read as it was, but for how it is said to be read."""
    name = str(recorded["name"])
    here = given.get(name)
    if here is None and recorded["format"] == TABLE:
        raise UserError(
            f"{name} was a table in Python, which no trace holds", f"hand it in: contexts={{{name!r}: table}}"
        )
    if isinstance(here, Given) and (here.format or here.options):
        return context_of(name, here, parse_table_type(str(recorded["schema"])))
    return load_context(recorded, dict(plain(given)), trace.folder)


def plain(given: Data) -> Iterator[tuple[str, str | Context]]:
    for name, here in given.items():
        yield name, here.path if isinstance(here, Given) else here


def settings_now(trace: Trace, settings: Settings, models: Mapping[str, str | ModelChoice], base_url: str) -> Settings:
    """The parent's settings on servers as they are reached now, with a budget and turns of their own. Raises UserError
    for a parent that a tuned file told how to ask: its answers hold for its own program alone."""
    again = settings_again(trace.header, settings, settings.limits, None)
    if again.proxies or again.rows_per_call:
        raise UserError(f"{trace.name} was asked as a tuned file says", "go on from a run without one")
    chosen = {alias: again.chosen(alias) for alias in again.models}
    if base_url and not models and "root" in chosen:
        models = {"root": chosen["root"].model}
    for alias, model in models.items():
        old = chosen.get(alias) or chosen.get("root")
        if isinstance(model, str):
            model = ModelChoice(model, old.base_url if old else "", old.parameters if old else {})
        chosen[alias] = model
        if base_url:
            chosen[alias] = replace(chosen[alias], base_url=base_url)
    if "root" in chosen:
        chosen.setdefault("sub", chosen["root"])
    return saying(replace(again, models=chosen, card=settings.card), base_url, models)


def require_same_models(trace: Trace, models: Mapping[str, ModelSettings]) -> None:
    """Raise UserError where rows were asked by another model than is at hand, or by operators as they were once: its
    answers would be none of a session's own."""
    if not any(step.get("asked") for step in trace.steps):
        return
    sub = recorded_settings(trace).get("sub")
    if sub is not None and (here := models.get("sub")) != sub:
        now = "none" if here is None else f"{here.model} at {here.base_url}"
        raise UserError(
            f"{trace.name} asked {sub.model} at {sub.base_url}, and here rows are asked of {now}",
            f"start with its model: --model {sub.model} --base-url {sub.base_url}",
        )
    if recorded_versions(trace.header) != operator_versions():
        raise UserError(f"{trace.name} was recorded with earlier operators", "run it again first: rlm-dsl rerun TRACE")
