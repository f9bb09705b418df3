"""An entry evaluated: a command, or statements, and what it came to printed.

In: a shell, the text of an entry. Out: views on stdout, problems on stderr. Law: a statement that fails changes nothing
of what is bound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from rlm_dsl.cli.output import flush, safe, write
from rlm_dsl.cli.shell.commands import run_command
from rlm_dsl.cli.shell.session import Shell
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.integrations.editor.reading import as_statements
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse, parse_prefix


def evaluate(shell: Shell, entry: str) -> None:
    """One entry: a command, or statements, which stop at the first that fails."""
    try:
        if entry.lstrip().startswith(":"):
            run_command(shell, entry.strip()[1:])
            return
        for piece in pieces(as_statements(entry)):
            if not run_statement(shell, piece):
                return
    except ProgramError as failure:
        shell.failed(str(failure))
    except UserError as failure:
        shell.failed(f"error: {failure}", failure.exit_code)
    except Exception as failure:
        if os.environ.get("RLM_DSL_DEBUG"):
            raise
        told = f"{type(failure).__name__}: {failure}".split("\n")[0][:300]
        shell.failed(f"internal error: {told}\n  hint: this is a fault of rlm-dsl; what was bound is still there")
    finally:
        flush()


def run_statement(shell: Shell, text: str) -> bool:
    """Run one statement and show what it came to; whether it went well."""
    source = Source("input", text)
    if parse_prefix(source).unfinished:
        parse(source)
    turn = shell.session.submit(text, name="input")
    if turn.errors:
        shell.failed(turn.observation)
        return False
    statement = parse_prefix(source).tree.statements[0]
    match statement:
        case t.Binding(name) | t.ParamStatement(name):
            known = turn.observation if turn.observation.startswith("`") else ""
            write(safe(known or "\n".join(shell.summaries_of(name))))
        case t.ContextStatement(name):
            write(safe(f"`{name}` is as declared"))
        case _:
            write(safe(turn.observation))
    if turn.answered is not None:
        shell.answer = statement
    return True


def pieces(text: str) -> Iterator[str]:
    """The statements of a text one by one, last what could not be read."""
    prefix = parse_prefix(Source("input", text))
    for statement in prefix.tree.statements:
        yield text[statement.span.start : statement.span.end]
    if prefix.problems or prefix.unfinished:
        yield text[prefix.end :].strip()
