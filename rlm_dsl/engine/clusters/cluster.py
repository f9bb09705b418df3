"""What a cluster is: a place where a function is run on many items, each by itself.

In: functions of modules, items that can be pickled. Out: what the functions give, in the items' order. Law: a task that
a broken machine took with it is run again; what a function raises in its own words is raised here in the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from rlm_dsl.common.diagnostics import UserError

T = TypeVar("T")
U = TypeVar("U")
S = TypeVar("S")


class Cluster(Protocol):
    """Runs tasks. `width` is how many run at once."""

    @property
    def width(self) -> int: ...

    @property
    def room(self) -> int | None:
        """The bytes of memory that a task may take where nobody says; None for as much as there is."""

    def told(self) -> str:
        """Where its tasks run, in words."""

    def each(self, work: Callable[[T, S], U], items: Sequence[T], shared: S) -> Iterator[U]:
        """What `work` gives for each item with what all of them share, in the items' order."""


def outcome(work: Callable[[Any, Any], Any], item: Any, shared: Any) -> tuple[bool, Any]:
    """What a task came to, as a value: that it went well and what it gave, or what it raised in our own words."""
    try:
        return True, work(item, shared)
    except UserError as failure:
        return False, (failure.message, failure.hint, failure.exit_code, failure.code)


def given(came: tuple[bool, Any]) -> Any:
    """What a task gave. Raises UserError as the task did."""
    went_well, value = came
    if not went_well:
        message, hint, exit_code, code = value
        raise UserError(message, hint, exit_code=exit_code, code=code)
    return value
