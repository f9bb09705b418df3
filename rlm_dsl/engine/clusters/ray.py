"""A cluster of Ray's: the one that runs here or that is named, or one started on this machine.

In: tasks. Out: what they give, in order. Law: at most so many are under way that what they give has room; a task whose
worker or machine was lost is run again by Ray; an interrupted run leaves none behind.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.placement import AUTO, Placement
from rlm_dsl.engine.clusters.cluster import given, outcome

T = TypeVar("T")
U = TypeVar("U")
S = TypeVar("S")
RETRIES = 4
"""How often a task is run again whose worker or machine was lost."""
AHEAD = 3
"""Tasks under way for each processor: while some give what they made, others begin."""
INSTALL = "pip install 'rlm-dsl[ray]'"


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A connection to Ray, made once in a process; `memory` are the bytes that are set aside for a task."""

    address: str
    memory: int | None = None

    @staticmethod
    def connect(placement: Placement) -> RayCluster:
        """Raises UserError where Ray is not installed, or its cluster not reached."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise UserError("the engine `ray` needs Ray, which is not installed", INSTALL) from None
        if not ray.is_initialized():
            where = None if placement.address == AUTO else placement.address
            try:
                ray.init(where, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
            except (ConnectionError, ValueError, RuntimeError, TimeoutError) as failure:
                told = str(failure).split("\n", 1)[0]
                message = f"no Ray cluster at {placement.address}: {told}"
                raise UserError(message, "start one: ray start --head") from None
        return RayCluster(placement.address, placement.memory)

    @property
    def width(self) -> int:
        import ray

        resources: Any = ray.cluster_resources
        return max(1, int(resources().get("CPU", 1)))

    def told(self) -> str:
        import ray

        listed: Any = ray.nodes
        nodes = len([node for node in listed() if node["Alive"]])
        return f"on Ray: {nodes:,} {'node' if nodes == 1 else 'nodes'}, {self.width:,} processors"

    def each(self, work: Callable[[T, S], U], items: Sequence[T], shared: S) -> Iterator[U]:
        import ray

        options: dict[str, Any] = {"num_cpus": 1, "max_retries": RETRIES}
        if self.memory:
            options["memory"] = self.memory
        task = ray.remote(outcome).options(**options)
        held, most = ray.put(shared), AHEAD * self.width
        under_way: deque[Any] = deque()
        waiting = iter(items)
        try:
            for item in waiting:
                under_way.append(task.remote(work, item, held))
                if len(under_way) >= most:
                    yield given(self.came(under_way.popleft()))
            while under_way:
                yield given(self.came(under_way.popleft()))
        finally:
            for reference in under_way:
                ray.cancel(reference, force=False)

    def came(self, reference: Any) -> Any:
        """What a task came to. Raises UserError where its machines were lost too often."""
        import ray

        try:
            return ray.get(reference)
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError,
            ray.exceptions.NodeDiedError,
        ) as failure:
            told = type(failure).__name__
            hint = "run it again: shards that are done are not done again; smaller shards take less memory"
            raise UserError(f"a task was lost {RETRIES + 1} times ({told})", hint, exit_code=3) from None
