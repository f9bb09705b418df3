"""An earlier run made anew: on other data, params or models, or by a changed program; only what is new is asked.

In: a finished trace and what is to be different. Out: a result, its trace with the parent named, and why each request
was asked. Law: the parent is not touched; an answer that it holds is not asked for again, whatever the store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.compare import sides
from rlm_dsl.compare.corrected_rows import changed_rows
from rlm_dsl.compare.reasons import Asked, Reasons
from rlm_dsl.context.context import Context
from rlm_dsl.context.given import Given
from rlm_dsl.context.loading import require_options
from rlm_dsl.context.options import recorded_options
from rlm_dsl.context.placement import Placement
from rlm_dsl.engine.execution import Execution, declared_types
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.result import Result
from rlm_dsl.engine.run import run_program
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.resume import saying, settings_again
from rlm_dsl.explore.sub_run import explorer_of
from rlm_dsl.language.edit.corrections import Correction, with_corrections
from rlm_dsl.language.edit.set_arguments import Setting, with_settings
from rlm_dsl.models.budget import Estimate
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, ModelChoice, Settings
from rlm_dsl.models.stack import Approve, approve_all
from rlm_dsl.replay.earlier_run import of_earlier
from rlm_dsl.replay.sources import load_context, recorded_place, require_names
from rlm_dsl.trace.reader import Trace

Contexts = Mapping[str, str | Context | Given]
"""Where data lies now, by name: a path, a path with how it is read, or the data itself."""


@dataclass(frozen=True, slots=True)
class Different:
    """What is to be different; all else is as it was recorded. `program` is another program's text, with what tuning
    says of it; `at` and `settings` set arguments of one step of it; `corrections` are values set by hand."""

    contexts: Contexts = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str | ModelChoice] = field(default_factory=dict)
    base_url: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    program: Source | None = None
    at: str = ""
    settings: tuple[str, ...] = ()
    corrections: tuple[Correction, ...] = ()
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    proxies: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Any] = field(default_factory=dict)

    def source(self, trace: Trace) -> Source:
        source = self.program or Source("program.rlm", trace.program)
        if self.corrections:
            source = Source(source.name, with_corrections(source, self.corrections))
        if not self.settings:
            return source
        return Source(source.name, with_settings(source, self.at, [Setting.read(text) for text in self.settings]))

    def as_header(self) -> dict[str, Any]:
        """For the child's header: what was set to something else."""
        models = {alias: model if isinstance(model, str) else model.model for alias, model in self.models.items()}
        found = {
            "at": self.at,
            "set": list(self.settings),
            "corrected": [correction.words() for correction in self.corrections],
            "contexts": sorted(self.contexts),
            "params": dict(self.params),
            "models": models,
            "parameters": dict(self.parameters),
            "program": self.program is not None,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a rerun came to: the result, what each step asked anew and why, in order, and how many rows each correction
    changed."""

    result: Result
    asked: tuple[Asked, ...]
    corrected: tuple[int, ...] = ()

    @property
    def again(self) -> int:
        """Requests that followed from answers: those that did not fit their type, and later levels of trees."""
        return max(0, self.result.spent.calls - sum(asked.new for asked in self.asked))


def rerun(
    trace: Trace,
    different: Different,
    settings: Settings,
    limits: Limits | None = None,
    *,
    keys: Keys,
    progress: Progress,
    to: Path | None,
    told: Callable[[Asked], None] = lambda asked: None,
    approve: Approve = approve_all,
    memory: int | None = None,
    max_failed: float | None = None,
) -> Rerun:
    """Run a recorded program again. Of `settings` only how servers are reached counts; models, parameters and all else
    are the recorded ones but for what is `different`, and for `limits` and `max_failed` where they are given. `told`
    hears what a step asks anew, and why, before it is asked.

    Raises UserError and ProgramError as a run does.
    """
    source = different.source(trace)
    if not different.program:
        recorded = [str(context["name"]) for context in trace.header["contexts"]]
        require_names(different.contexts, [*recorded, *declared_types(source)])
    contexts = current_contexts(trace, different.contexts, source, memory, settings.keep, settings.engine)
    params = {**trace.header.get("params", {}), **different.params}
    chosen = chosen_settings(trace, different, settings, limits, max_failed)
    known = of_earlier(trace)
    after = sides.side_of_program(source, contexts, params, chosen.by_alias(), chosen.rows_per_call, known.versions)
    reasons = Reasons(trace, sides.side_of_trace(trace), after)
    asked: list[Asked] = []
    corrected: list[int] = []

    def with_reasons(estimate: Estimate) -> None:
        if estimate.new:
            why = reasons.of(estimate.step, estimate.asked)
            new = len(estimate.asked)
            asked.append(Asked(estimate.step, estimate.requests, new, why, estimate.most_usd, estimate.new))
            told(asked[-1])
        approve(estimate)

    def count_corrected(run: Execution, warehouse: Warehouse) -> None:
        corrected.extend(changed_rows(different.corrections, run, warehouse))

    result = run_program(
        source,
        contexts,
        params,
        chosen,
        keys=keys,
        progress=progress,
        trace=to,
        explorer=explorer_of(kept_wishes(trace)),
        approve=with_reasons,
        known=known,
        parent=trace,
        extra=lineage(trace, different),
        look=count_corrected,
    )
    return Rerun(result, tuple(asked), tuple(corrected))


def lineage(trace: Trace, different: Different) -> dict[str, Any]:
    """What a child's header says of its parent; the question is the parent's too."""
    path = trace.folder.as_posix() if trace.held is None else trace.name
    parent = {"name": trace.name, "path": path, "head": trace.head, "different": different.as_header()}
    again = ("question",) if different.program else ("question", "tuned")
    return {
        "parent": parent,
        **different.tuned,
        **{name: trace.header[name] for name in again if trace.header.get(name)},
        **({"wishes": wishes} if (wishes := kept_wishes(trace)) else {}),
    }


def kept_wishes(trace: Trace) -> dict[str, Any]:
    """What of a run's wishes holds for its reruns too: how the roots of its sub-runs are kept to the language."""
    return {name: value for name, value in trace.header.get("wishes", {}).items() if name == "constrain"}


def current_contexts(
    trace: Trace,
    given: Contexts,
    source: Source,
    memory: int | None,
    keep: str | None = None,
    engine: Placement | None = None,
) -> dict[str, Context]:
    """The data of a rerun: as given, else from where it was; typed as the program declares it, and read as it was
    where nothing else is said."""
    declared = declared_types(source)
    recorded = {str(context["name"]): context for context in trace.header["contexts"]}
    found: dict[str, Context] = {}
    for name in dict.fromkeys([*recorded, *given]):
        here = given.get(name)
        if isinstance(here, Context):
            found[name] = load_context(recorded[name], {name: here}, trace.folder) if name in recorded else here
            continue
        old = recorded.get(name, {})
        if here is None and not old["sources"]:
            found[name] = load_context(old, {}, trace.folder)
            continue
        where = given_again(here, old, trace.folder)
        require_options(where, declared.get(name))
        found[name] = open_context(
            name,
            where.path,
            format=where.format,
            declared=declared.get(name),
            memory=memory,
            options=where.options,
            keep=keep,
            engine=engine,
        )[0]
    return found


def given_again(here: str | Given | None, old: Mapping[str, Any], folder: Path) -> Given:
    """Where data lies now and how it is read: as it was where neither a format nor options are said."""
    options = recorded_options(old)
    if here is None:
        return Given(recorded_place(old, folder), old["format"], options)
    said = here if isinstance(here, Given) else Given(here)
    if said.format or said.options or not options:
        return said
    return replace(said, format=old["format"], options=options)


def chosen_settings(
    trace: Trace, different: Different, settings: Settings, limits: Limits | None, max_failed: float | None
) -> Settings:
    """The recorded settings but for what is different, and a budget of its own: as given, else as it was."""
    again = settings_again(trace.header, settings, limits, max_failed)
    models: dict[str, ModelChoice] = {}
    for alias in dict.fromkeys([*again.models, *different.models]):
        old = (
            again.chosen(alias if alias in again.models else next(iter(again.models), alias)) if again.models else None
        )
        new = different.models.get(alias)
        if new is None:
            assert old is not None
            choice = old
        elif isinstance(new, ModelChoice):
            choice = new
        else:
            choice = ModelChoice(new, old.base_url if old else settings.base_url, old.parameters if old else {})
        url = different.base_url or choice.base_url
        models[alias] = replace(choice, base_url=url, parameters={**choice.parameters, **different.parameters})
    if different.program is not None:
        again = replace(again, rows_per_call=different.rows_per_call, proxies=different.proxies)
    return saying(replace(again, models=models), different.base_url, different.models)
