"""``perdure store``: backup, stats, release; what it lets go stands in ``perdure.cli.keeping.room``."""

from pathlib import Path

import click

from perdure.assembly.keeping import back_up, release_store, stats_of
from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.failing_over import read_named, release_database
from perdure.cli.drawing.ink import count, inked, size
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.ending import FINISHED
from perdure.cli.keeping.clusters import migrate, show_standings
from perdure.cli.keeping.copying import copy
from perdure.cli.keeping.failovers import failovers, replication, told
from perdure.cli.keeping.room import RELIEF, allowed, budget, gc, pin, thin
from perdure.cli.options import example, json_option, shard_option, store_option
from perdure.cli.out import put
from perdure.cli.place import address_known
from perdure.values.errors import BadInput


@click.group(commands=(gc, thin, pin, budget, copy, migrate, failovers, replication))
def store() -> None:
    """Back a store up, measure it, free what nobody needs, move its runs, or release a copy."""


@store.command(epilog=example("perdure store backup ./backups/monday"))
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@store_option
@json_option
def backup(*, target: Path, store: Address | None, as_json: bool) -> int:
    """Copy the store to DIR, whole and consistent, while its runs go on.

    The copy opens with its runs suspended: what was promised after it was made is missing from it.
    """
    source = address_known(store)
    back_up(source, target)
    if as_json:
        put({"store": str(source), "backup": str(target)})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} {source} is copied to {target}")
        click.echo(inked("  its runs stay suspended until `perdure store release`", "quiet"))
    return FINISHED


@store.command(epilog=example("perdure store stats"))
@store_option
@json_option
def stats(*, store: Address | None, as_json: bool) -> int:
    """Count what the store holds and how much room it takes; say whether it is suspended, and why."""
    address = address_known(store)
    if address.kind != "directory":
        return show_standings(address, as_json=as_json)
    found = stats_of(address)
    if as_json:
        put(found)
        return FINISHED
    rows: list[list[Cell]] = [
        [("runs", "quiet"), (f"{found.runs:,}", "plain")],
        [("events", "quiet"), (f"{found.events:,}", "plain")],
        [("claims", "quiet"), (f"{found.claims:,}, {found.claims_open:,} open", "plain")],
        [("inbox", "quiet"), (f"{found.inbox_waiting:,} waiting", "plain")],
        [("blobs", "quiet"), (f"{found.blobs:,}, {count(found.blob_files, 'file')} beside the log", "plain")],
        [("snapshots", "quiet"), (f"{found.snapshots:,}, can be deleted", "plain")],
        [("on disk", "quiet"), (size(found.file_bytes + found.wal_bytes + found.blob_file_bytes), "plain")],
        *([(f"of it: {part}", "quiet"), (size(room), "plain")] for part, room in found.bytes_by_part.items()),
        [("of it: write-ahead log", "quiet"), (size(found.wal_bytes), "plain")],
        [("of it: blob files", "quiet"), (size(found.blob_file_bytes), "plain")],
        [("may take", "quiet"), (allowed(found.room), "plain")],
        [("format", "quiet"), (f"{found.format}, SQLite {found.sqlite}, store {found.id}", "plain")],
    ]
    click.echo(table(rows))
    if found.room.scarce:
        click.echo(f"{inked('!', 'doubt', bold=True)} it takes {size(found.room.used)}: {RELIEF}")
    if found.released:
        click.echo(inked(f"released by {found.released}", "quiet"))
    if found.suspended:
        click.echo(f"{inked('‖', 'ask', bold=True)} its runs are suspended: {found.suspended}")
        click.echo(f"  {inked('perdure store release --by NAME', 'ask')}  if the other copy is gone")
    return FINISHED


@store.command(
    epilog=example(
        'perdure store release --by "Ada, on call"',
        'perdure store release --by "Ada, on call" --missing lost.jsonl',
        'perdure store release --by "Ada, on call" --none-missing --shard emea --store store.toml',
    )
)
@click.option("--by", required=True, metavar="NAME", help="Who says that this copy counts.")
@click.option("--none-missing", is_flag=True, help="PostgreSQL: nothing that was begun is missing here.")
@click.option(
    "--missing",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="PostgreSQL: all acts that are missing, a JSON object a line: run, tool, arguments, outcome.",
)
@click.option("--run", metavar="RUN", help="PostgreSQL: say it of this run alone.")
@click.option(
    "--anyway",
    is_flag=True,
    help="PostgreSQL: although nothing looks amiss; a disk was put back. It stops whoever drives runs.",
)
@shard_option
@store_option
@json_option
def release(
    *,
    by: str,
    none_missing: bool,
    file: Path | None,
    run: str | None,
    anyway: bool,
    shard: str,
    store: Address | None,
    as_json: bool,
) -> int:
    """Say that this copy of a store is the one that counts from here on; its runs may be driven again.

    First see that no other copy is used any more: what that one did since is not known here, and
    could be done a second time. A store in PostgreSQL puts back what you name as missing, in doubt.
    """
    address = address_known(store)
    if address.kind == "directory":
        if none_missing or file or run or anyway or shard:
            raise BadInput("a store in a directory is released as a whole", hint="say --by NAME alone")
        release_store(address, by)
        back = doubtful = 0
    else:
        if none_missing and file:
            raise BadInput("--none-missing and --missing FILE contradict each other")
        named = read_named(file) if file is not None else () if none_missing else None
        back, doubtful = release_database(address, by, named, run, shard=shard, anyway=anyway)
    if as_json:
        put({"store": str(address), "released": by, "put_back": back, "doubtful": doubtful})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} {address} counts, says {by}; {told(back, doubtful)}")
    return FINISHED
