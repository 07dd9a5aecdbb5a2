"""What PostgreSQL says, as what the caller must do.

A lost connection is no answer: whoever had sent a commit must look whether it was done.
"""

import struct
from typing import Final

import psycopg
from psycopg import errors as pg

from perdure.values.errors import (
    BadInput,
    Busy,
    PerdureError,
    StandbyAway,
    StoreAway,
    StoreDamaged,
    StoreDenied,
    StoreFailed,
    StoreReadOnly,
    StoreSilent,
)

_DENIED: Final = {
    "28P01": "the password is wrong: correct it in the address, in PGPASSWORD or in ~/.pgpass",
    "28000": "this user may not log in this way: see pg_hba.conf of the server",
    "ROLE": "make the role first: `createuser NAME`, or name another one in the address",
    "3D000": "make the database first: `createdb NAME`, or name another one in the address",
    "42501": "use the role that owns the store, or let it run `perdure store migrate --worker ROLE` for this one",
    "TLS": "server and client don't agree on TLS: see sslmode and sslrootcert of the address, and ssl of the server",
}
_LATER: Final = {
    "53300": "the server has no connection to spare: raise max_connections, or start fewer workers",
    "57P03": "the server is starting up or going down: try again in a moment",
    "55P03": "another process held what this one needs for too long: try again",
    "57014": "the server did not finish this in time: try again; `perdure store stats` says what keeps it busy",
    "40001": "try again",
    "40P01": "try again",
    "25P03": "this process did not go on in time, and the server took the transaction back: try again",
}


UNSAYABLE: Final = (UnicodeError, OverflowError, struct.error)
"""What is raised for a value that can't be said to the server: a text that is no Unicode, a number beyond eight bytes."""


class Lost(Exception):
    """The connection is gone; whether what was sent was done is not known from here."""


class Unanswered(psycopg.OperationalError):
    """The server said nothing for longer than it lets anything take; the connection is closed."""

    def __init__(self, seconds: float) -> None:
        """Nothing came within ``seconds``."""
        super().__init__(f"no answer within {seconds:g} seconds")


class Unconfirmed(psycopg.OperationalError):
    """What was asked is committed on this server, and may not be where its commits have to be."""

    def __init__(self) -> None:
        """Nobody has said that a standby has it."""
        super().__init__(
            "it is committed on the primary, and the synchronous standby doesn't answer: whether it lasts isn't known"
        )


def said(error: BaseException, doing: str) -> PerdureError:
    """Return ``error`` of PostgreSQL or the system in perdure's words."""
    if isinstance(error, PerdureError):
        return error
    what = f"{doing}: {_sentence(error)}"
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if isinstance(error, Unconfirmed):
        return StandbyAway(what)
    if isinstance(error, Unanswered):
        return StoreSilent(what)
    if state is not None:
        return _by_state(state, what, error)
    if isinstance(error, Lost | psycopg.OperationalError | OSError):
        return StoreAway(what)
    if isinstance(error, (psycopg.DataError, *UNSAYABLE)):
        return BadInput(what)
    return StoreFailed(what)


def _by_state(state: str, what: str, error: BaseException) -> PerdureError:
    if state in _DENIED:
        return StoreDenied(what, hint=_DENIED[state])
    if state in _LATER:
        return Busy(what, hint=_LATER[state])
    match state[:2]:
        case "08" | "57":
            return StoreAway(what)
        case "22" | "54":
            return BadInput(what)
        case "25":
            return StoreReadOnly(what, hint=READ_ONLY)
        case "53":
            return Busy(what, hint="the server is out of room: give it disk space or memory, then try again")
        case "XX":
            return StoreDamaged(what)
        case _:
            pass
    if isinstance(error, pg.UndefinedTable | pg.UndefinedColumn | pg.InvalidSchemaName):
        return StoreDamaged(what, hint="a table of the store is gone: restore it from a backup")
    return StoreFailed(what)


def refused(error: psycopg.Error, doing: str) -> PerdureError:
    """Return why no connection was made. libpq passes on the server's words here, and no code."""
    what = f"{doing}: {_sentence(error)}"
    wire = error.pgconn
    if wire is not None and (wire.needs_password or "password authentication failed" in what):
        return StoreDenied(what, hint=_DENIED["28P01"])
    for words, state in _WORDS.items():
        if words in what:
            return _by_state(state, what, error)
    if "resolve host" in what:
        return StoreAway(what, hint="nobody here knows a host of that name: see how the address spells it")
    return StoreSilent(what) if isinstance(error, pg.ConnectionTimeout) else StoreAway(what)


_WORDS: Final = {
    "does not support SSL": "TLS",
    "SSL error": "TLS",
    "certificate": "TLS",
    "no pg_hba.conf entry": "28000",
    "authentication failed": "28000",
    "is not permitted to log in": "28000",
    'FATAL: role "': "ROLE",
    "does not exist": "3D000",
    "permission denied": "42501",
    "too many": "53300",
    "remaining connection slots": "53300",
}

READ_ONLY: Final = (
    "this server only reads (a standby, or default_transaction_read_only): name the primary in the address, "
    "or several hosts with target_session_attrs=read-write"
)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
