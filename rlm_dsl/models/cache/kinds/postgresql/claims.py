"""Who asks for what just now, over machines: leases by the server's clock.

In: keys, a connection. Out: which of them are ours. Law: a lease holds until it is given back or its time is over, by
the clock of the server alone; one that is renewed in time holds over a lost connection and a restart of the server.

A lease is a row, and no lock of a session: such a lock is gone with its connection, and then somebody else would ask,
and pay, for what is still on its way to the one that lost it. Of a process that was killed on this machine it is seen
that it is gone, so nobody waits for its time to be over.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.processes import is_running

if TYPE_CHECKING:
    from psycopg import Connection

LEASE = 90.0
"""Seconds for which a claim holds: longer than a renewal is late by while a lost server is waited for."""
RENEWAL = 15.0
"""Seconds after which leases are renewed."""
TAKE = """INSERT INTO rlm_dsl.claims AS held (key, owner, until)
SELECT k, %(owner)s, clock_timestamp() + make_interval(secs => %(lease)s) FROM unnest(%(keys)s::text[]) AS k
WHERE NOT EXISTS (SELECT FROM rlm_dsl.answers WHERE key = k) ORDER BY k COLLATE "C"
ON CONFLICT (key) DO UPDATE SET owner = EXCLUDED.owner, until = EXCLUDED.until
WHERE held.until < clock_timestamp() OR held.owner = EXCLUDED.owner
RETURNING key"""
"""In the order of their keys, so that two who take many do not wait for each other."""
RENEW = """UPDATE rlm_dsl.claims SET until = clock_timestamp() + make_interval(secs => %s)
WHERE owner = %s AND key = ANY(%s)"""


def new_owner() -> str:
    """A name for this process that tells others on its machine whether it is still there."""
    return f"{machine()}:{os.getpid()}:{uuid.uuid4().hex}"


def machine() -> str:
    """This machine, since it was started; of a container, what numbers its processes. Containers may share a name."""
    parts = [os.uname().nodename]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_gone(owner: str) -> bool:
    """Whether an owner was a process of this machine that runs no more."""
    place, process, _ = owner.split(":")
    return place == machine() and not is_running(int(process))


def taken(connection: Connection[Any], owner: str, keys: Sequence[str]) -> set[str]:
    """The keys that are ours now."""
    values = {"owner": owner, "lease": LEASE, "keys": list(keys)}
    return {key for (key,) in connection.execute(TAKE, values).fetchall()}


def renew(connection: Connection[Any], owner: str, keys: Iterable[str]) -> None:
    connection.execute(RENEW, (LEASE, owner, list(keys)))


def give_back(connection: Connection[Any], owner: str, keys: Iterable[str]) -> None:
    connection.execute("DELETE FROM rlm_dsl.claims WHERE owner = %s AND key = ANY(%s)", (owner, list(keys)))


def free_the_dead(connection: Connection[Any], keys: Iterable[str]) -> None:
    """Let those claims on the keys go whose owners are gone."""
    query = "SELECT DISTINCT owner FROM rlm_dsl.claims WHERE key = ANY(%s)"
    gone = [owner for (owner,) in connection.execute(query, (list(keys),)).fetchall() if is_gone(owner)]
    if gone:
        connection.execute("DELETE FROM rlm_dsl.claims WHERE owner = ANY(%s)", (gone,))


def sweep(connection: Connection[Any]) -> None:
    """Take out what nobody came back for."""
    connection.execute("DELETE FROM rlm_dsl.claims WHERE until < clock_timestamp() - interval '1 day'")
