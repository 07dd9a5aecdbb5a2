"""A store in PostgreSQL, or several: what it holds and how its servers are, and the steps that make its tables."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from perdure.assembly.stores.addresses import Address, address_of
from perdure.assembly.stores.describing import Description, described
from perdure.assembly.stores.opening import hushed, open_books, open_database
from perdure.driver.books import missing, shards
from perdure.values.errors import BadInput, StoreAway

if TYPE_CHECKING:
    from perdure.adapters.postgres.stats import ServerStats
    from perdure.adapters.postgres.store import PostgresStore
    from perdure.log.garbage import Collected, Tell


class DatabaseStanding(NamedTuple):
    """One database of a store, as it stands."""

    stats: "ServerStats"
    suspended: str | None
    """why no run may be driven, or None"""


class DatabaseStandings(NamedTuple):
    """All databases of a store by their shards' names ('' where it is one), and those that are away."""

    databases: Mapping[str, DatabaseStanding]
    away: Mapping[str, str]


class Steps(NamedTuple):
    """What was done to make the tables of one database, and what is left."""

    done: tuple[str, ...]
    left: tuple[str, ...]


class Beside(NamedTuple):
    """What a task engine keeps in each database, beside the store's own tables."""

    schema: str
    make: Callable[[str], None]
    """its tables are there, in the database that an address names"""


def standings_of(address: Address) -> DatabaseStandings:
    """Return how the store's databases stand. Raises ``BadInput`` for a store in a directory."""
    found: dict[str, DatabaseStanding] = {}
    with _open(address) as stores:
        away = dict(stores.away)
        for name, store in stores.named.items():
            try:
                found[name] = _standing(store)
            except StoreAway as error:
                if not name:
                    raise
                away[name] = str(error)
    return DatabaseStandings(found, away)


def collect_all(address: Address, *, trial: bool, tell: "Tell") -> "Collected":
    """What nothing reaches in any of the store's databases is gone, or waits; see ``keeping.collect``."""
    from perdure.log.garbage import Collected, Heap, in_all  # noqa: PLC0415 - few look

    with _open(address) as stores:
        whole = Collected(Heap(), Heap(), Heap(), Heap(), in_use=False, trial=trial)
        for name, store in stores.named.items():
            with _shard(name):
                one = store.collect(trial=trial, tell=tell)
            whole = Collected(
                in_all(whole.reached, one.reached),
                in_all(whole.unreached, one.unreached),
                in_all(whole.taken, one.taken),
                in_all(whole.strays, one.strays),
                in_use=whole.in_use or one.in_use,
                trial=trial,
            )
        return whole


def steps_of(address: Address, *, reachable: bool = False) -> Mapping[str, Steps]:
    """Return what is to be done in each of the store's databases, or in those alone that are ``reachable``.

    Nothing is changed.
    """
    found: dict[str, Steps] = {}
    for name, each in _databases(address).items():
        try:
            found[name] = _steps(each)
        except StoreAway:
            if not (reachable and name):
                raise
    return found


def migrate(
    address: Address, workers: Sequence[str] = (), beside: Beside | None = None, *, regardless: bool = False
) -> Mapping[str, tuple[str, ...]]:
    """All steps are done in all databases; return those that this call did. Raises ``StoreDenied``, ``StoreAway``.

    Raises ``BadInput`` before anything is changed if workers live that a step leaves behind, unless ``regardless``.

    The roles ``workers`` have a worker's rights from here on; those that had them keep them. Where any role has, the
    engine's tables are there, too.
    """
    from perdure.adapters.postgres.layout import Setup  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.link.connecting import Dialer  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.schema.granting import grant, workers_in  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.schema.migrating import migrate as done  # noqa: PLC0415 - an extra

    if not regardless:
        _check_nobody_is_left_behind(address)
    found: dict[str, tuple[str, ...]] = {}
    for name, each in _databases(address).items():
        with hushed(each):
            dialer = Dialer(each.secret, Setup())
            found[name] = done(dialer)
            roles = dict.fromkeys((*workers, *workers_in(dialer)))
            if roles and beside is not None:
                beside.make(each.secret)
            for role in roles:
                grant(dialer, role, "" if beside is None else beside.schema)
    return found


def _check_nobody_is_left_behind(address: Address) -> None:
    from perdure.adapters.postgres.layout import Setup  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.link.connecting import Dialer  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.schema.migrating import older_living  # noqa: PLC0415 - an extra

    for name, each in _databases(address).items():
        with hushed(each):
            older = older_living(Dialer(each.secret, Setup()))
        if older:
            raise BadInput(
                f"{f'shard {name}: ' if name else ''}{', '.join(older)} can't work beside the steps that are left",
                hint="end these workers first, or say --regardless: they notice within seconds, drain and end",
            )


def rights_lacking(
    address: Address, workers: Sequence[str] = (), beside: Beside | None = None
) -> Mapping[str, Sequence[str]]:
    """Return what ``workers``, or the roles that have some of a worker's rights, lack in each database; nothing is changed."""
    from perdure.adapters.postgres.layout import Setup  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.link.connecting import Dialer  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.schema.granting import lacks, workers_in  # noqa: PLC0415 - an extra

    found: dict[str, Sequence[str]] = {}
    for name, each in _databases(address).items():
        with hushed(each):
            dialer = Dialer(each.secret, Setup())
            schema = "" if beside is None else beside.schema
            missing = {role: lacks(dialer, role, schema) for role in workers or workers_in(dialer)}
        found[name] = [f"{role} lacks {words}" for role, lacking in missing.items() for words in lacking]
    return found


def check_objects(address: Address) -> Iterator[str]:
    """Yield the store's databases whose object storage works. Raises what keeps the next from working."""
    if address.kind != "described":
        return
    from perdure.adapters.objects.opening import open_objects  # noqa: PLC0415 - an extra

    found = described(address.path)
    for name, each in ({"": found} if isinstance(found, Description) else found).items():
        if each.objects is not None:
            open_objects(each.objects).check()
            yield name


class _Stores(NamedTuple):
    named: "Mapping[str, PostgresStore]"
    away: Mapping[str, str]


@contextmanager
def _open(address: Address) -> Generator[_Stores]:
    from perdure.adapters.postgres.store import PostgresStore  # noqa: PLC0415 - an extra

    if address.kind == "directory":
        raise BadInput(f"{address} is no store in PostgreSQL")
    if address.kind == "postgres":
        with open_database(address, create=False) as store:
            yield _Stores({"": store}, {})
        return
    books, close, _, _ = open_books(address, create=False)
    try:
        named = {name: each for name, each in shards(books).items() if isinstance(each, PostgresStore)}
        yield _Stores(named, dict(missing(books)))
    finally:
        close()


@contextmanager
def _shard(name: str) -> Generator[None]:
    """Whoever is away is named, where there are several."""
    try:
        yield
    except StoreAway as error:
        if not name:
            raise
        raise StoreAway(f"shard {name} is away: {error}") from error


def _standing(store: "PostgresStore") -> DatabaseStanding:
    return DatabaseStanding(store.stats(), store.suspended())


def _steps(address: Address) -> Steps:
    from perdure.adapters.postgres.layout import Setup  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.link.connecting import Dialer  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.schema.migrating import planned  # noqa: PLC0415 - an extra

    with hushed(address):
        done, left = planned(Dialer(address.secret, Setup()))
    return Steps(tuple(each.name for each in done), tuple(each.name for each in left))


def _databases(address: Address) -> Mapping[str, Address]:
    if address.kind == "directory":
        raise BadInput(
            f"{address} is a directory: its tables are made as they are needed",
            hint="a store in PostgreSQL has steps: --store postgresql://USER@HOST/DATABASE",
        )
    if address.kind == "postgres":
        return {"": address_of(address)}
    found = described(address.path)
    if isinstance(found, Description):
        return {"": found.database}
    return {name: each.database for name, each in found.items()}
