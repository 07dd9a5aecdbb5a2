"""What a fleet of workers shares through a store, opened where the store is.

Invariant: each database of a store has a registry and placements of its own; nothing needs two of them at once.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import NamedTuple

import msgspec

from perdure.adapters.holders import Fate, fate, this_holder
from perdure.assembly.stores.addresses import Address, Location, address_of
from perdure.assembly.stores.opening import hushed
from perdure.driver.books import Books
from perdure.log import events as e
from perdure.log.metering import Watched
from perdure.log.placing import Placements, ProcessBegun, ProcessSeen, Registry
from perdure.log.port import Holder, Post
from perdure.log.tenants import Tenants
from perdure.orchestrator.draft import content_of
from perdure.values.digest import short_digest
from perdure.values.errors import BadInput, Moved, PerdureError


class Base(NamedTuple):
    """One database of a store, as workers see it."""

    name: str
    """the shard's; empty where there is one database"""
    address: Address
    registry: Registry
    placements: Placements
    tenants: Tenants
    watched: Watched
    close: Callable[[], None]


def bases_of(location: Location, *, application: str = "perdure worker") -> Sequence[Base]:
    """Return the databases of the store at ``location``, not connected yet.

    Raises ``BadInput`` where workers can't share the store, and what reading the address raises.
    """
    address = address_of(location)
    match address.kind:
        case "directory":
            raise BadInput(
                f"{address} is a directory of one machine, and workers share a PostgreSQL database",
                hint="name one: --store postgresql://USER@HOST/DATABASE; `perdure store copy` moves the directory's runs there",
            )
        case "postgres":
            return [_base("", address, application)]
        case "described":
            from perdure.assembly.stores.describing import Description, described  # noqa: PLC0415 - only for such a file

            found = described(address.path)
            if isinstance(found, Description):
                return [_base("", found.database, application)]
            return [_base(name, each.database, application) for name, each in found.items()]


def shared(location: Location) -> bool:
    """Tell whether workers can share the store at ``location``."""
    return address_of(location).kind != "directory"


def _base(name: str, address: Address, application: str) -> Base:
    if find_spec("psycopg") is None:
        raise BadInput(
            f"{address}: the parts of PostgreSQL aren't installed", hint="pip install 'perdure[worker]'"
        )
    from perdure.adapters.postgres.fleet.placements import PostgresPlacements  # noqa: PLC0415 - as above
    from perdure.adapters.postgres.fleet.processes import PostgresProcesses  # noqa: PLC0415 - as above
    from perdure.adapters.postgres.fleet.tenants import PostgresTenants  # noqa: PLC0415 - as above
    from perdure.adapters.postgres.layout import Setup  # noqa: PLC0415 - as above
    from perdure.adapters.postgres.link.connecting import Dialer  # noqa: PLC0415 - an extra
    from perdure.adapters.postgres.link.line import OwnLine  # noqa: PLC0415 - as above
    from perdure.adapters.postgres.schema.migrating import migrations  # noqa: PLC0415 - as above
    from perdure.adapters.postgres.watched import PostgresWatched  # noqa: PLC0415 - as above

    with hushed(address):
        setup = Setup(application=application)
        # One that is watched by is connected only where somebody watches.
        pulse, calls, watch = (OwnLine(Dialer(address.secret, setup)) for _ in range(3))

    def close() -> None:
        for line in (pulse, calls, watch):
            with suppress(PerdureError):
                line.close()

    return Base(
        name,
        address,
        PostgresProcesses(pulse.lent, migrations()[-1].number),
        PostgresPlacements(calls.lent),
        PostgresTenants(calls.lent),
        PostgresWatched(watch.lent),
        close,
    )


def has_ended(process: ProcessSeen) -> bool:
    """Tell whether it is proved from this host that the process has ended."""
    return fate(Holder(process.host, process.pid, process.started, "")) is Fate.DEAD


def holder_has_ended(holder: str | None) -> bool:
    """Tell whether it is proved from this host that a run's holder, as JSON, has ended."""
    return holder is not None and fate(msgspec.json.decode(holder, type=Holder)) is Fate.DEAD


def fence(base: Base, books: Books, process: ProcessSeen, *, by: str, now: int) -> bool:
    """``by`` says that nothing of the process can be sent any more: its runs' logs are told, then it counts as proved.

    False if it was proved before. Whoever is cut off between the two says it again, and tells nothing twice.
    """
    text, _ = content_of(
        f"{process.station} is fenced or destroyed: nothing of its process {process.pid} can still be sent"
    )
    note = msgspec.Raw(msgspec.json.encode(e.NoteMade(by, text)))
    name = f"fenced-{short_digest(process.name.encode())}"
    for run in base.registry.runs_of(process.name):
        with suppress(Moved):
            books.post(run, Post(name, e.KIND_OF[e.NoteMade], note, now))
    return base.registry.prove(process.name, f"fenced, says {by}", by)


def begun_here(
    *, address: str, version: str, engine: str, agents: Mapping[str, str], concurrency: int
) -> ProcessBegun:
    """Return this process as it enters a registry."""
    me = this_holder("")
    station = platform.node()
    return ProcessBegun(me.host, me.pid, me.started, station, address, version, engine, agents, concurrency)
