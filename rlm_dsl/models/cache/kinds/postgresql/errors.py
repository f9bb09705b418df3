"""What a server of PostgreSQL's refuses, in words.

In: failures of psycopg. Out: UserErrors with what, where and what instead. Law: no password is told, and what passes by
itself is told from what does not.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.models.cache.place import Place

PASSING = ("08", "57P01", "57P02", "57P03", "53300", "40001", "40P01")
"""How SQLSTATEs begin of what passes: a connection or server that is gone, too many clients, two that stand in each
other's way."""
PASSING_WORDS = ("the database system is", "too many clients", "remaining connection slots", "too many connections")
"""A refused connection has no SQLSTATE."""
GRANT = "let its owner run: GRANT USAGE ON SCHEMA rlm_dsl TO {user}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rlm_dsl TO {user}; to read alone, write --store read-only:ADDRESS"  # noqa: E501
AGAIN = "see that the server runs, then run the same command again, or resume the trace: answers so far are kept"
CREDENTIALS = "the user is that of the address or PGUSER, the password that of PGPASSWORD or ~/.pgpass"


def is_passing(failure: Exception) -> bool:
    """Whether the same may go well in a moment."""
    state = getattr(failure, "sqlstate", None)
    return state.startswith(PASSING) if state else any(word in str(failure) for word in PASSING_WORDS)


def store_error(place: Place, failure: Exception, *, passing: bool = False) -> UserError:
    """What is wrong with a store, and what to do about it."""
    said = words_of(place, failure)
    state = getattr(failure, "sqlstate", None) or ""
    exit_code = 2
    match state:
        case "42501":
            hint = GRANT.format(user="USER")
        case "25006":
            said = f"the server takes nothing: it may be a standby ({said})"
            hint = "name the primary, or --store read-only:ADDRESS"
        case "53100" | "53200":
            hint, exit_code = "make room at the server; answers so far are kept", 3
        case "42P01" | "42703" | "42P07":
            hint = "its schema rlm_dsl is not one of ours as it is: name another database with --store"
        case _ if passing:
            hint, exit_code = AGAIN, 3
        case "" if "authentication failed" in said or "no password supplied" in said or "pg_hba.conf" in said:
            hint = CREDENTIALS
        case "" if "does not exist" in said:
            hint = f"make it, or name another with --store; {CREDENTIALS}"
        case "":
            hint, exit_code = "see whether the server runs and is reached from here, or name another with --store", 3
        case _:
            hint = "name another with --store"
    return UserError(f"the answer store {place.told} cannot be used: {said}", hint, exit_code=exit_code, code="store")


def words_of(place: Place, failure: Exception) -> str:
    """A failure's words in one line, without passwords."""
    said = printable(" ".join(str(failure).split())) or type(failure).__name__
    for secret in place.secrets:
        said = said.replace(secret, "***")
    return said[:500]
