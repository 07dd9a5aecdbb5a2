"""``perdure ls``: the runs of a store."""

import time
from typing import NamedTuple

import click

from perdure.assembly.presence import driver_of, elsewhere
from perdure.assembly.stores.addresses import Address
from perdure.assembly.submitting import placed_among
from perdure.cli.drawing.ink import Tone, count, inked, span
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.ending import FINISHED
from perdure.cli.following import CLOSED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import put
from perdure.cli.place import Place, opened
from perdure.cli.standing.guests import guest_shape, guest_state, guest_word, left_open, tally
from perdure.cli.standing.placed import placed_shape, placed_word, why_not
from perdure.log.placing import Placed
from perdure.log.port import RunRow
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.values.limits import RUNS_SHOWN_MAX

TONES: dict[str, Tone] = {
    "finished": "good",
    "failed": "bad",
    "cancelled": "quiet",
    "waiting": "ask",
    "running": "head",
    "works": "head",
    "starts": "head",
    "ended": "good",
    "broke off": "doubt",
    "stopped": "doubt",
    "moved": "quiet",
    "arriving": "doubt",
    "submitted": "ask",
    "called": "ask",
    "parked": "bad",
}


class Seen(NamedTuple):
    """A run of the store, what is known of it as a client's, and as one of workers."""

    row: RunRow
    guest: State | None
    placed: Placed | None


@click.command(epilog=example("perdure ls", "perdure ls --status waiting", "perdure ls --limit 20"))
@click.option("--status", metavar="WORD", help="Only runs that are running, stopped, waiting, finished, ...")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=RUNS_SHOWN_MAX,
    show_default=True,
    help="Look at the newest N runs, and at no older ones; 0 looks at all.",
)
@store_option
@json_option
def ls(*, status: str | None, limit: int, store: Address | None, as_json: bool) -> int:
    """List the runs of a store, oldest first.

    A run is *stopped* if it could go on and nobody drives it: resume it. A run of workers is *submitted* until one
    begins it, *called* until one goes on, or *parked*: `perdure show` says why. A wrapped client *works*, has *ended*,
    or *broke off*: `perdure wrap --resume` goes on with it.
    """
    with opened(store) as place:
        found = place.store.runs(newest=limit + 1 if limit else None)
        known = found[-limit:] if limit else found
        older = len(known) < len(found)
        placed = placed_among(place.store.books, [row.run for row in known if row.status not in CLOSED])
        begun = [row for row in known if row.position or row.run in placed]
        guests = {row.run: guest_state(place, row) for row in begun if row.position}
        seen = [Seen(row, guests.get(row.run), placed.get(row.run)) for row in begun]
        rows = [each for each in seen if status is None or status in (_word(each), each.row.status)]
        away = place.store.missing()
        if as_json:
            shapes = [_shape(each) for each in rows]
            put({"runs": shapes, **({"older": True} if older else {}), **({"away": away} if away else {})})
        elif rows:
            wrapped = any(each.guest for each in rows)
            head = (
                "RUN",
                "STATUS",
                "EVENTS",
                "BEGUN",
                "FROM",
                "WAITS FOR",
                *(("CLIENT",) if wrapped else ()),
            )
            cells = [_cells(place, each) for each in rows]
            click.echo(table([each[: len(head)] for each in cells], head=head))
        else:
            click.echo("no such runs" if status else "no runs yet: begin one with `perdure run`")
        if older and not as_json:
            click.echo(
                inked(
                    f"only the newest {count(limit, 'run')} were looked at: --limit 0 looks at all", "quiet"
                ),
                err=True,
            )
        for name in away:
            click.echo(
                f"{inked('✗', 'bad', bold=True)} shard {name} is away: its runs are not listed", err=True
            )
    return FINISHED


def _word(seen: Seen) -> str:
    """Return the run's status; one that is 'running' by its log, and driven by nobody, is stopped."""
    row, guest, placed = seen
    away = elsewhere(row)
    if away is not None:
        return away.word
    if guest is not None and not guest.closed:
        return guest_word(row, guest)
    if placed is not None:
        return placed_word(row, placed)
    if row.status == "running" and driver_of(row).presence != "alive":
        return "stopped"
    return row.status


def _shape(seen: Seen) -> dict[str, Json]:
    row, guest, placed = seen
    driver = driver_of(row)
    shape: dict[str, Json] = {
        "run": row.run,
        "status": row.status,
        "driver": driver.presence,
        "pid": driver.pid or None,
        "position": row.position,
        "head": row.head.hex(),
        "epoch": row.epoch,
        "lineage": row.lineage,
        "tenant": row.tenant,
        "parent": row.parent,
        "forked_at": row.forked_at,
        "created": row.created,
    }
    if placed is not None:
        shape["workers"] = placed_shape(placed)
    if guest is not None:
        shape["wrapped"] = guest_shape(row, guest)
    return shape


def _cells(place: Place, seen: Seen) -> list[Cell]:
    row, guest, placed = seen
    word = _word(seen)
    waits = place.store.state(row.run).wait_text if row.status == "waiting" else ""
    if placed is not None:
        waits = why_not(placed) or waits
    if guest is not None:
        waits = left_open(guest) or waits
    away = elsewhere(row)
    if away is not None:
        waits = f"{'it is in' if away.word == 'moved' else 'it comes from'} {away.where}"
    return [
        (row.run, "plain"),
        (word, TONES.get(word, "plain")),
        (f"{row.position:,}", "plain"),
        (f"{span(max(time.time_ns() - row.created, 0))} ago", "quiet"),
        (f"{row.parent}@{row.forked_at}" if row.parent else "", "quiet"),
        (waits, "plain"),
        (tally(guest) if guest is not None else "", "plain"),
    ]
