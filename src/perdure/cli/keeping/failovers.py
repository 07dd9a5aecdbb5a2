"""``perdure store replication`` and ``perdure store failovers``: a store that lives on one of several servers."""

from typing import Final

import click

from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.failing_over import ServerHistory, declare, history_of
from perdure.cli.drawing.ink import count, inked
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, shard_option, store_option
from perdure.cli.out import put
from perdure.cli.place import address_known

_RELEASE: Final = "perdure store release --by NAME"


@click.command(
    epilog=example("perdure store replication --synchronous --store postgresql://perdure@db/perdure")
)
@click.option("--synchronous/--asynchronous", default=None, help="What every commit waits for from here on.")
@shard_option
@store_option
@json_option
def replication(*, synchronous: bool | None, shard: str, store: Address | None, as_json: bool) -> int:
    """Say whether what is acknowledged has to be on a standby too; without a word, show it.

    Synchronous: nothing is acknowledged while the server waits for no standby, and after a failover work
    goes on by itself. Asynchronous: after a failover somebody says what is missing.
    """
    address = address_known(store)
    if synchronous is not None:
        declare(address, shard, synchronous=synchronous)
    now = history_of(address, shard).synchronous
    if as_json:
        put({"store": str(address), "synchronous": now})
    elif now:
        click.echo("synchronous: what is acknowledged is on a standby, too")
    else:
        click.echo("asynchronous: a failover may lose what was acknowledged last, and is asked about")
    return FINISHED


@click.command(
    epilog=example("perdure store failovers", "perdure store failovers --shard emea --store store.toml")
)
@shard_option
@store_option
@json_option
def failovers(*, shard: str, store: Address | None, as_json: bool) -> int:
    """Show when the store went on on another server, who said what was missing, and what is still asked."""
    found = history_of(address_known(store), shard)
    if as_json:
        put(found)
        return FINISHED
    if found.failovers:
        click.echo(table(_rows(found)))
    elif not found.suspended:
        click.echo(inked("it is on the server that it was made on", "quiet"))
    for claim in found.missed:
        end = claim.outcome or ("put back in doubt" if claim.put_back else "missing")
        click.echo(f"{inked('!', 'doubt', bold=True)} {claim.run} {claim.tool} {claim.key[:12]}: {end}")
        click.echo(inked(f"    known from {claim.told_by}", "quiet"))
    for run, why in found.doubtful:
        click.echo(f"{inked('‖', 'ask', bold=True)} {run} may not be driven: {why}")
    release = f"{_RELEASE} --shard {shard}" if shard else _RELEASE
    if found.doubtful:
        click.echo(f"  {inked(f'{release} --run RUN --none-missing', 'ask')}  once you know")
    if found.suspended:
        click.echo(f"{inked('‖', 'ask', bold=True)} its runs are suspended: {found.suspended}")
        click.echo(
            f"  {inked(f'{release} --none-missing', 'ask')}  if nothing that was begun is missing here"
        )
        click.echo(f"  {inked(f'{release} --missing FILE', 'ask')}  names all that was begun and is missing")
    return FINISHED


def _rows(found: ServerHistory) -> list[list[Cell]]:
    return [
        [
            (each.at.partition(".")[0], "quiet"),
            (f"timeline {each.was_timeline} to {each.timeline}", "plain"),
            ("may have lost something" if each.lossy else "lost nothing", "doubt" if each.lossy else "good"),
            (f"says {each.by}", "quiet"),
        ]
        for each in found.failovers
    ]


def told(back: int, doubtful: int) -> str:
    """Return in words what a release has changed."""
    parts = [f"{count(back, 'claim')} put back in doubt"] if back else []
    if doubtful:
        parts.append(f"{count(doubtful, 'run')} still to be answered for, see `perdure store failovers`")
    return "; ".join(parts) or "its runs may be resumed"
