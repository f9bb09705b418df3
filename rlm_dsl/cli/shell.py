"""The shell: a person explores as the root model would, statement by statement.

In: loaded contexts, settings, lines from a terminal or a pipe. Out: views, and an exit code.
Law: a statement that fails or is interrupted changes nothing; nothing of the data reaches a terminal as a control
character.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.cli.output import Bar, note, safe, write
from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.run import redaction_of
from rlm_dsl.engine.runner import Runner, StepRecord, ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.session import Session, context_statement, summary
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.explore.view import view_value
from rlm_dsl.integrations.editor.completion import Candidate, complete
from rlm_dsl.integrations.editor.reading import as_statements, continues, goes_on
from rlm_dsl.language.check import Environment
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators
from rlm_dsl.language.program import Param
from rlm_dsl.language.reference.manual import manual_of
from rlm_dsl.language.sql import sql
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse, parse_prefix
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.plan.bounds import ASKS
from rlm_dsl.plan.stages import ModelStage, Plan

HELP = """\
A statement is run as soon as it is whole; an open bracket or a pipe at the end of a line goes on.
An expression alone is shown: tickets | take(3)

  :help OPERATOR  the manual of an operator or function
  :names          what is bound, with types and rows
  :program        the program so far: what is bound, and the last answer
  :save FILE      writes that program
  :quit           leaves, as Ctrl-D does

Ctrl-C cancels the line or the running step. Tab completes."""

COMMANDS = ("help", "names", "program", "save", "quit")


def run_shell(contexts: Mapping[str, Context], settings: Settings, environment: Mapping[str, str]) -> int:
    """A session over the contexts until the input ends."""
    keys = Keys(environment)
    redaction = redaction_of(keys, settings)
    progress = Bar()
    with (
        live_calls(settings, keys, ignore_event, redaction.redact, explore_text) as calls,
        Warehouse(settings.threads, settings.memory, contexts.values()) as warehouse,
    ):
        progress.watch(calls.models.spent)
        types = {name: context.schema for name, context in contexts.items()}
        session = Session(Steps(warehouse, calls, progress, digests=False), Environment(types))
        shell = Shell(session, calls.models.left)
        code = at_terminal(shell) if sys.stdin.isatty() else from_pipe(shell)
        if calls.models.spending.calls:
            note(calls.models.spent())
        return code


class Steps(Runner):
    """Says before a round how much it may ask, and takes the bar away where a round is left early."""

    def run(self, plan: Plan) -> tuple[StepRecord, ...]:
        try:
            return super().run(plan)
        except BaseException:
            self.progress.round_ended("")
            raise

    def ask(self, stage: ModelStage) -> None:
        self.settings(stage.step.arguments["using"])
        rows = int(self.warehouse.rows(sql("SELECT count(*) FROM ({rows})", rows=stage.rows))[0][0])
        left = self.calls.models.left() if isinstance(self.calls.models, LiveStack) else ""
        model = table_operators()[stage.step.operator].model
        each = ASKS * (1 if model is None else model.calls(stage.step.arguments))
        told = (
            f"{stage.step_name}: at most {each} model calls for each of {rows:,} rows, {rows * each:,} in all. {left}"
        )
        note(safe(told.rstrip()))
        super().ask(stage)


class Left(BaseException):
    """The person wants to leave."""


@dataclass(slots=True)
class Shell:
    """A session with what a person sees of it. `code` is that of the worst that went wrong so far."""

    session: Session
    left: Callable[[], str]
    answer: t.Statement | None = None
    saved: set[Path] = field(default_factory=set)
    code: int = 0

    def take(self, entry: str) -> None:
        """One entry: a command, or statements, which stop at the first that fails."""
        try:
            if entry.lstrip().startswith(":"):
                self.command(entry.strip()[1:])
                return
            for piece in pieces(as_statements(entry)):
                if not self.statement(piece):
                    return
        except ProgramError as failure:
            self.failed(str(failure))
        except UserError as failure:
            self.failed(f"error: {failure}", failure.exit_code)
        except Exception as failure:
            if os.environ.get("RLM_DSL_DEBUG"):
                raise
            told = f"{type(failure).__name__}: {failure}".split("\n")[0][:300]
            self.failed(f"internal error: {told}\n  hint: this is a fault of rlm-dsl; what was bound is still there")
        finally:
            sys.stdout.flush()

    def failed(self, told: str, code: int = 2) -> None:
        sys.stdout.flush()
        note(safe(told))
        self.code = max(self.code, code)

    def statement(self, text: str) -> bool:
        """Run one statement and show what it came to; whether it went well."""
        source = Source("input", text)
        if parse_prefix(source).unfinished:
            parse(source)
        turn = self.session.submit(text, name="input")
        if turn.errors:
            self.failed(turn.observation)
            return False
        statement = parse_prefix(source).tree.statements[0]
        match statement:
            case t.Binding(name) | t.ParamStatement(name):
                known = turn.observation if turn.observation.startswith("`") else ""
                write(safe(known or "\n".join(self.told(name))))
            case t.ContextStatement(name):
                write(safe(f"`{name}` is as declared"))
            case _:
                write(safe(turn.observation))
        if turn.answered is not None:
            self.answer = statement
        return True

    def told(self, name: str) -> list[str]:
        """A bound name in a line, or a line for each part of a record of tables."""
        node = self.session.environment.bindings[name]
        if isinstance(node, Param):
            return [view_value(name, node.type, node.value)]
        parts = self.session.summaries.items()
        return [told for label, told in parts if label == name or label.startswith(f"{name}.")]

    # ---- commands ----

    def command(self, text: str) -> None:
        name, _, given = text.partition(" ")
        given = given.strip()
        match name:
            case "help" | "h" | "?":
                write(safe(manual(given) if given else HELP))
            case "names":
                write(safe(self.names()))
            case "program":
                write(safe(self.program().rstrip("\n")))
            case "save":
                self.save(given)
            case "quit" | "q" | "exit":
                raise Left
            case _:
                hints = did_you_mean(name, COMMANDS, what="commands")
                raise UserError(f"no command is called :{name}", *hints)

    def names(self) -> str:
        """Contexts and what is bound, with types and rows."""
        warehouse = self.session.runner.warehouse
        lines = [f"context {summary(n, r.type, warehouse.count(n))}" for n, r in warehouse.contexts.items()]
        return "\n".join([*lines, *(line for name in self.session.environment.bindings for line in self.told(name))])

    def program(self) -> str:
        """The program so far in canonical form: contexts, params, bindings and the last answer."""
        heads = [context_statement(name, type_) for name, type_ in self.session.environment.contexts.items()]
        made = sorted(self.session.trees.values(), key=lambda made: not isinstance(made, t.ParamStatement))
        return show(t.Tree((*heads, *made, *([self.answer] if self.answer else []))))

    def save(self, given: str) -> None:
        if not given:
            raise UserError("where to? no file is named", "write :save program.rlm")
        path = Path(given).expanduser()
        if path.exists() and path.resolve() not in self.saved:
            raise UserError(f"there is a file {given} already", "save under another name, or remove it first")
        try:
            path.write_text(self.program(), encoding="utf-8", newline="\n")
        except OSError as failure:
            raise UserError(f"{given} cannot be written: {failure.strerror}") from None
        self.saved.add(path.resolve())
        write(safe(f"saved {given}" + ("" if self.answer else "; it has no `answer` yet, which `run` wants")))


def manual(name: str) -> str:
    """The manual of all that is called by a name."""
    entries = [held[name] for held in (table_operators(), functions()) if name in held]
    if not entries:
        known = sorted({*table_operators(), *function_names(), *aggregates()})
        raise UserError(f"no operator or function is called {name}", *did_you_mean(name, known, what="operators"))
    return "\n\n".join(manual_of(entry).plain() for entry in entries)


# ---- from lines to entries ----


def pieces(text: str) -> Iterator[str]:
    """The statements of a text one by one, last what could not be read."""
    prefix = parse_prefix(Source("input", text))
    for statement in prefix.tree.statements:
        yield text[statement.span.start : statement.span.end]
    if prefix.problems or prefix.unfinished:
        yield text[prefix.end :].strip()


def entries(lines: Iterable[str], following: Callable[[], str | None]) -> Iterator[str]:
    """Lines put together until a statement is whole; `following` looks at the next line, if it is there."""
    entry = ""
    for line in lines:
        if not entry and line.lstrip().startswith(":"):
            yield line
            continue
        entry += line + "\n"
        if not entry.strip():
            entry = ""
            continue
        behind = following()
        if goes_on(entry) or (behind is not None and continues(behind)):
            continue
        yield entry
        entry = ""
    if entry:
        yield entry


class Lines:
    """Lines of a text, or of a stream as they come; `following` is the next that is more than a comment."""

    def __init__(self, text: str = "", stream: Any = None) -> None:
        self.held = text.encode("utf-8", "surrogatepass")
        self.stream = stream

    def __iter__(self) -> Iterator[str]:
        while True:
            while b"\n" not in self.held and self.more():
                pass
            if not self.held:
                return
            line, _, self.held = self.held.partition(b"\n")
            yield decoded(line)

    def more(self) -> bool:
        """Wait for more; whether there was any."""
        if self.stream is None:
            return False
        read = os.read(self.stream.fileno(), 65_536)
        self.held += read
        self.stream = self.stream if read else None
        return bool(read)

    def following(self) -> str | None:
        while self.ready():
            self.more()
        for line in self.held.split(b"\n"):
            if line.strip() and not line.lstrip().startswith(b"#"):
                return line.decode("utf-8", "replace")
        return None

    def ready(self) -> bool:
        """Whether more is there without waiting and is needed to see a line."""
        import select

        if self.stream is None or self.held.count(b"\n") > 3:
            return False
        try:
            return bool(select.select([self.stream], [], [], 0)[0])
        except (OSError, ValueError):
            return False


def decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8").removeprefix("\ufeff").rstrip("\r")
    except UnicodeDecodeError:
        raise UserError("standard input is no UTF-8 text", "programs are UTF-8") from None


def from_pipe(shell: Shell) -> int:
    """Every entry of standard input; the code tells whether any went wrong."""
    lines = Lines(stream=sys.stdin.buffer)
    try:
        for entry in entries(lines, lines.following):
            shell.take(entry)
    except Left:
        pass
    return shell.code


# ---- at a terminal ----


def at_terminal(shell: Shell) -> int:
    """Ask for entries until the person leaves. What went wrong was seen, so the code is 0."""
    ask = prompt_for(shell)
    note(safe(shell.names()))
    note(":help tells what there is, Ctrl-D leaves")
    while True:
        try:
            lines = Lines(ask())
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        try:
            for entry in entries(lines, lines.following):
                shell.take(entry)
        except KeyboardInterrupt:
            note("interrupted")
        except Left:
            return 0


def prompt_for(shell: Shell) -> Callable[[], str]:
    """How to ask for an entry: with history, completion and highlighting."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import create_output

    class Completing(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
            text = document.text
            start, found = completions(text, document.cursor_position, shell.session.environment)
            for candidate in found:
                back = start - document.cursor_position
                yield Completion(candidate.text, back, display_meta=safe(candidate.detail.split("\n")[0]))

    keys = KeyBindings()

    @keys.add("enter")
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None
        elif wants_more(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    session: PromptSession[str] = PromptSession(
        "rlm> ",
        multiline=True,
        prompt_continuation=lambda width, number, wrapped: "...> ".rjust(width),
        completer=Completing(),
        complete_while_typing=False,
        key_bindings=keys,
        lexer=highlighting(),
        history=history(),
        output=create_output(always_prefer_tty=True),
    )
    return session.prompt


def highlighting() -> Any:
    """Colours for what is typed, where Pygments is installed."""
    from prompt_toolkit.lexers import PygmentsLexer

    try:
        from rlm_dsl.integrations.editor.lexer import RlmLexer
    except ModuleNotFoundError:
        return None
    return PygmentsLexer(RlmLexer)


def wants_more(text: str) -> bool:
    """Whether Enter goes on to a further line; an empty line ends the entry in any case."""
    return not text.lstrip().startswith(":") and not text.endswith("\n") and bool(text.strip()) and goes_on(text)


def completions(text: str, at: int, environment: Environment) -> tuple[int, tuple[Candidate, ...]]:
    """What may be written at a place of an entry, and where the word begins that it stands for."""
    if not text.lstrip().startswith(":"):
        found = complete(text, at, environment, bare=True)
        return found.start, found.candidates
    head = text[:at].lstrip()
    start = at - len(head) + max(head.rfind(" "), head.rfind(":")) + 1
    known: Iterable[str] = () if " " in head else COMMANDS
    if head.startswith(":help "):
        known = sorted({*table_operators(), *function_names()})
    return start, tuple(Candidate(name, "word") for name in known if name.startswith(text[start:at]))


def history() -> Any:
    """What was entered before, in the user's data folder; only of this session if that cannot be written."""
    import platformdirs
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    path = Path(platformdirs.user_data_dir("rlm-dsl", appauthor=False)) / "shell_history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.open("ab").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
