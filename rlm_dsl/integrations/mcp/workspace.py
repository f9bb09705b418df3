"""A workspace: data from allowed folders, a session over it, answers as verified traces.

In: paths, statements, expressions, as an agent writes them. Out: bounded text. Law: no file outside the folders named
at the start is read, through no link, glob, trace or loaded context; no model is asked that was not named at the start.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.memory import memory_bytes
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.context.files.archives import split
from rlm_dsl.context.files.find import STANDARD_INPUT, file_and_table, find
from rlm_dsl.context.files.remote import is_elsewhere
from rlm_dsl.context.options import options_of
from rlm_dsl.context.stored_context import is_stored, makes_connection
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.run import redaction_of, run_program
from rlm_dsl.engine.runner import Runner, ignore_event
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.earlier import begin, earlier_of
from rlm_dsl.explore.follow_up import contexts_now, require_same_models
from rlm_dsl.explore.resume import in_order
from rlm_dsl.explore.session import Session, names_below
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.explore.view import cut
from rlm_dsl.integrations.mcp.hints import LONGEST
from rlm_dsl.integrations.rlms import free_trace
from rlm_dsl.language.check import Environment
from rlm_dsl.language.edit.rename import renamed
from rlm_dsl.language.names import check_name
from rlm_dsl.language.operators.core.registry import functions, table_operators
from rlm_dsl.language.reference.card import card
from rlm_dsl.language.reference.manual import manual_of
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.known_answers import NONE_KNOWN
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.replay.earlier_run import of_finished
from rlm_dsl.review.verified import verify_reviewed as verify
from rlm_dsl.trace.divergence import render_report
from rlm_dsl.trace.layout import HEADER
from rlm_dsl.trace.reader import Trace, open_trace
from rlm_dsl.trace.story import Story, story

EVIDENCE = 5
"""Places of evidence that an answer shows."""
TRACES = 200
"""Traces that are listed at most, the newest."""


class NotDone(Exception):
    """What a tool was asked for was not done, or not all of it: what was, and what is wrong."""


class Workspace:
    """Owns the models' stack and one session; each tool is a method, one at a time. Use as a context manager."""

    def __init__(self, allowed: Sequence[Path], settings: Settings, keys: Keys, traces: Path | None = None) -> None:
        settings = within_limits(settings, keys)
        self.allowed = tuple(real_folder(folder) for folder in allowed)
        self.settings, self.keys, self.traces = settings, keys, traces
        self.contexts: dict[str, Context] = {}
        self.lock = threading.RLock()
        self.open = ExitStack()
        redaction = redaction_of(keys, settings)
        calls = live_calls(settings, keys, ignore_event, redaction.redact, explore_text)
        self.calls = self.open.enter_context(calls)
        self.held = ExitStack()
        self.session = self.fresh({})
        self.known, self.earlier = NONE_KNOWN, dict[str, Any]()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()
        self.open.close()

    def fresh(self, contexts: dict[str, Context]) -> Session:
        """A session over these contexts, in a warehouse of its own."""
        held = ExitStack()
        warehouse = held.enter_context(Warehouse(self.settings.threads, self.settings.memory, contexts.values()))
        runner = Runner(warehouse, self.calls, NoProgress(), digests=False)
        session = Session(runner, Environment({name: context.schema for name, context in contexts.items()}))
        self.held.close()
        self.held = held
        return session

    # ---- the tools ----

    def load(self, name: str, path: str, format: str | None = None, options: Mapping[str, Any] | None = None) -> str:
        """Load data and look at it. What was bound before is bound again, on the answers that are known."""
        self.require_free(name)
        self.check(path)
        memory = memory_bytes(self.settings.memory) if self.settings.memory else None
        context, notes = open_context(name, path, format=format, memory=memory, options=options_of(options or {}))
        self.inside(*(source.path for source in context.sources if source.held is None))
        self.over({**self.contexts, name: context}, tuple(self.session.trees.values()))
        return "\n".join([*(f"note: {note}" for note in (*context.notes, *notes)), self.session.look()])

    def unload(self, name: str) -> str:
        """Let go of a context, and of what is bound over it."""
        self.require_loaded(name)
        gone = [bound for bound in self.session.trees if name in self.rests_on(bound)]
        kept = tuple(tree for bound, tree in self.session.trees.items() if bound not in gone)
        self.over({other: context for other, context in self.contexts.items() if other != name}, kept)
        told = f"no longer bound: {', '.join(gone)}" if gone else "nothing was bound over it"
        return f"unloaded {name}; {told}"

    def rename(self, name: str, to: str) -> str:
        """Call a context otherwise; what is bound over it stays bound."""
        self.require_loaded(name)
        self.require_free(to)
        tables = [*self.session.environment.contexts.values(), *self.session.tables.values()]
        if any(table.column(name) is not None for table in tables):
            raise UserError(
                f"a column is called {name} too, so that what is bound cannot be told apart",
                "unload the context, and load it by the other name",
            )
        contexts = {
            to if other == name else other: replace(context, name=to) if other == name else context
            for other, context in self.contexts.items()
        }
        self.over(contexts, tuple(renamed(tree, name, to) for tree in self.session.trees.values()))
        return f"{name} is called {to} now\n{self.session.look()}"

    def over(self, contexts: dict[str, Context], statements: Sequence[t.Statement]) -> None:
        """A session over these contexts, in which the statements are bound again, on the answers that are known."""
        self.session, self.contexts = self.fresh(contexts), contexts
        if statements:
            self.session.submit(show(t.Tree(tuple(statements))), name="bound before")

    def rests_on(self, bound: str) -> set[str]:
        """The names that a bound name rests on, contexts among them."""
        node = self.session.environment.bindings.get(bound)
        return set() if node is None else set(names_below(node))

    def require_free(self, name: str) -> None:
        if name in self.contexts:
            raise UserError(f"context {name} is there already", "name this data otherwise, or unload that one first")
        check_name(name, "call it by another name: {name}")
        if name in self.session.trees:
            raise UserError(f"{name} is bound to a statement already", "name this data otherwise")

    def require_loaded(self, name: str) -> None:
        if name not in self.contexts:
            raise UserError(f"no context is called {name}", *did_you_mean(name, list(self.contexts), what="loaded"))

    def go_on(self, trace: str) -> str:
        """Go on from a finished run: its data, what it bound and what it was answered, of which nothing is asked
        again."""
        if self.contexts:
            raise UserError("data is loaded already", "go on from a run first, and load more data after it")
        self.inside(trace)
        with open_trace(trace) as opened:
            for recorded in in_order(opened.header):
                self.check(str(recorded["given"]))
                self.inside(*(str(source["path"]) for source in recorded["sources"]))
            require_same_models(opened, self.calls.models.settings)
            contexts, _ = contexts_now(opened, {})
            earlier = earlier_of(opened)
            self.known = replace(of_finished(opened), goes_on=True)
        self.calls.models.know(self.known)
        self.session, self.contexts = self.fresh(contexts), contexts
        told = begin(self.session, earlier)
        self.earlier = {"parent": earlier.parent}
        return f"{self.session.look()}\n\n{told}"

    def look(self) -> str:
        """Every context with its first rows, and what is bound."""
        if not self.contexts:
            return f"Nothing is loaded yet. Data may be loaded from: {', '.join(map(str, self.allowed))}"
        bound = list(self.session.summaries.values())
        return "\n".join([self.session.look(), *(["Bound so far:", *bound] if bound else []), self.calls.models.left()])

    def run(self, statements: str) -> str:
        """Run statements one by one; what each came to, or what is wrong with it."""
        self.loaded()
        turn = self.session.submit(statements, name="statements")
        if turn.errors:
            raise NotDone(turn.observation)
        return turn.observation or "There was no statement in that: write NAME = expression, or show expression."

    def answer(self, expression: str) -> str:
        """The answer with the program that gives it alone, its evidence, and its trace where traces are kept."""
        self.loaded()
        turn = self.session.submit(f"answer {expression}", name="answer")
        if turn.answered is None:
            raise NotDone(turn.observation)
        statement = next(s for s in reversed(turn.statements) if isinstance(s, t.Answer))
        tree = self.session.sliced(turn.answered, statement, self.session.environment.contexts)
        named = {s.name for s in tree.statements if isinstance(s, t.ContextStatement)}
        spent = self.calls.models.spending
        limits = replace(
            self.settings.limits, calls=spent.calls_left, tokens=self.settings.limits.tokens - spent.tokens
        )
        result = run_program(
            Source("program.rlm", show(tree)),
            {name: context for name, context in self.contexts.items() if name in named},
            {},
            replace(self.settings, limits=limits),
            keys=self.keys,
            progress=NoProgress(),
            trace=None if self.traces is None else free_trace(self.traces),
            explorer=explore_text,
            known=self.known,
            extra=self.earlier,
        )
        told: list[str] = [
            cut(f"answer: {json.dumps(result.value, ensure_ascii=False)}", LONGEST // 2),
            "",
            result.program,
        ]
        places = [
            json.dumps(span.as_json(), ensure_ascii=False) for e in result.evidence for span in e.spans[:EVIDENCE]
        ]
        told += [f"evidence: {place}" for place in places[:EVIDENCE]]
        told += [f"trace: {result.trace}"] if result.trace else []
        return "\n".join(told)

    def verify(self, trace: str) -> str:
        """The levels of a trace, without a model."""
        path = Path(trace)
        self.inside(trace)
        opened = Trace.open(path, unfinished=True, changed=True)
        for context in opened.header.get("contexts", ()) if opened.finished else ():
            self.check(str(context["given"]))
            self.inside(*(str(source["path"]) for source in context["sources"]))
        return render_report(verify(opened, {}, os.environ))

    def traces_there(self) -> list[str]:
        """The traces that are kept, the newest first."""
        if self.traces is None or not self.traces.is_dir():
            return []
        found = (path for path in self.traces.iterdir() if is_trace(path))
        return [path.name for path in sorted(found, key=lambda path: path.name, reverse=True)[:TRACES]]

    def trace(self, name: str) -> str:
        """What a kept trace tells: question, data, program, steps and answer."""
        if self.traces is None or name not in self.traces_there():
            raise UserError(f"no trace is called {name}", *did_you_mean(name, self.traces_there(), what="traces"))
        self.inside(str(self.traces / name))
        with open_trace(self.traces / name) as opened:
            return "\n".join(story_lines(story(opened)))

    def manual(self, name: str = "") -> str:
        """The language on a page, or the manual of one operator or function."""
        if not name:
            return card()
        entries = [held[name] for held in (table_operators(), functions()) if name in held]
        if not entries:
            known = sorted({*table_operators(), *functions()})
            raise UserError(f"no operator or function is called {name}", *did_you_mean(name, known, what="operators"))
        return "\n\n".join(manual_of(entry).plain() for entry in entries)

    def loaded(self) -> None:
        if not self.contexts:
            raise UserError("no data is loaded", "load some first")

    # ---- what may be read ----

    def check(self, given: str) -> None:
        """Raise UserError for data of which any file lies outside the folders that are allowed."""
        if given == STANDARD_INPUT:
            raise UserError("standard input is the protocol's own", "load a file")
        if makes_connection(given):
            raise UserError("data that lies elsewhere is not read here", "load it into a folder that is allowed first")
        path = file_and_table(given)[0] if "::" in given else given
        self.inside(path)
        if not is_stored(path):
            self.inside(*(found.path for found in find(path)))

    def inside(self, *paths: str) -> None:
        if odd := next((path for path in paths if "\0" in path or not path.strip()), None):
            raise UserError(f"{odd!r} is no path", "name a file, folder or glob", code="path")
        roots = (*self.allowed, *([] if self.traces is None else [self.traces.resolve()]))
        for path in paths:
            archive = split(path)
            real = Path(os.path.realpath(archive[0] if archive else path))
            if is_elsewhere(path) or not any(real.is_relative_to(root) for root in roots):
                raise UserError(
                    f"{path} lies outside the folders that are allowed",
                    f"allowed: {', '.join(map(str, self.allowed))}",
                    code="path",
                )


def real_folder(folder: Path) -> Path:
    real = Path(os.path.realpath(folder.expanduser()))
    if not real.is_dir():
        raise UserError(f"there is no folder {folder}", "name the folders that may be read: --allow FOLDER")
    return real


def is_trace(path: Path) -> bool:
    return (path / HEADER).is_file() or (path.is_file() and path.suffix == ".zip")


def story_lines(told: Story) -> Iterator[str]:
    """A run in a few lines: what was asked of which data, how, and what came of it."""
    if told.changed:
        yield f"not as it was sealed: {told.changed}"
    if question := told.header.get("question"):
        yield f"question: {question}"
    for context in told.header.get("contexts", ()):
        yield f"data: {context['name']} from {context['given']}"
    yield f"program:\n{told.program}"
    for step in told.steps:
        yield f"step {step['step']}: {step['operator']}, {step.get('rows', 'a value')} rows"
    for part in told.answer.get("parts", ()):
        value = json.dumps(part["value"], ensure_ascii=False)
        yield f"answer {'.'.join(part['part'])}: {cut(value, LONGEST // 4)}"
    if not told.finished:
        yield f"unfinished: {told.stopped}"
