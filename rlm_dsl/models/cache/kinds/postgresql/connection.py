"""One connection to a server of PostgreSQL's, made anew when it is lost.

In: a place, work to be done over a connection. Out: what the work gives. Law: work is such that doing it twice is doing
it once; it is tried again for a bounded time where the connection or the server is gone, and then ends in words.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kinds.postgresql.errors import is_passing, store_error
from rlm_dsl.models.cache.place import Place

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds for which a server that is gone is waited for."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 3.0
"""Seconds between tries."""
OLDEST = 130_000
"""The oldest version of servers."""
USUAL = {
    "connect_timeout": "10",
    "application_name": "rlm-dsl",
    "client_encoding": "utf8",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
"""How servers are connected to, unless their address says other: one that is gone is noticed in half a minute."""


class ServerConnection:
    """Owns a connection, which threads use one after another. `close` also ends the waiting for a lost one. A server
    that is `known`, as it has let us in before, is waited for, whatever refuses now."""

    def __init__(self, place: Place, *, known: bool = False) -> None:
        self.known = known
        self.place, self.lock, self.closed = place, threading.Lock(), threading.Event()
        self.parameters = parameters_of(place)
        self.held: Connection[Any] | None = None

    def run(self, work: Callable[[Connection[Any]], T]) -> T:
        """What the work gives. Raises UserError where it cannot be done."""
        import psycopg

        with self.lock:
            began, wait = time.monotonic(), FIRST_WAIT
            while True:
                try:
                    return work(self.connected())
                except (psycopg.Error, OSError) as failure:
                    lost = self.held is None or self.held.broken or self.held.closed
                    passing = is_passing(failure) or (self.known and lost)
                    self.drop(only_if=lost or passing)
                    if not passing or self.closed.is_set() or time.monotonic() - began + wait > PATIENCE:
                        raise store_error(self.place, failure, passing=passing) from None
                    if wait == FIRST_WAIT and lost:
                        logging.getLogger("rlm_dsl").warning(
                            "the answer store %s is gone: it is waited for, for %g seconds at most",
                            *(self.place.told, PATIENCE),
                        )
                self.closed.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    def connected(self) -> Connection[Any]:
        if self.held is None:
            import psycopg

            # Nothing is prepared at the server, so that a pool of connections may stand between us and it.
            self.held = psycopg.connect(**self.parameters, autocommit=True, prepare_threshold=None)
            require(self.place, self.held.info.server_version, self.held.info.parameter_status("server_encoding"))
            self.known = True
        return self.held

    def drop(self, *, only_if: bool) -> None:
        if only_if and self.held is not None:
            with suppress(Exception):
                self.held.close()
            self.held = None

    def close(self) -> None:
        self.closed.set()
        with self.lock:
            self.drop(only_if=True)


def parameters_of(place: Place) -> dict[str, Any]:
    """What a connection is made with. Raises UserError for an address that is none."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise UserError(
            "stores in PostgreSQL need psycopg", "get it with: pip install 'rlm-dsl[postgres]'", code="store"
        ) from None
    try:
        given = conninfo_to_dict(place.address)
    except psycopg.Error:  # whose words may show a part of a password
        raise UserError(
            f"the address of the answer store cannot be read: {place.told}",
            "write postgresql://USER@HOST:PORT/DATABASE; leave the password to PGPASSWORD or ~/.pgpass, or write "
            "signs such as / and @ in it as %2F and %40",
            code="store",
        ) from None
    return {**USUAL, **given}


def require(place: Place, version: int, encoding: str | None) -> None:
    """Raise UserError for a server that is too old, or a database that does not hold every text."""
    if version < OLDEST:
        raise UserError(
            f"the answer store {place.told} is on PostgreSQL {version // 10_000}, and {OLDEST // 10_000} is the oldest "
            "that is taken",
            "name another with --store",
            code="store",
        )
    if encoding != "UTF8":
        raise UserError(
            f"the database of the answer store {place.told} holds texts as {encoding}, which has not every sign",
            "make one that has: createdb --encoding=UTF8 --template=template0 NAME",
            code="store",
        )
