"""Words that tests of large blobs say: a store over a database and an object store, and what lies where."""

import random
import threading
import time
from collections.abc import Callable

import msgspec
import psycopg

from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.events import Content, MessageReceived
from perdure.log.port import NewRun, ObjectStore, Post
from perdure.values.digest import digest

PATIENCE_SECONDS = 60
"""Nothing that a test waits for takes longer, however busy the machine is."""

QUICK: dict[str, object] = {"timeout_seconds": 5.0, "retries": 0}
"""A request that stalls fails; one that is merely slow on a busy machine doesn't."""


def large(seed: int, size: int = 2_600_000) -> tuple[str, bytes]:
    """Return a blob that is larger than a row, of three pieces, the last of them compressible."""
    content = random.Random(seed).randbytes(size - 400_000) + b"last " * 80_000
    return digest(content), content


def opened(dsn: str, settings: dict[str, object] | None) -> PostgresStore:
    return PostgresStore(dsn, objects=None if settings is None else open_objects(settings))


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until ``holds`` does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS} s"
        threading.Event().wait(0.02)


def asked(dsn: str, words: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=perdure") as db:
        asking = db.execute(words.encode(), values)
        return asking.fetchall() if asking.description else []


def forms(dsn: str) -> dict[str, int]:
    """Return where each blob is: 2 in the object store, 3 waiting in PostgreSQL."""
    rows = asked(dsn, "SELECT encode(digest, 'hex'), form FROM blobs")
    return {str(name): int(str(form)) for name, form in rows}


def lies_outside(dsn: str, name: str) -> bool:
    return forms(dsn).get(name) == 2


def names_in(objects: ObjectStore) -> list[str]:
    """Return all objects, each named by its blob's digest."""
    return [name.rpartition("/")[2].partition("-")[0] for name, _ in objects.names("")]


def keep(store: PostgresStore, *names: str) -> None:
    """Posts that wait name these blobs: no collector takes them."""
    store.create(NewRun("keeper", "keeper", "acme", 7))
    for name in names:
        body = MessageReceived(name[:8], "ann", Content(9, blob=name))
        store.post(
            "keeper", Post(f"keeps-{name}", "message.received", msgspec.Raw(msgspec.json.encode(body)), 1)
        )
