"""What is handed in as data, by name: paths, contexts, tables and texts that Python holds, as contexts.

In: data by the names that programs know it by. Out: contexts. Law: a path is loaded as the program declares it,
where it does; a table in Python is taken as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rlm_dsl.common.memory import memory_bytes
from rlm_dsl.context.context import Context
from rlm_dsl.context.given import Given, given_of, is_given
from rlm_dsl.context.loading import as_declared, memory_context, require_options
from rlm_dsl.context.placement import Placement
from rlm_dsl.context.python_table import GIVEN, is_table, load_table
from rlm_dsl.engine.calls.sub_runs import text_context
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.language.names import check_name
from rlm_dsl.language.types import Table

Contexts = Mapping[str, Any]
"""Data by name: a path, a mapping with `path` and how it is read, a Context, or a table that Python holds, of pandas,
polars or Arrow, or a list of dicts."""


def open_contexts(
    contexts: Contexts,
    declared: Mapping[str, Table] | None = None,
    memory: str | None = None,
    keep: str | None = None,
    engine: Placement | None = None,
) -> dict[str, Context]:
    """Contexts by the names that programs know them by; paths are loaded, as the program declares them if it does.
    Where no program is there yet, a name that none can write is refused before anything is loaded."""
    for name in contexts if declared is None else ():
        check_name(name)
    types = declared or {}
    return {name: context_of(name, given, types.get(name), memory, keep, engine) for name, given in contexts.items()}


def context_of(
    name: str,
    given: Any,
    declared: Table | None = None,
    memory: str | None = None,
    keep: str | None = None,
    engine: Placement | None = None,
) -> Context:
    """A context as it is, or made from a table or a path."""
    if isinstance(given, Context):
        renamed = rename_context(given, name)
        return renamed if declared is None or given.count else as_declared(renamed, declared)
    if is_table(given):
        context = table_context(name, given)
        return context if declared is None else as_declared(context, declared)
    where = given_as(given)
    require_options(where, declared)
    return open_context(
        name,
        where.path,
        format=where.format,
        declared=declared,
        memory=memory_bytes(memory) if memory else None,
        options=where.options,
        keep=keep,
        engine=engine,
    )[0]


def given_as(given: Any) -> Given:
    """Where data lies and how it is read, from a path or a mapping."""
    if isinstance(given, Given):
        return given
    return given_of(given) if is_given(given) else Given(os.fspath(given))


def table_context(name: str, given: Any) -> Context:
    return memory_context(name, GIVEN, load_table(given))


def text(content: str, name: str = "data") -> Context:
    """A text that Python holds as a context: its lines, as of a file."""
    return text_context(content, name)


def rename_context(context: Context, name: str) -> Context:
    return context if context.name == name else replace(context, name=name)


def given_contexts(contexts: Contexts) -> dict[str, str | Context]:
    """Where a trace's contexts lie now: paths, which are loaded as the trace says, or contexts as they are."""
    return {
        name: given if isinstance(given, Context) else given.path for name, given in contexts_or_given(contexts).items()
    }


def contexts_or_given(contexts: Contexts) -> dict[str, Given | Context]:
    """Paths with how they are read, and contexts as they are."""
    return {
        name: context_of(name, each) if isinstance(each, Context) or is_table(each) else given_as(each)
        for name, each in contexts.items()
    }
