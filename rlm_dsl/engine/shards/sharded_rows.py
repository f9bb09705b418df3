"""The rows of a context in shards, and the cluster whose tasks look at them.

In: queries. Out: what they give of each shard, in order. Law: rows come with the numbers that they have in the whole.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlm_dsl.context.context import GivenRows, RowsQuery
from rlm_dsl.engine.clusters.cluster import Cluster
from rlm_dsl.engine.shards.ask_shard import Question, ask_shard
from rlm_dsl.engine.shards.shard import Shard

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ShardedRows:
    """Shards, one after the other. `folder` keeps what was made of them; `memory` are the bytes a task may take."""

    shards: Sequence[Shard]
    cluster: Cluster
    folder: str
    memory: int | None = None

    @property
    def num_rows(self) -> int:
        return sum(shard.count for shard in self.shards)

    def ask(self, asked: RowsQuery) -> Iterator[GivenRows]:
        digests = tuple((name, digest_of(table)) for name, table in asked.tables.items())
        memory = None if self.memory is None else f"{self.memory // 1000} KB"
        question = Question(
            asked.context,
            asked.number,
            asked.schema,
            asked.query,
            self.folder,
            asked.counting,
            asked.counted,
            asked.tables,
            digests,
            memory,
        )
        shards = self.shards if asked.wanted is None else [*having(self.shards, sorted(asked.wanted))]
        yield from self.cluster.each(ask_shard, shards, question)


def having(shards: Sequence[Shard], wanted: Sequence[int]) -> Iterator[Shard]:
    """The shards that have some of these rows, each with its own."""
    for shard in shards:
        begin, past = (bisect_left(wanted, shard.first + end) for end in (shard.begin, shard.past))
        if begin < past:
            yield replace(shard, wanted=tuple(wanted[begin:past]))


def digest_of(table: pa.Table) -> str:
    """The digest of a table's rows as they lie."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
