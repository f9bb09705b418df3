"""What may be written next: of a statement as in editors, of a command by its name.

In: an entry's text, a place in it. Out: candidates, and where the word begins that they stand for. Law: nothing
is run.
"""

from __future__ import annotations

from collections.abc import Iterable

from rlm_dsl.cli.shell.commands import COMMANDS
from rlm_dsl.integrations.editor.completion import Candidate, complete
from rlm_dsl.language.check import Environment
from rlm_dsl.language.operators.core.registry import function_names, table_operators


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
