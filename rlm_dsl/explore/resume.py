"""Going on with a run that was stopped: the same run, from where its trace ends.

In: an unfinished trace, and how servers are reached now. Out: the result, and the trace sealed.
Law: it ends as if it had never been stopped; nothing is asked twice but what was in flight, whether the answer store is
still there or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.context.placement import Placement
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.result import Result
from rlm_dsl.engine.run import run_program
from rlm_dsl.engine.run_trace import SCHEMA
from rlm_dsl.explore.ask import ExploreOptions, answer_question
from rlm_dsl.explore.card_choice import MEDIUM
from rlm_dsl.explore.earlier import Earlier
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.sub_run import explorer_of
from rlm_dsl.models.known_answers import KnownAnswers
from rlm_dsl.models.local.choice import with_local_models
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.server.address import WEIGHTS, is_this_machine, server_address
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, ModelChoice, Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.replay.earlier_run import of_earlier, of_finished, of_stopped
from rlm_dsl.replay.sources import found_near, is_ours, load_context
from rlm_dsl.replay.verify import differences
from rlm_dsl.trace.going_on import allowed_turns
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace


def resume(
    folder: Path,
    settings: Settings,
    limits: Limits | None = None,
    *,
    keys: Keys,
    progress: Progress,
    shown: Callable[[Told], None] = lambda told: None,
    approve: Approve = approve_all,
    max_failed: float | None = None,
    given: Mapping[str, str | Context] | None = None,
    turns: int | None = None,
) -> Result:
    """Go on with a run. Of `settings` only how servers are reached, and how fast, counts; models, parameters and all
    else are the run's own. `limits` replaces its budget, of which what was spent before the stop stays spent;
    `max_failed` replaces the share of a step's rows that may fail; `turns` is how many an exploration may take in all,
    more than it was allowed before.

    Raises UserError for a run that is finished, never began, or whose data is no longer what it was.
    """
    trace = unfinished(folder)
    first = begun_with(trace)
    chosen = settings_again(trace.header, at_pace(settings, first.get("pace", {})), limits, max_failed)
    known = with_parent(of_stopped(trace, chosen.price_of), trace)
    known = replace(known, turns=turns_since(trace, first, turns))
    earlier = begun_from(first)
    contexts = contexts_again(trace, given or {}, settings.engine)
    if "question" in first:
        header = trace.header
        return answer_question(
            str(first["question"]),
            contexts,
            replace(chosen, turns=header["turns_allowed"], card=header.get("card", MEDIUM)),
            ExploreOptions(**header.get("wishes", {})),
            keys=keys,
            progress=progress,
            shown=shown,
            trace=folder,
            approve=approve,
            known=replace(known, header={**header, "contexts": in_order(header)}, goes_on=earlier is not None),
            earlier=earlier,
        )
    return run_program(
        Source("program.rlm", str(first["program"])),
        contexts,
        trace.header.get("params", {}),
        chosen,
        keys=keys,
        progress=progress,
        trace=folder,
        explorer=explorer_of(trace.header.get("wishes", {})),
        approve=approve,
        known=known,
    )


def unfinished(folder: Path) -> Trace:
    """The trace of a run that was stopped."""
    trace = Trace.open(folder, unfinished=True)
    if trace.held is not None:
        raise UserError(f"{folder} is packed", f"unpack it first: rlm-dsl unpack {folder}")
    if trace.finished:
        raise UserError(f"{folder} is finished", f"to run it again: rlm-dsl rerun {folder}")
    return trace


def begun_with(trace: Trace) -> Mapping[str, Any]:
    """The run's first event. Raises UserError where the run was stopped before there was anything to go on with."""
    first = next(iter(trace.events()), None) if (trace.folder / EVENTS).is_file() else None
    if first is None or not first.sound or not (trace.folder / "trace.json").is_file():
        raise UserError(f"{trace.name} was stopped before it began", "start it anew: nothing was asked yet")
    if (schema := trace.header.get("schema")) != SCHEMA:
        raise UserError(f"{trace.name} is of schema {schema!r}", f"this version goes on with {SCHEMA}")
    return first.content


def turns_since(trace: Trace, first: Mapping[str, Any], turns: int | None) -> tuple[int, ...]:
    """How many turns an exploration was allowed each time that it went on, and now. Raises UserError for fewer."""
    if "question" not in first:
        if turns is not None:
            raise UserError(f"{trace.name} is the run of a program, which takes no turns", "leave --turns out")
        return ()
    allowed = allowed_turns(trace.folder)
    if turns is not None and turns <= allowed[-1]:
        told = f"{trace.name} was allowed {counted(allowed[-1], 'turn')} already, and those stay"
        raise UserError(told, f"allow more in all: --turns {2 * allowed[-1]}")
    return (*allowed[1:], *(() if turns is None else (turns,)))


def with_parent(known: KnownAnswers, trace: Trace) -> KnownAnswers:
    """A rerun that was stopped also knows what its parent knew, where that still lies; so does what goes on from a
    parent, which is looked for beside it."""
    parent = trace.header.get("parent")
    if parent is None:
        return known
    try:
        place = found_near(parent.get("path") or beside(trace, parent["name"]), trace.folder)
        if not is_ours(place, trace.folder):
            return known
        parent_trace = Trace.open(Path(place))
        if parent_trace.head != parent["head"]:
            return known
        of_parent = of_earlier(parent_trace) if "path" in parent else of_finished(parent_trace)
    except UserError:
        return known
    return replace(known, answers={**of_parent.answers, **known.answers}, packs={**of_parent.packs, **known.packs})


def beside(trace: Trace, name: str) -> str:
    """A trace of this name in the same folder; a name alone leads nowhere else."""
    return (trace.folder.parent / Path(name).name).as_posix()


def begun_from(first: Mapping[str, Any]) -> Earlier | None:
    """The exploration that a stopped one had gone on from, as its own log tells it."""
    told = first.get("earlier")
    return None if told is None else Earlier(told["question"], told["program"], told["beside"])


def at_pace(settings: Settings, pace: Mapping[str, Any]) -> Settings:
    """As fast as the run asked before it was stopped, where nothing else is said now."""
    usual = Settings()
    kept: dict[str, Any] = {
        name: read(pace[name])
        for name, read in (("concurrency", int), ("timeout_seconds", float))
        if name in pace and getattr(settings, name) == getattr(usual, name)
    }
    return replace(settings, **kept)


def settings_again(
    header: Mapping[str, Any], settings: Settings, limits: Limits | None, max_failed: float | None
) -> Settings:
    """The run's own settings, on servers as they are reached now; `limits` and `max_failed` replace its own. Servers
    that `settings` does not name are asked nothing, but for those of this machine."""
    models = {alias: ModelSettings.from_json(value) for alias, value in header["models"].items()}
    recorded = {model.base_url for model in models.values()}
    if any(WEIGHTS.fullmatch(url) for url in recorded):
        settings = with_local_models(settings)  # where the weights lie is how their server is reached
    return replace(
        settings,
        unsaid=frozenset(url for url in recorded if not is_this_machine(url) and canonical(url) not in settings.said()),
        models={alias: ModelChoice(m.model, m.base_url, m.parameters) for alias, m in models.items()},
        parameters={},
        limits=limits or recorded_limits(header),
        window=header["window"],
        max_failed=header["max_failed"] if max_failed is None else max_failed,
        rows_per_call=header.get("rows_per_call", {}),
        pack=header.get("pack", 1),
        proxies=header.get("proxies", {}),
    )


def saying(settings: Settings, base_url: str, models: Mapping[str, str | ModelChoice]) -> Settings:
    """The settings where a person names these servers now: they may be asked, whoever else named them."""
    said = {base_url, *(model.base_url for model in models.values() if isinstance(model, ModelChoice))}
    return replace(settings, unsaid=settings.unsaid - said)


def canonical(url: str) -> str:
    """An address as settings spell it; one that is none, as it is."""
    try:
        return server_address(url)
    except UserError:
        return url


def recorded_limits(header: Mapping[str, Any]) -> Limits:
    return Limits.read(",".join(f"{name}={amount}" for name, amount in header["budget"].items()))


def in_order(header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A run's contexts as they were given; those that its program turned out not to need stand apart in a header."""
    found = list(header["contexts"])
    for context in header.get("contexts_unused", ()):
        found.insert(context["place"], {name: value for name, value in context.items() if name != "place"})
    return found


def contexts_again(
    trace: Trace, given: Mapping[str, str | Context], engine: Placement | None = None
) -> dict[str, Context]:
    """The run's data, as it was. Raises UserError where it is not."""
    contexts: dict[str, Context] = {}
    for recorded in in_order(trace.header):
        context = contexts[recorded["name"]] = load_context(recorded, given, trace.folder, engine=engine)
        if found := differences(recorded, context):
            one = found[0]
            raise UserError(
                f"{trace.name} cannot go on: {one.message} (D03: recorded {one.recorded}, now {one.now})",
                "bring the data back, or start anew on what is there: answers so far are kept in the store",
                code="D03",
            )
    return contexts
