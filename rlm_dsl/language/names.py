"""Names that people give to data: which of them a program can write, and what to call the others.

In: a name. Out: whether it stands as it is, or a free one. Law: a name that is taken can be written in a program as it
is, without backticks; a word that begins a statement is one, since it is a word nowhere else.
"""

from __future__ import annotations

import re

from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.language.types import MISREAD, RESERVED

STATEMENT_WORDS = frozenset({"context", "param", "show", "answer"})


def is_usable(name: str) -> bool:
    """Whether programs can write a name. One with letters beyond ASCII needs backticks, and problems say so."""
    return name.isidentifier() and name not in (RESERVED - STATEMENT_WORDS) | MISREAD


def free_name(name: str) -> str:
    """The name itself where programs can write it, else one near it."""
    if is_usable(name):
        return name
    plain = re.sub(r"\W+", "_", name).strip("_")
    plain = plain if is_usable(plain) else f"data_{plain}".rstrip("_")
    return plain if is_usable(plain) else "data"


def check_name(name: str, renamed: str = "name it otherwise: {name}") -> None:
    """Raise UserError for data of a name that no program can write; `renamed` tells how another is given."""
    if not is_usable(name):
        why = "is a word of the language" if name.isidentifier() else "is no name that a program can write"
        raise UserError(f"`{printable(name)}` {why}", renamed.format(name=free_name(name)), code="name")
