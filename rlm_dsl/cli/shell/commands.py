"""The shell's own commands, from :help to :quit.

In: a command without its colon. Out: text on stdout, or a file. Law: no file is overwritten but one of this session's.
"""

from __future__ import annotations

from pathlib import Path

from rlm_dsl.cli.output import safe, write
from rlm_dsl.cli.shell.session import Shell
from rlm_dsl.common.atomic_write import write_named
from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators
from rlm_dsl.language.reference.manual import manual_of

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


class Left(BaseException):
    """The person wants to leave."""


def run_command(shell: Shell, text: str) -> None:
    name, _, given = text.partition(" ")
    given = given.strip()
    match name:
        case "help" | "h" | "?":
            write(safe(manual(given) if given else HELP))
        case "names":
            write(safe(shell.names()))
        case "program":
            write(safe(shell.program().rstrip("\n")))
        case "save":
            save(shell, given)
        case "quit" | "q" | "exit":
            raise Left
        case _:
            hints = did_you_mean(name, COMMANDS, what="commands")
            raise UserError(f"no command is called :{name}", *hints)


def save(shell: Shell, given: str) -> None:
    if not given:
        raise UserError("where to? no file is named", "write :save program.rlm")
    path = Path(given).expanduser()
    if path.exists() and path.resolve() not in shell.saved:
        raise UserError(f"there is a file {given} already", "save under another name, or remove it first")
    write_named(path, shell.program())
    shell.saved.add(path.resolve())
    write(safe(f"saved {given}" + ("" if shell.answer else "; it has no `answer` yet, which `run` wants")))


def manual(name: str) -> str:
    """The manual of all that is called by a name."""
    entries = [held[name] for held in (table_operators(), functions()) if name in held]
    if not entries:
        known = sorted({*table_operators(), *function_names(), *aggregates()})
        raise UserError(f"no operator or function is called {name}", *did_you_mean(name, known, what="operators"))
    return "\n\n".join(manual_of(entry).plain() for entry in entries)
