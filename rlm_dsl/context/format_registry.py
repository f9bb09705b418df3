"""The registry: every file format, found by reading `formats/`.

In: the modules of `formats/` and its folders. Out: formats by name and by ending, in the order of their names.
Law: adding a format is adding one file or folder; nothing else names it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.context import formats as folder
from rlm_dsl.context.context import Context
from rlm_dsl.context.format import Format
from rlm_dsl.language.types import Table


@cache
def formats() -> Mapping[str, Format]:
    """Every format by its name."""
    modules = [importlib.import_module(f"{folder.__name__}.{m.name}") for m in pkgutil.iter_modules(folder.__path__)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Format)]
    return {format.name: format for format in sorted(found, key=lambda format: format.name)}


def format_named(name: str) -> Format:
    """The format of a name. Raises UserError for one that there is not."""
    if name not in formats():
        raise UserError(f"no format is called {name!r}", *did_you_mean(name, list(formats()), what="formats"))
    return formats()[name]


def format_of_ending(ending: str) -> Format | None:
    """The format that files with an ending are taken for."""
    known = (format for format in formats().values() if format.by_ending and ending.lower() in format.endings)
    return next(known, None)


def format_of_address(given: str) -> Format | None:
    """The format of an address that is no file's, such as that of a database."""
    scheme = given.partition("://")[0].lower()
    return next((format for format in formats().values() if scheme in format.schemes), None)


def own_column(context: Context) -> str:
    """The column that holds a row's very bytes, such as the text of a line; '' where there is none."""
    return own_of(context.format, context.schema)


def own_of(name: str, schema: Table) -> str:
    """The same of a format's rows with these columns."""
    format = formats().get(name)
    return format.own if format is not None and schema.column(format.own) is not None else ""
