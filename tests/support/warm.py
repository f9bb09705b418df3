"""What every process that runs programs imports and makes once: imported where processes are copied from.

In: nothing. Out: modules and a grammar, ready. Law: nothing is begun that a fork would break: no thread, no database.
"""

from __future__ import annotations

import importlib

import pyarrow as pa

from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import TEXT, Field, Table

OURS = ("rlm_dsl.api", "rlm_dsl.cli.commands", "rlm_dsl.testing.endpoint")
THEIRS = ("aiohttp", "anyio.from_thread", "duckdb", "openai", "httpcore2", "h11", "truststore", "yaml")

for name in (*OURS, *THEIRS):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:  # what others rest on changes; a child then imports what it needs
        continue
pa.array([""])
SOURCE = Source("warm", "answer t | count()")
check_program(parse(SOURCE), SOURCE, Environment({"t": Table((Field("x", TEXT),))}))
