"""The doctor's checks of a store in PostgreSQL: each database, its tables, and what its server does."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.clusters import DatabaseStanding, check_objects, standings_of, steps_of
from perdure.cli.drawing.ink import count, size
from perdure.values.errors import PerdureError

CONNECTIONS_LEFT_FEW: Final = 10
"""A worker opens a handful at once, and a person who looks needs one."""

DEAD_FEW: Final = 10_000
"""Fewer dead rows are nothing to speak of."""

DEAD_SHARE: Final = 5
"""A table whose dead rows are more than this part of its rows waits for vacuum."""

RISKS: Final = {
    "fsync": "where the machine crashes, what was acknowledged may be gone, or the whole store",
    "full_page_writes": "where the machine crashes, a page may be torn, unless its file system never tears one",
}


class Check(NamedTuple):
    """What was looked at, how it stands, what was seen, and what to do next."""

    name: str
    status: Literal["ok", "warn", "fail"]
    text: str
    next: str = ""


def server_checks(address: Address) -> Iterator[Check]:
    """Yield what can be said of the store's databases. Raises ``StoreAway`` where there is none to ask."""
    for name, steps in steps_of(address, reachable=True).items():
        if steps.left:
            cure = f"perdure store migrate --store {address}"
            words = f"{count(len(steps.left), 'step')} to do{_of(name)}"
            yield Check("tables", "warn" if steps.done else "fail", words, cure)
            if not steps.done:
                return
    found = standings_of(address)
    for name, standing in found.databases.items():
        stats = standing.stats
        held = f"{count(stats.runs, 'run')}, {count(stats.events, 'event')}, {size(stats.bytes)}"
        yield Check("store", "ok", f"PostgreSQL {stats.server} at {stats.database}{_of(name)}: {held}")
        if standing.suspended:
            cure = "perdure store failovers, then perdure store release --by NAME"
            yield Check("release", "warn", f"its runs are suspended{_of(name)}: {standing.suspended}", cure)
        yield from _server(standing, name)
    for name, why in found.away.items():
        yield Check("shard", "fail", f"{name} is away: {why}", "see that its server runs")
    yield from _objects(address)


def warnings_of(standing: DatabaseStanding) -> Iterator[tuple[str, str]]:
    """Yield what isn't well with a database, and what to do."""
    stats = standing.stats
    for each in stats.risky.split():
        yield f"{each} is off: {RISKS[each]}", f"{each} = on in postgresql.conf, then reload the server"
    if stats.stall is not None:
        stall = stats.stall
        who = " ".join(filter(None, (stall.kind, str(stall.pid or ""), stall.name)))
        yield f"{who} holds the feed back for {stall.seconds:.0f} s", stall.cure
    for each in stats.tables:
        if each.dead > max(DEAD_FEW, each.rows // DEAD_SHARE):
            yield f"{each.name} has {each.dead:,} dead rows", "see that autovacuum runs"


def _server(standing: DatabaseStanding, name: str) -> Iterator[Check]:
    stats = standing.stats
    left = stats.connections_max - stats.connections
    words = f"{stats.connections:,} of {stats.connections_max:,} in use{_of(name)}"
    if left < CONNECTIONS_LEFT_FEW:
        yield Check("connections", "warn", words, "raise max_connections, or put fewer workers on it")
    else:
        yield Check("connections", "ok", words)
    for text, cure in warnings_of(standing):
        yield Check("server", "warn", f"{text}{_of(name)}", cure)


def _objects(address: Address) -> Iterator[Check]:
    try:
        for name in check_objects(address):
            yield Check("objects", "ok", f"made, read and deleted{_of(name)}")
    except PerdureError as error:
        yield Check("objects", "fail", f"{error.code}: {error}", error.hint)


def _of(name: str) -> str:
    return f" (shard {name})" if name else ""
