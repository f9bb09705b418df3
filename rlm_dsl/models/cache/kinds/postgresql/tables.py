"""The tables of a store in PostgreSQL, in a schema of their own: made where they are missing, and looked at.

In: a connection. Out: a store of this version. Law: what is there and not ours, of a newer version, or not to be
written to is told before anything is asked or changed; two that make the same store make one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kinds.postgresql.errors import GRANT
from rlm_dsl.models.cache.place import Place

if TYPE_CHECKING:
    from psycopg import Connection

VERSION = 1
LOCK = 0x524C4D53
"""The lock under which tables are made."""
MADE = (
    "CREATE TABLE rlm_dsl.store (version integer NOT NULL)",
    """CREATE TABLE rlm_dsl.answers (
  key text COLLATE "C" PRIMARY KEY, model text NOT NULL, request text NOT NULL, answer text NOT NULL,
  kept double precision NOT NULL, size bigint NOT NULL
)""",
    """CREATE TABLE rlm_dsl.manners (
  base_url text, model text, form text NOT NULL, old_limit integer NOT NULL, found double precision NOT NULL,
  PRIMARY KEY (base_url, model)
)""",
    """CREATE TABLE rlm_dsl.batches (
  batch text PRIMARY KEY, base_url text NOT NULL, keys text NOT NULL, submitted double precision NOT NULL
)""",
    "CREATE TABLE rlm_dsl.upgraded (version integer PRIMARY KEY)",
    """CREATE TABLE rlm_dsl.packs (
  asking text PRIMARY KEY, size integer NOT NULL, agreed integer NOT NULL, compared integer NOT NULL
)""",
    """CREATE TABLE rlm_dsl.claims (
  key text COLLATE "C" PRIMARY KEY, owner text NOT NULL, until timestamptz NOT NULL
)""",
    "CREATE INDEX ON rlm_dsl.claims (owner)",
    f"INSERT INTO rlm_dsl.store VALUES ({VERSION})",
)
"""What they hold: `TABLES` of the protocol; an answer's model and bytes beside it; who asks for a key, until when."""
RIGHTS = """SELECT current_user, coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')
  AND (NOT %s OR has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
  AND has_table_privilege(c.oid, 'DELETE'))), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'rlm_dsl' AND c.relname IN ('answers', 'manners', 'batches', 'upgraded', 'packs', 'claims')"""


def make(connection: Connection[Any]) -> None:
    """Make the tables, unless somebody has."""
    if is_made(connection):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        if is_made(connection):
            return
        if not one(connection, "SELECT to_regnamespace('rlm_dsl') IS NOT NULL"):
            connection.execute("CREATE SCHEMA rlm_dsl")
        for statement in MADE:
            connection.execute(statement)


def is_made(connection: Connection[Any]) -> bool:
    """Also where its owner alone may look at it."""
    query = """SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'rlm_dsl' AND c.relname = 'store')"""
    return bool(one(connection, query))


def check(connection: Connection[Any], place: Place, *, writes: bool) -> None:
    """Raise UserError for a store that cannot be used so."""
    if not is_made(connection):
        raise UserError(
            f"there is no answer store at {place.told}, and one that is only read is not made",
            "make it by a run with a store that is written to",
            code="store",
        )
    if not one(connection, "SELECT has_schema_privilege('rlm_dsl', 'USAGE')"):
        raise no_rights(place, one(connection, "SELECT current_user"))
    version = one(connection, "SELECT max(version) FROM rlm_dsl.store")
    if version is None or version > VERSION:
        raise UserError(
            f"the answer store {place.told} was made by a newer rlm-dsl",
            "update, or name another with --store",
            code="store",
        )
    user, may = connection.execute(RIGHTS, (writes,)).fetchall()[0]
    if not may:
        raise no_rights(place, user)
    if writes and one(connection, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool"):
        raise UserError(
            f"the server of the answer store {place.told} takes nothing: it is a standby, or set to be read only",
            "name the primary, or --store read-only:ADDRESS",
            code="store",
        )


def no_rights(place: Place, user: str) -> UserError:
    what = f"the user {user} lacks rights in the answer store {place.told}"
    return UserError(what, GRANT.format(user=user), code="store")


def one(connection: Connection[Any], query: str) -> Any:
    """The one value of a query."""
    return connection.execute(query.encode()).fetchall()[0][0]
