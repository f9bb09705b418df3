"""A cluster of Ray's: the one that runs here or that is named, or one started on this machine.

In: tasks. Out: what they give, in order. Law: at most so many are under way that what they give has room; a task whose
worker or machine was lost is run again by Ray; an interrupted run leaves none behind; Ray writes nothing where answers
are written.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.version import version
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
QUIET = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
SAME_VERSION = "the cluster's machines need the same Python, and the same rlm-dsl with what it needs"
SHARED_FOLDER = "the cluster's machines read the same files under the same paths: a shared folder, or object storage"
REACHED = 5.0
"""Seconds in which a cluster's address has to take a connection."""
LOGGER = logging.getLogger("rlm_dsl.ray")


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A connection to Ray, made once in a process; `memory` are the bytes that are set aside for a task."""

    address: str
    memory: int | None = None

    @staticmethod
    def connect(placement: Placement) -> RayCluster:
        """Raises UserError where Ray is not installed, or its cluster not reached."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # of tasks that are cancelled; others are raised here
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise UserError("the engine `ray` needs Ray, which is not installed", INSTALL) from None
        if not ray.is_initialized():
            with quiet():
                try:
                    connected(ray, placement.address)
                except (ConnectionError, ValueError, RuntimeError, TimeoutError, ray.exceptions.RayError) as failure:
                    told = str(failure).strip().split("\n", 1)[0]
                    message = f"no Ray cluster at {placement.address}: {told}"
                    raise UserError(message, "start one: ray start --head") from None
            tell_briefly()
        cluster = RayCluster(placement.address, placement.memory)
        cluster.require_room()
        return cluster

    @property
    def width(self) -> int:
        import ray

        resources: Any = ray.cluster_resources
        return max(1, int(resources().get("CPU", 1)))

    @property
    def room(self) -> int | None:
        """The bytes of memory that a task may take where nobody says: its share of its machine, the least of all."""
        shares = [of["memory"] / max(1, of["CPU"]) for of in machines() if of.get("memory") and of.get("CPU", 0) > 0]
        return int(min(shares)) if shares else None

    def require_room(self) -> None:
        """Raises UserError where no machine has the memory that a task asks for: Ray would wait for one for ever."""
        most = int(max((of.get("memory", 0) for of in machines()), default=0))
        if self.memory and most and self.memory > most:
            message = f"no machine of the Ray cluster has {self.memory / 1e9:.1f} GB for a task: the largest has"
            raise UserError(f"{message} {most / 1e9:.1f} GB", "say less: engine: {ray: auto, memory: 1GB}")

    def told(self) -> str:
        nodes, width = len(machines()), self.width
        return f"on Ray: {nodes:,} {'node' if nodes == 1 else 'nodes'}, {width:,} processor{'' if width == 1 else 's'}"

    def each(self, work: Callable[[T, S], U], items: Sequence[T], shared: S) -> Iterator[U]:
        import ray

        options: dict[str, Any] = {"num_cpus": 1, "max_retries": RETRIES}
        if self.memory:
            options["memory"] = self.memory
        task = ray.remote(as_task).options(**options)
        held, most = ray.put(shared), AHEAD * self.width
        folder = Path.cwd().as_posix()
        under_way: deque[Any] = deque()
        waiting = iter(items)
        try:
            for item in waiting:
                under_way.append(task.remote(work, item, held, version(), folder))
                if len(under_way) >= most:
                    yield given(self.came(under_way.popleft()))
            while under_way:
                yield given(self.came(under_way.popleft()))
        finally:
            for reference in under_way:
                ray.cancel(reference, force=False)

    def came(self, reference: Any) -> Any:
        """What a task came to. Raises UserError where its machines were lost too often, or cannot run it."""
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
            often = f"{RETRIES + 1} times" if RETRIES else "once"
            raise UserError(f"a task was lost {often} ({told})", hint, exit_code=3) from None
        except ray.exceptions.RayTaskError as failure:
            if "failed to import on the worker" in str(failure) or isinstance(failure.cause, ModuleNotFoundError):
                raise UserError("the machines of the Ray cluster cannot run rlm-dsl", SAME_VERSION) from None
            raise
        except ray.exceptions.RayError as failure:
            told = str(failure).strip().split("\n", 1)[0]
            raise UserError(f"the Ray cluster does not answer: {told}", "run it again", exit_code=3) from None


def as_task(work: Callable[[Any, Any], Any], item: Any, shared: Any, wanted: str, folder: str) -> tuple[bool, Any]:
    """What a task came to, by the version of rlm-dsl that is wanted. It runs in the folder of whoever asks, where that
    is there, so that paths mean what they mean to them."""
    if (own := version()) != wanted:
        return False, (f"the machines of the Ray cluster have rlm-dsl {own}, not {wanted}", SAME_VERSION, 2, "")
    try:
        os.chdir(folder)
    except OSError:
        message = f"a machine of the Ray cluster ({platform.node()}) has no folder {folder}"
        return False, (message, SHARED_FOLDER, 2, "input")
    return outcome(work, item, shared)


def connected(ray: Any, address: str) -> None:
    """Ray, connected to the cluster at an address; with `auto` to the one that there is, else to a new one."""
    if address == AUTO and not os.environ.get("RAY_ADDRESS"):
        with suppress(ConnectionError):
            ray.init("auto", **QUIET)
            return
        start(ray)
        return
    if address == "local":
        start(ray)
    else:
        require_reachable(os.environ["RAY_ADDRESS"] if address == AUTO else address)
        ray.init(None if address == AUTO else address, **QUIET)


def require_reachable(address: str) -> None:
    """Raises ConnectionError where nothing takes a connection at an address, for which Ray would wait for minutes."""
    host, _, port = address.removeprefix("ray://").strip().rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACHED).close()
        except (OSError, OverflowError) as failure:
            raise ConnectionError(getattr(failure, "strerror", None) or str(failure)) from None


def start(ray: Any) -> None:
    """A cluster that nobody but this process uses. Its tasks are the run itself: they do not stand back behind what
    else the machine does, as Ray has them do."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray.init("local", include_dashboard=False, **QUIET)


def machines() -> list[Mapping[str, float]]:
    """What the machines have that are there, a mapping each."""
    import ray

    listed: Any = ray.nodes
    return [node["Resources"] for node in listed() if node["Alive"]]


@contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile Ray says what fails and no more, such as how it guards a cluster that it starts."""
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def tell_briefly() -> None:
    """What Ray tells of a cluster is a line each on stderr: of itself it prints paragraphs among the answers."""
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = told_briefly


def told_briefly(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
    for line in data.get("lines", ()):
        sentence = str(line).strip().split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
        LOGGER.warning("Ray: %s", "".join(letter for letter in sentence if letter.isprintable()))
