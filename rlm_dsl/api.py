"""The Python interface: load, ask, run, verify.

In: paths, questions, programs, settings as keywords. Out: contexts, results, reports.
Law: each command of the command line is one call here; nothing is read from the environment but keys and addresses.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.common.version import version
from rlm_dsl.compare.reasons import Asked
from rlm_dsl.compare.rerun import Different, Rerun
from rlm_dsl.compare.rerun import rerun as run_again
from rlm_dsl.context.context import Context
from rlm_dsl.context.loading import load as load_context
from rlm_dsl.context.options import options_of
from rlm_dsl.context.placement import Placement
from rlm_dsl.context.python_table import is_table
from rlm_dsl.engine.execution import declared_types
from rlm_dsl.engine.inputs import Contexts, contexts_or_given, given_contexts, open_contexts, table_context, text
from rlm_dsl.engine.progress import NoProgress, Progress
from rlm_dsl.engine.result import Result
from rlm_dsl.engine.run import run_program
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.explore.ask import ExploreOptions
from rlm_dsl.explore.follow_up import follow_up
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.modes import answer_by_mode
from rlm_dsl.explore.prompt import LIMIT
from rlm_dsl.explore.resume import resume as go_on
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.language.edit.corrections import Correction
from rlm_dsl.models.prices import Price
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, ModelChoice, Models, Settings, settings_of
from rlm_dsl.optimize.tuned import apply_tuned, open_tuned
from rlm_dsl.replay.verify_sample import Sample
from rlm_dsl.review.labels.file import labels_beside
from rlm_dsl.review.of_result import labels_of_program, reviewed_run
from rlm_dsl.review.telling import with_reviews
from rlm_dsl.review.verified import verify_reviewed
from rlm_dsl.trace.divergence import Report, level_named
from rlm_dsl.trace.heads import whole_head
from rlm_dsl.trace.reader import Trace

__all__ = [
    "Context",
    "Correction",
    "Report",
    "Result",
    "UserError",
    "ask",
    "load",
    "rerun",
    "resume",
    "run",
    "text",
    "verify",
    "version",
]

MODES = ("explore", "auto", "direct")


def load(
    path: Any,
    name: str = "data",
    *,
    format: str | None = None,
    to: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Context:
    """Load a file, folder or glob, or take a table that Python holds: of pandas, polars or Arrow, or a list of dicts.

    `format` (lines, documents, csv, jsonl, parquet, ...) says it where the ending does not. With `to`, a folder whose
    name ends in `.rlmctx`, the context is kept there, and later opened at once. `options` say how it is read, such as
    `encoding="cp1252"`, `delimiter=";"`, `header=False` (docs/data.md).

    Raises UserError with one clear message when it cannot be read.
    """
    if is_table(path):
        if to is not None:
            raise UserError("a table in Python is not kept on disk", "write it as Parquet, and load that file")
        if options:
            raise UserError("a table in Python is not read by options", f"it was given {', '.join(options)}")
        return table_context(name, path)
    reading = options_of(options)
    if to is not None:
        return store_context(name, os.fspath(path), Path(to), format, options=reading)
    return load_context(name, os.fspath(path), format=format, options=reading)


def ask(
    question: str,
    contexts: Contexts | None = None,
    *,
    model: Models | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    budget: Mapping[str, float] | None = None,
    trace: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    shown: Callable[[Told], None] = lambda told: None,
    returns: str = "",
    mode: str = "explore",
    depth: int | None = None,
    n: int = 1,
    verify_answer: bool = False,
    prompt_tokens: int = LIMIT,
    constrain: bool = False,
    continue_from: str | os.PathLike[str] | Result | None = None,
    **more: Any,
) -> Result:
    """Explore until the question is answered. `budget` holds calls, tokens, usd, seconds; `returns` spells the type
    that the answer must have; with `mode` direct a model is shown the whole context, with auto where it is short;
    `depth` 0 asks no model about rows, 1 does, more allows sub-runs; `n` explorations agree on an answer; with
    `verify_answer` a model looks at the evidence first; `prompt_tokens` bounds a root prompt; with `constrain` the
    root's replies are kept to a grammar where the server can; `continue_from`, a result or a trace, goes on with what
    it bound, its data and its models, and asks nothing again that it asked. `more` are fields of Settings (turns,
    card, concurrency, threads, memory, keep, engine, parameters, servers, store, price, timeout_seconds, window,
    max_failed, pack).

    Raises UserError: exit code 3 when budget, turns or server end it, with everything answered so far kept.
    """
    if mode not in MODES:
        raise UserError(f"there is no mode {mode!r}", f"modes: {', '.join(MODES)}")
    options = ExploreOptions(returns, depth, verify_answer, n, prompt_tokens, constrain)
    if continue_from is not None:
        return follow_up(
            Trace.open(trace_of(continue_from)),
            question,
            settings_of(model, base_url, budget, **more),
            options,
            keys=Keys(os.environ, api_key),
            progress=progress or NoProgress(),
            models={} if model is None else model if isinstance(model, Mapping) else {"root": model},
            base_url=base_url or "",
            given=contexts_or_given(contexts or {}),
            to=Path(trace) if trace else None,
            shown=shown,
            noted=lambda note: warnings.warn(note, stacklevel=3),
        )
    if contexts is None:
        raise UserError("no data is named", "hand some in: contexts={'tickets': 'tickets.csv'}")
    found = answer_by_mode(
        mode,
        question,
        open_contexts(contexts, memory=more.get("memory"), keep=more.get("keep"), engine=engine_of(more)),
        settings_of(model, base_url, budget, **more),
        options,
        keys=Keys(os.environ, api_key),
        progress=progress or NoProgress(),
        shown=shown,
        trace=Path(trace) if trace else None,
    )
    return with_reviews(next(iter(found.values())))


def engine_of(more: Mapping[str, Any]) -> Placement | None:
    """The engine that is wanted, if it is another than this process."""
    return Placement.of(more.get("engine"))


def trace_of(earlier: str | os.PathLike[str] | Result) -> Path:
    """Where an earlier run was recorded."""
    if not isinstance(earlier, Result):
        return Path(earlier)
    if earlier.trace is None:
        raise UserError("that result has no trace to go on from", "record it: rlm_dsl.ask(..., trace='first.trace')")
    return earlier.trace


def run(
    program: str,
    contexts: Contexts,
    *,
    params: Mapping[str, Any] | None = None,
    model: Models | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    budget: Mapping[str, float] | None = None,
    trace: str | os.PathLike[str] | None = None,
    answers: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    name: str = "program",
    tuned: str | os.PathLike[str] | None = None,
    price: Price | None = None,
    labels: str | os.PathLike[str] | None = None,
    **more: Any,
) -> Result:
    """Run a program's text. With `answers`, a trace, no model is asked: its recorded answers are used. `tuned` is a
    file that optimizing made for the program; `labels` are reviewed rows, by which `result.estimates` have the answer's
    numbers with their intervals.

    Raises ProgramError with every problem of the program, UserError for anything else.
    """
    settings = settings_of(model, base_url, budget, price=price, **more)
    held = open_tuned(Path(tuned)) if tuned else None
    source, settings, extra = apply_tuned(Source(name, program), held, settings)
    data = open_contexts(contexts, declared_types(source), more.get("memory"), more.get("keep"), engine_of(more))
    reviews = labels_of_program(Path("-"), Path(labels) if labels else None)

    def run_to(place: Path | None, settings: Settings) -> Result:
        return run_program(
            source,
            data,
            params or {},
            settings,
            keys=Keys(os.environ, api_key),
            progress=progress or NoProgress(),
            trace=place,
            answers=Trace.open(Path(answers)) if answers else None,
            explorer=explore_text,
            extra=extra,
        )

    return reviewed_run(run_to, Path(trace) if trace else None, settings, reviews, data)


def resume(
    trace: str | os.PathLike[str],
    contexts: Contexts | None = None,
    *,
    api_key: str | None = None,
    budget: Mapping[str, float] | None = None,
    max_failed: float | None = None,
    turns: int | None = None,
    progress: Progress | None = None,
    shown: Callable[[Told], None] = lambda told: None,
    price: Price | None = None,
    **more: Any,
) -> Result:
    """Go on with a run that was stopped, from where its unfinished trace ends. `contexts` hands in the tables that were
    in Python alone; `budget` and `max_failed` replace the run's own, and what was spent stays spent; `turns` is how
    many an exploration may take in all, more than before; `more` are fields of Settings that say how servers are
    reached (servers, concurrency, timeout_seconds, store, threads, memory, keep, engine).

    Raises UserError for a trace that is finished, or whose data is no longer what it was.
    """
    return go_on(
        Path(trace),
        Settings(price=price, **more),
        Limits(**dict[str, Any](budget)) if budget else None,
        keys=Keys(os.environ, api_key),
        progress=progress or NoProgress(),
        shown=shown,
        max_failed=max_failed,
        given=given_contexts(contexts or {}),
        turns=turns,
    )


def rerun(
    trace: str | os.PathLike[str],
    contexts: Contexts | None = None,
    *,
    to: str | os.PathLike[str] | None = None,
    program: str | None = None,
    params: Mapping[str, Any] | None = None,
    model: Models | None = None,
    base_url: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    at: str = "",
    settings: Sequence[str] = (),
    corrections: Sequence[Correction] = (),
    api_key: str | None = None,
    budget: Mapping[str, float] | None = None,
    max_failed: float | None = None,
    progress: Progress | None = None,
    told: Callable[[Asked], None] = lambda asked: None,
    price: Price | None = None,
    **more: Any,
) -> Rerun:
    """Run a recorded program again: as it was, but for the data, program, params or models that are given, or for
    `settings` of the step `at` (`'classify.labels=["a", "b"]'`), or for `corrections`, values set by hand
    (`Correction.read("topics", 'topic="billing"', "id == 7", "read by Ann")`). Only requests that the trace and the
    store do not answer are asked; `told` hears of them, step by step with one reason each, before they leave. The new
    trace, in `to`, names its parent; `budget` and `max_failed` are the recorded ones unless they are given, and `more`
    are fields of Settings that say how servers are reached.

    Raises ProgramError with every problem of the program, UserError for anything else.
    """
    chosen = {"root": model, "sub": model} if isinstance(model, str | ModelChoice) else dict(model or {})
    data = contexts_or_given(contexts or {})
    found = run_again(
        Trace.open(Path(trace)),
        Different(
            data,
            params or {},
            chosen,
            base_url or "",
            parameters or {},
            None if program is None else Source("program", program),
            at,
            tuple(settings),
            tuple(corrections),
        ),
        Settings(price=price, **more),
        Limits(**dict[str, Any](budget)) if budget else None,
        keys=Keys(os.environ, api_key),
        progress=progress or NoProgress(),
        to=Path(to) if to else None,
        told=told,
        max_failed=max_failed,
    )
    in_python = {name: held for name, held in data.items() if isinstance(held, Context)}
    return replace(found, result=with_reviews(found.result, labels_beside(Path(trace)), in_python))


def verify(
    trace: str | os.PathLike[str],
    contexts: Contexts | None = None,
    *,
    public_key: bytes | None = None,
    level: str | None = None,
    head: str | Iterable[str] | None = None,
    engine: str | Placement | None = None,
    sample: int | str | None = None,
) -> Report:
    """Check a trace, level by level, without a model or network. `contexts` says where data lies that was moved, and
    hands in the tables that were in Python alone; `public_key` (PEM) is whose signature it must have; `level` is the
    last one that is checked, by name or number; `head` is the head that was kept, or
    several of which it must have one; `engine` ("ray") reads and works on the data where it is not this process;
    `sample` is how many files are checked in place of all data, or "N:SEED"."""
    given = given_contexts(contexts or {})
    told = () if head is None else (head,) if isinstance(head, str) else head
    heads = dict.fromkeys(map(whole_head, told), "")
    if head is not None and not heads:
        raise UserError("no head is given", "give the one that was kept; without any, leave `head` out")
    opened = Trace.open(Path(trace), unfinished=True, changed=True)
    placed, drawn = Placement.of(engine), None if sample is None else Sample.read(str(sample))
    return verify_reviewed(
        opened, given, os.environ, public_key, level_named(level), heads, engine=placed, sample=drawn
    )
