"""Tables in shards: a warehouse whose contexts all lie in several files, each asked by itself.

In: tables as any warehouse takes them. Out: the same contexts, elsewhere. Law: nothing but where rows lie is other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rlm_dsl.engine.clusters.here import Here
from rlm_dsl.engine.shards.shard import Shard
from rlm_dsl.engine.shards.sharded_rows import ShardedRows
from rlm_dsl.engine.storage.rows_file import write_rows
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.types import Table
from tests.naive.engine import Engine

FILES = itertools.count()


class Parted(Warehouse):
    """A warehouse that cuts each table that it is given into `parts`, of which the first is empty."""

    def __init__(self, folder: Path, parts: int, threads: int = 1) -> None:
        super().__init__(threads)
        self.folder, self.parts = folder, parts

    def load(self, context: str, schema: Table, rows: Any, own: str = "") -> Relation:
        if not hasattr(rows, "ask"):
            rows = parted(rows, schema, self.folder, self.parts)
        return super().load(context, schema, rows, own)


def parted(rows: Any, schema: Table, folder: Path, parts: int) -> ShardedRows:
    """A table as so many shards, of which the first is empty."""
    import numpy as np
    import pyarrow as pa

    ends = [0, *(rows.num_rows * part // max(1, parts - 1) for part in range(parts))]
    shards = []
    for begin, past in itertools.pairwise(ends):
        part = rows.slice(begin, past - begin)
        numbers = pa.array(np.arange(part.num_rows, dtype=np.int64))
        path = folder / f"rows-{next(FILES)}.duckdb"
        write_rows(path, schema, [part.set_column(0, "#row", numbers)], None)
        shards.append(Shard(path.name, str(path), 0, part.num_rows, begin, 0))
    return ShardedRows(tuple(shards), Here(), str(folder))


class PartedEngine(Engine):
    """The naive language's partner over tables in shards."""

    def __init__(self, warehouse: Parted) -> None:
        super().__init__(warehouse)
        self.parted = warehouse

    @contextmanager
    def holding(self, given: Any) -> Iterator[None]:
        with super().holding(given):
            try:
                yield
            finally:
                for context in self.parted.contexts:
                    self.parted.elsewhere.pop(context, None)
                    self.parted.drop(f"#rows {context}")
                for path in self.parted.folder.glob("rows-*"):
                    path.unlink()
