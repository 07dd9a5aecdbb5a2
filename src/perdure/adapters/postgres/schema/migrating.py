"""The store's tables, in numbered steps: each is done once, whole, and by one process at a time.

Invariants:
- What was done stands in ``migrations`` with the digest of its text, written by the transaction that did it.
- A text never changes once it was released; whoever finds another digest stops.
- Opening an existing store changes none of its tables; only ``migrate`` does.
- A store that is ahead of this perdure is opened only where each of its newer steps says that older ones may
  go on beside it.
"""

import hashlib
import re
import time
import uuid
from functools import cache
from importlib.resources import files
from typing import Final, LiteralString, NamedTuple, cast

import psycopg
from psycopg import errors as pg
from psycopg import sql

from perdure.adapters.postgres.columns import asked
from perdure.adapters.postgres.layout import (
    MIGRATING,
    SCHEMA,
    SERVER_MIN,
    SIGN_SECONDS,
    STEP_LOCK_SECONDS,
    STEP_TRIES,
)
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.faults import said
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.schema.granting import granted, workers_of
from perdure.values.errors import (
    BadInput,
    Broken,
    MigrationChanged,
    StoreDenied,
    StoreNewer,
    StoreOlder,
)

_BESIDE: Final = re.compile(r"^-- beside: (\d{4})\b")
_KEPT: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    digest text NOT NULL,
    beside integer NOT NULL,                -- the oldest perdure, by its last step, that may go on beside this one
    at timestamptz NOT NULL DEFAULT now()
)
"""


_HAS_SCHEMA: Final = "SELECT to_regnamespace(%s) IS NOT NULL"
"""Who was given an empty schema may fill it, and needs no right to make another: ``IF NOT EXISTS`` would ask for that."""

_OLDER: Final = """
SELECT name FROM "perdure".processes
WHERE ended IS NULL AND lapsed IS NULL AND format < %s AND seen > clock_timestamp() - make_interval(secs => %s)
ORDER BY begun, name
"""
_DONE: Final = 'SELECT number, name, beside, digest FROM "perdure".migrations ORDER BY number'


class Migration(NamedTuple):
    """One step, and the oldest perdure (by its own last step) that may work beside it."""

    number: int
    name: str
    beside: int
    digest: str
    text: str = ""


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the steps that this perdure knows, in order."""
    folder = files("perdure.adapters.postgres.schema").joinpath("migrations")
    found = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return tuple(
        step_of(name.removesuffix(".sql"), folder.joinpath(name).read_text("utf-8")) for name in found
    )


def step_of(name: str, text: str) -> Migration:
    """Return the step of a file's name and text."""
    beside = _BESIDE.match(text)
    if beside is None:
        raise Broken(f"the migration {name} doesn't begin with `-- beside: NNNN`")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Migration(int(name[:4]), name, int(beside[1]), digest, text)


def prepared(dialer: Dialer, *, create: bool) -> None:
    """The store is there and this perdure may use it; an empty database becomes one if ``create`` says so."""
    with dialer.bare() as db:
        done = _done(db, dialer)
        if done is None and create:
            migrate(dialer)
            done = _done(db, dialer)
    if done is None:
        raise BadInput(
            f"there is no store in {dialer.place}",
            hint="make one with `perdure store migrate`, or choose another",
        )
    check(done)


def planned(dialer: Dialer) -> tuple[tuple[Migration, ...], tuple[Migration, ...]]:
    """Return the steps that were done, and those that are left. Raises ``MigrationChanged``; changes nothing."""
    with dialer.bare() as db:
        done = _done(db, dialer) or ()
    _check_same(done, migrations())
    known = {step.number for step in done}
    return done, tuple(step for step in migrations() if step.number not in known)


def older_living(dialer: Dialer) -> tuple[str, ...]:
    """Return the workers alive whose perdure can't work beside a step that is left; steps that make a store have none."""
    done, left = planned(dialer)
    if not done or not left:
        return ()
    oldest = max(step.beside for step in left)
    with dialer.bare() as db:
        try:
            found = db.execute("SELECT to_regclass(%s)::text", (f"{SCHEMA}.processes",)).fetchone()
            if found is None or found[0] is None:
                return ()
            return tuple(str(row[0]) for row in db.execute(_OLDER, (oldest, SIGN_SECONDS)).fetchall())
        except psycopg.Error as error:
            raise said(error, f"looking who works with {dialer.place}") from error


def check(done: tuple[Migration, ...], known: tuple[Migration, ...] | None = None) -> None:
    """Raise if a store of which ``done`` was done isn't one that this perdure may use."""
    known = migrations() if known is None else known
    _check_same(done, known)
    ours = known[-1].number
    newer = [step for step in done if step.number > ours]
    if any(step.beside > ours for step in newer):
        raise StoreNewer(
            f"the store's tables are at {newer[-1].name}; this perdure works up to {known[-1].name}"
        )
    missing = {step.number for step in known} - {step.number for step in done}
    if missing:
        names = ", ".join(step.name for step in known if step.number in missing)
        raise StoreOlder(f"the store's tables lack {names}, which this perdure needs")


def _check_same(done: tuple[Migration, ...], known: tuple[Migration, ...]) -> None:
    texts = {step.number: step for step in known}
    for step in done:
        ours = texts.get(step.number)
        if ours is not None and ours.digest != step.digest:
            raise MigrationChanged(
                f"the store's tables were made by another {step.name} than this perdure's {ours.name}"
            )


def migrate(dialer: Dialer, steps: tuple[Migration, ...] | None = None) -> tuple[str, ...]:
    """All steps are done; return the names of those that this call did. Needs the role that owns the tables."""
    steps = migrations() if steps is None else steps
    with dialer.bare() as db:
        try:
            _settle(db, dialer)
            names: list[str] = []
            while done := _let_in(db, dialer, steps):
                names += done
            return tuple(names)
        except pg.InsufficientPrivilege as error:
            raise StoreDenied(
                f"making the tables of {dialer.place}: {error.diag.message_primary}",
                hint="let the role that owns the database run `perdure store migrate`, with --worker ROLE for this one",
            ) from error
        except pg.DuplicateTable as error:
            raise BadInput(
                f"the schema {SCHEMA} of {dialer.place} holds tables of which nothing says that they are a store's: {error.diag.message_primary}",
                hint="use another database; a store that has lost its table `migrations` is restored from a backup",
            ) from error
        except psycopg.Error as error:
            raise said(error, f"making the tables of {dialer.place}") from error


def _settle(db: Database, dialer: Dialer) -> None:
    """The connection may make tables here; raise ``BadInput`` if the server or the database can't hold a store."""
    if db.info.server_version < SERVER_MIN:
        raise BadInput(
            f"{dialer.place} is PostgreSQL {db.info.server_version // 10000}",
            hint=f"a store needs PostgreSQL {SERVER_MIN // 10000} or newer",
        )
    if db.info.parameter_status("server_encoding") != "UTF8":
        raise BadInput(
            f"the database in {dialer.place} can't hold every text",
            hint="make it with ENCODING 'UTF8' TEMPLATE template0",
        )
    # A step may take longer than any statement of a worker, but must not stand before their tables and wait.
    words = (f"{SCHEMA}, pg_temp", f"{round(_lock_seconds(dialer) * 1000)}ms")
    db.take_long()
    db.execute(
        "SELECT set_config('search_path', %s, false), set_config('lock_timeout', %s, false)",
        words,
        prepare=False,
    )


def _lock_seconds(dialer: Dialer) -> float:
    return min(STEP_LOCK_SECONDS, dialer.setup.lock_seconds)


def _let_in(db: Database, dialer: Dialer, steps: tuple[Migration, ...]) -> tuple[str, ...]:
    """As ``_take``; where somebody has a table for long, all who wait behind the step pass before it is tried again."""
    for _ in range(STEP_TRIES - 1):
        try:
            return _take(db, dialer, steps)
        except pg.LockNotAvailable:
            time.sleep(_lock_seconds(dialer))
    return _take(db, dialer, steps)


def _take(db: Database, dialer: Dialer, steps: tuple[Migration, ...]) -> tuple[str, ...]:
    """The next step is done, or all at once where there were no tables; return their names, none if all were.

    So nobody ever finds a store that is half made, and no lock on a full table outlasts its own step.
    """
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,), prepare=False)
        done = _done(db, dialer)
        _check_same(done or (), steps)
        known = {step.number for step in done or ()}
        left = [step for step in steps if step.number not in known]
        taken = left if done is None else left[:1]
        if done is None:
            if not asked(db, bool, _HAS_SCHEMA, (SCHEMA,))[0]:
                db.execute(f"CREATE SCHEMA {SCHEMA}".encode(), prepare=False)
            db.execute(_KEPT.encode(), prepare=False)
        workers = workers_of(db)
        for step in taken:
            _do(db, step)
        for worker in workers:
            granted(db, sql.SQL(cast("LiteralString", worker)))
    return tuple(step.name for step in taken)


def _do(db: Database, step: Migration) -> None:
    db.execute(step.text.encode(), prepare=False)
    db.execute(
        "INSERT INTO migrations (number, name, digest, beside) VALUES (%s, %s, %s, %s)",
        (step.number, step.name, step.digest, step.beside),
        prepare=False,
    )
    if step.number == 1:
        db.execute("INSERT INTO store (id) VALUES (%s)", (uuid.uuid4().hex,), prepare=False)


def _done(db: Database, dialer: Dialer) -> tuple[Migration, ...] | None:
    """Return the steps that were done in this database; None if it holds no store."""
    try:
        known = db.execute(
            "SELECT to_regclass(%s)::text", (f"{SCHEMA}.migrations",), prepare=False
        ).fetchone()
        if known is None or known[0] is None:
            return None
        done = asked(db, Migration, _DONE)
    except pg.InsufficientPrivilege as error:
        raise StoreDenied(
            f"opening {dialer.place}: {str(error).strip()}",
            hint="let the store's owner run `perdure store migrate --worker ROLE` with this role's name",
        ) from error
    except psycopg.Error as error:
        raise said(error, f"opening {dialer.place}") from error
    return tuple(done) or None
