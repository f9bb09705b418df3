"""What Python code hands in as data, as contexts that a program can name.

In: texts, lists of texts, tables, paths, contexts. Out: contexts by name.
Law: a `str` is always a text and never a path; only a `Path` names a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.engine.inputs import context_of, text
from rlm_dsl.language.names import check_name


def given_context(name: str, given: Any) -> Context:
    """One context. Raises UserError for what is no data."""
    match given:
        case str():
            return text(given, name)
        case list() | tuple() if given and all(isinstance(item, str) for item in given):
            return context_of(name, [{"number": n, "text": item} for n, item in enumerate(given, 1)])
        case Mapping():
            return context_of(name, [dict(given)])
        case bytes():
            raise UserError(f"`{name}` is bytes", "decode them: given.decode('utf-8')")
        case tuple():
            return context_of(name, list(given))
        case Context() | os.PathLike() | list():
            return context_of(name, given)
        case _ if hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__"):
            return context_of(name, given)
        case _:
            raise UserError(
                f"`{name}` is no data: {type(given).__name__}",
                "give a text, a list of texts or dicts, a table of pandas, polars or Arrow, or a Path to a file",
            )


def given_contexts(given: Mapping[str, Any]) -> dict[str, Context]:
    """Contexts by the names that programs know them by. Raises UserError for a name that none can write."""
    for name in given:
        check_name(name, "call it otherwise, such as {name}")
    return {name: given_context(name, value) for name, value in given.items()}


def refuse_arguments(given: Mapping[str, Any], reasons: Mapping[str, str], of: str) -> None:
    """Raise UserError for an argument that a peer takes and that makes no sense here, with the reason."""
    for name, value in given.items():
        if name not in reasons:
            raise TypeError(f"{of}() got an unexpected keyword argument {name!r}")
        if value not in (None, False, (), [], {}):
            raise UserError(f"{of} takes no `{name}`", reasons[name])
