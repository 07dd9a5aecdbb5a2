"""``perdure store migrate``, and a store in PostgreSQL in numbers."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec

import click

from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.clusters import (
    Beside,
    DatabaseStanding,
    Steps,
    rights_lacking,
    standings_of,
    steps_of,
)
from perdure.assembly.stores.clusters import migrate as migrated
from perdure.cli.drawing.ink import count, inked, size
from perdure.cli.drawing.tables import Cell, facts, table
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import put
from perdure.cli.place import address_known
from perdure.cli.servers import warnings_of


@click.command(
    epilog=example(
        "perdure store migrate --check --store postgresql://perdure@db/perdure",
        "perdure store migrate --store postgresql://perdure@db/perdure",
        "perdure store migrate --worker fleet --store postgresql://perdure@db/perdure",
        "perdure store migrate --check --worker fleet --store postgresql://perdure@db/perdure",
    )
)
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Change nothing; end with code 4 if steps or rights are lacking.",
)
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="ROLE",
    help="A role of the server that gets a worker's rights.",
)
@click.option(
    "--regardless",
    is_flag=True,
    help="Do steps, too, that workers alive can't work beside; they end in order within seconds.",
)
@store_option
@json_option
def migrate(
    *, only_check: bool, workers: tuple[str, ...], regardless: bool, store: Address | None, as_json: bool
) -> int:
    """Make the tables of a store in PostgreSQL, or bring them up to date; what will be done is shown before.

    Needs the role that owns the tables; workers need less. Each step is done once and whole, and says which older
    perdure may go on beside it; while workers live that may not, it isn't begun. For workers with roles of their own the tables of procrastinate are made as well.
    """
    address = address_known(store)
    plan, beside = steps_of(address), _beside()
    left = sum(len(each.left) for each in plan.values())
    if not as_json:
        for line in _planned(plan):
            click.echo(line)
    done: Mapping[str, tuple[str, ...]] = (
        {} if only_check else migrated(address, workers, beside, regardless=regardless)
    )
    lacking: Mapping[str, Sequence[str]] = {}
    if not (only_check and left):
        lacking = rights_lacking(address, workers, beside)
    if as_json:
        put({"store": str(address), "plan": plan, "done": done, "lacking": lacking})
        return FAILED if (only_check and left) or any(lacking.values()) else FINISHED
    if not only_check and left:
        click.echo(f"{inked('✓', 'good', bold=True)} {count(sum(map(len, done.values())), 'step')} done")
    for line in _lacking(lacking):
        click.echo(line)
    return FAILED if (only_check and left) or any(lacking.values()) else FINISHED


def _beside() -> Beside | None:
    """Return what the engine keeps beside the store's tables; None if it isn't installed here."""
    if find_spec("procrastinate") is None:
        return None
    from perdure.worker.engines.procrastinate import SCHEMA, make_tables  # noqa: PLC0415 - an extra

    return Beside(SCHEMA, make_tables)


def _lacking(lacking: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, each in lacking.items():
        where = f"shard {name}: " if name else ""
        yield from (f"{inked('✗', 'bad', bold=True)} {where}{words}" for words in each)


def _planned(plan: Mapping[str, Steps]) -> Iterator[str]:
    for name, steps in plan.items():
        where = f"shard {name}: " if name else ""
        yield f"{where}{count(len(steps.done), 'step')} done before, {count(len(steps.left), 'step')} to do"
        for step in steps.left:
            yield f"  {inked('+', 'good')} {step}"


def show_standings(address: Address, *, as_json: bool) -> int:
    """Show the store's databases in numbers."""
    found = standings_of(address)
    if as_json:
        put({"store": str(address), "databases": found.databases, "away": found.away})
        return FINISHED
    for name, standing in found.databases.items():
        if name:
            click.echo(inked(f"shard {name}", "head", bold=True))
        _show(standing)
    for name, why in found.away.items():
        click.echo(f"{inked('✗', 'bad', bold=True)} shard {name} is away: {why}")
    return FINISHED


def _show(standing: DatabaseStanding) -> None:
    stats = standing.stats
    click.echo(facts(list(_counted(standing))))
    rows: list[list[Cell]] = [
        [
            (each.name, "plain"),
            (f"{each.rows:,}", "plain"),
            (f"{each.dead:,}", "plain"),
            (size(each.table_bytes), "plain"),
            (size(each.index_bytes), "plain"),
        ]
        for each in stats.tables
        if each.rows or each.dead
    ]
    click.echo(table(rows, head=("table", "rows, about", "dead", "takes", "its indexes")))
    for words, cure in warnings_of(standing):
        click.echo(f"{inked('!', 'doubt', bold=True)} {words}: {cure}")
    if standing.suspended:
        click.echo(f"{inked('‖', 'ask', bold=True)} its runs are suspended: {standing.suspended}")
        if stats.newest:
            words = f"the newest batch here is of {stats.newest}: what was begun later isn't here"
            click.echo(inked(f"  {words}", "quiet"))
        click.echo(f"  {inked('perdure store failovers', 'ask')}  what is known of it")


def _counted(standing: DatabaseStanding) -> Iterator[tuple[str, str]]:
    stats = standing.stats
    yield "runs", f"{stats.runs:,}, {stats.runs_held:,} held"
    yield "events", f"{stats.events:,}"
    yield "claims", f"{stats.claims:,}, {stats.claims_open:,} open"
    yield "inbox", f"{stats.inbox_waiting:,} waiting"
    yield "blobs", f"{stats.blobs:,}"
    if stats.spilled_blobs:
        waits = f"{count(stats.spilled_blobs, 'large blob')}, {size(stats.spilled_bytes)}"
        yield "for the object store", f"{waits} wait here"
    yield "in all", size(stats.bytes)
    yield (
        "feed",
        f"{stats.feed_lag_seconds:.1f} s behind" if stats.feed_lag_seconds else "nothing is held back",
    )
    on = "a standby" if stats.timeline is None else f"timeline {stats.timeline}"
    yield "server", f"PostgreSQL {stats.server}, {on}"
    yield (
        "connections",
        f"{stats.connections:,} of {stats.connections_max:,}, {stats.connections_ours:,} of perdure",
    )
    yield "tables", f"up to {stats.tables_at}, store {stats.id}"
