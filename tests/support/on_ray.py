"""A cluster of Ray's on this machine with as many nodes as are wanted, and a warehouse with contexts in its shards.

In: numbers of nodes; tables as any warehouse takes them. Out: a cluster as users name it; the same contexts in shards.
Law: a node has one processor and dies alone; nothing of it outlives the tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from rlm_dsl.context.placement import Placement
from rlm_dsl.engine.clusters.cluster import Cluster
from rlm_dsl.engine.shards.shard import Shard
from rlm_dsl.engine.shards.sharded_rows import ShardedRows
from rlm_dsl.engine.storage.rows_file import write_rows
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.types import Table
from tests.naive.engine import Engine

STORE = 100_000_000
"""Bytes of a node for what tasks give."""


class Nodes:
    """Owns a cluster: a head, which is a node too, and others that come and go."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster as Simulated

        head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
        self.cluster = Simulated(initialize_head=True, head_node_args=head)
        self.held: list[Any] = []
        self.be(count)

    @property
    def placement(self) -> Placement:
        return Placement("ray", self.cluster.address, shard=1)

    def be(self, count: int) -> None:
        """As many nodes as that."""
        while len(self.held) < count - 1:
            self.held.append(self.cluster.add_node(num_cpus=1, object_store_memory=STORE))
        while len(self.held) > count - 1:
            self.lose()

    def lose(self) -> None:
        """The oldest node beside the head dies."""
        self.cluster.remove_node(self.held.pop(0), allow_graceful=False)

    def close(self) -> None:
        import ray

        ray.shutdown()
        self.cluster.shutdown()


@contextmanager
def nodes(count: int) -> Iterator[Nodes]:
    """A cluster, whose processes see this repository."""
    before = dict(os.environ)
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), before.get("PYTHONPATH", "")])
    held = Nodes(count)
    try:
        yield held
    finally:
        held.close()
        os.environ.clear()
        os.environ.update(before)


class Sharded(Warehouse):
    """A warehouse that puts each table that it is given into so many shards of a cluster; most rows lie in the second,
    and the first has none."""

    def __init__(self, shards: int, cluster: Cluster, folder: Path) -> None:
        super().__init__(1)
        self.shards, self.cluster, self.folder = shards, cluster, folder

    def load(self, context: str, schema: Table, rows: Any, own: str = "") -> Relation:
        return super().load(context, schema, self.in_shards(schema, rows), own)

    def in_shards(self, schema: Table, rows: Any) -> ShardedRows:
        found, begin = [], 0
        for past in ends(rows.num_rows, self.shards):
            path = self.folder / f"{token_hex(8)}.duckdb"
            own = rows.slice(begin, past - begin)
            count = write_rows(path, schema, [numbered(own)], None)
            found.append(Shard(path.name, str(path), 0, count, begin, 0))
            begin = past
        return ShardedRows(found, self.cluster, str(self.folder))


def ends(count: int, shards: int) -> Sequence[int]:
    """Where shards end: one has all rows; of several the first has none, the second half, the others share the rest."""
    if shards == 1:
        return [count]
    half = count // 2 if shards > 2 else count
    return [0, half, *(half + (count - half) * at // (shards - 2) for at in range(1, shards - 1))]


def numbered(rows: Any) -> Any:
    import pyarrow as pa

    return rows.set_column(rows.column_names.index("#row"), "#row", pa.array(range(rows.num_rows), pa.int64()))


class ShardedEngine(Engine):
    """The naive language's partner over tables in shards."""

    @contextmanager
    def holding(self, given: Any) -> Iterator[None]:
        with super().holding(given):
            try:
                yield
            finally:
                for context in self.warehouse.contexts:
                    self.warehouse.elsewhere.pop(context, None)
                    self.warehouse.drop(f"#rows {context}")
