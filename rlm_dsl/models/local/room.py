"""How a model is served on this machine: requests at once, threads, and the window of each, as far as memory allows.

In: weights, the machine. Out: a plan of serving. Law: what does not fit is refused before anything is loaded, with the
figures; a window is never larger than the model was trained for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.local.weights import Weights

WINDOW, LEAST = 8_192, 1_024
"""Tokens of a request and its answer: as many as are wanted, and as few as are worth it."""
SLOTS = 4
"""Requests at once at most, where the user does not say how many."""
BESIDE = 300_000_000
"""Bytes that serving takes beside weights and tokens."""
SPARED = 0.1
"""The part of what is free that is left to others."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Processors that may be used, and bytes of memory that are free."""

    processors: int
    free: int


@dataclass(frozen=True, slots=True)
class Serving:
    """`window` are the tokens of one request with its answer; the server's context is that for each of its `slots`."""

    weights: Weights
    slots: int
    threads: int
    window: int


def this_machine() -> Machine:
    """Raises UserError where the extra is not installed."""
    try:
        import psutil
    except ImportError:
        raise UserError("local models are not installed", "pip install 'rlm-dsl[local]'", code="local") from None
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(usable, int(psutil.virtual_memory().available))


def planned(weights: Weights, machine: Machine, slots: int | None = None, threads: int | None = None) -> Serving:
    """The largest window, then the most slots, that fit. Raises UserError where not even one small one does.

    One processor is left to the run itself: the server's threads wait for each other at each layer, so one of them that
    has to share its processor holds all of them up.
    """
    free = int(machine.free * (1 - SPARED)) - weights.size - BESIDE
    wanted = slots or min(SLOTS, machine.processors)
    window = min(WINDOW, weights.window)
    least = min(LEAST, weights.window)
    while window * wanted * weights.token_bytes > free:
        if window > least:
            window = max(least, window // 2)
        elif wanted > 1 and slots is None:
            wanted -= 1
        else:
            raise too_large(
                weights.name, weights.size + BESIDE + window * wanted * weights.token_bytes, machine, wanted
            )
    return Serving(weights, wanted, threads or max(1, machine.processors - 1), window)


def check_size(name: str, size: int, machine: Machine) -> None:
    """Raise UserError for a file that alone is more than memory has room for."""
    if size + BESIDE > machine.free * (1 - SPARED):
        raise too_large(name, size + BESIDE, machine, 1)


def too_large(name: str, needed: int, machine: Machine, slots: int) -> UserError:
    return UserError(
        f"{name} takes {gigabytes(needed)} of memory, and {gigabytes(machine.free)} are free here",
        "name a smaller model, or one of fewer bits" + (", or fewer --concurrency" if slots > 1 else ""),
        code="local",
    )


def gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
