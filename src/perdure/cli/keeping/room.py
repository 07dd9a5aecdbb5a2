"""``perdure store gc``, ``thin``, ``pin``, ``budget``: how much room a store takes, and what it lets go."""

import re
import sys
from typing import Final

import click

from perdure.assembly import keeping
from perdure.assembly.keeping import Collected, Room
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import count, inked, size
from perdure.cli.drawing.tables import facts
from perdure.cli.ending import FINISHED
from perdure.cli.options import by_option, example, json_option, run_argument, store_option
from perdure.cli.out import put
from perdure.cli.place import address_known, opened
from perdure.values.limits import COLLECT_GRACE_SECONDS

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


@click.command(epilog=example("perdure store gc --dry-run", "perdure store gc"))
@click.option("--dry-run", "trial", is_flag=True, help="Only say what would go.")
@click.option(
    "--compact", is_flag=True, help="Then give the log's free pages back; takes free space for a time."
)
@store_option
@json_option
def gc(*, trial: bool, compact: bool, store: Address | None, as_json: bool) -> int:
    """Free what no event, fork, claim or waiting post reaches, while runs go on.

    While another process uses the store, what is found today goes at a collection twenty minutes later.
    Freed pages of the log's file are used again; --compact makes the file smaller.
    """
    if trial and compact:
        raise click.UsageError("--dry-run and --compact exclude each other.")
    directory = address_known(store)
    loud = not as_json and sys.stderr.isatty()
    found = keeping.collect(directory, trial=trial, tell=_tell if loud else _unheard)
    if loud:
        click.echo("\r\x1b[K", err=True, nl=False)
    shrunk = keeping.compact(directory) if compact else None
    if as_json:
        put({"store": str(directory), "collected": found, "compacted": shrunk})
        return FINISHED
    _say_collected(found)
    if shrunk is not None:
        click.echo(f"  the log's file takes {size(shrunk.after)}; it took {size(shrunk.before)}")
    return FINISHED


@click.command(epilog=example("perdure store thin march --before 400 --dry-run"))
@run_argument
@click.option(
    "--before", metavar="N", required=True, type=click.IntRange(min=1), help="The first position that stays."
)
@click.option("--dry-run", "trial", is_flag=True, help="Only say what would be let go.")
@by_option
@store_option
@json_option
def thin(*, run: str, before: int, trial: bool, by: str, store: Address | None, as_json: bool) -> int:
    """Let the files of RUN's positions before N go; `perdure store gc` then frees what only they need.

    The log stays whole, and so do files of pinned positions and of those at which forks begin. It is recorded
    and can't be taken back: nobody can go back to those files any more.
    """
    with opened(store) as place:
        found = keeping.thin(place.store, run, before, by=by, trial=trial)
        flag = place.flag
    body = found.body
    if as_json:
        put({"run": run, "first": found.first, "before": body.before, "kept": body.kept, "dry_run": trial})
        return FINISHED
    words = "would be" if trial else "are"
    span = f"{found.first} to {body.before - 1}"
    click.echo(f"{inked('✂', 'doubt', bold=True)} files of {run} at {span} {words} let go")
    if body.kept:
        click.echo(f"  kept: {', '.join(map(str, body.kept))}, pinned or where forks begin")
    if not trial:
        click.echo(f"  {inked(f'perdure store gc{flag}', 'ask')}  frees what nothing else needs")
    return FINISHED


@click.command(epilog=example("perdure store pin march 118", "perdure store pin march 118 --off"))
@run_argument
@click.argument("position", metavar="POSITION", type=click.IntRange(min=1))
@click.option("--off", is_flag=True, help="The position need not stay any more.")
@by_option
@store_option
@json_option
def pin(*, run: str, position: int, off: bool, by: str, store: Address | None, as_json: bool) -> int:
    """Keep the files of RUN at POSITION, whatever `perdure store thin` lets go."""
    with opened(store) as place:
        keeping.pin(place.store, run, position, by=by, pinned=not off)
    if as_json:
        put({"run": run, "position": position, "pinned": not off})
    else:
        click.echo(
            f"{inked('✓', 'good', bold=True)} {run} at {position} is {'no longer ' if off else ''}pinned"
        )
    return FINISHED


@click.command(
    epilog=example("perdure store budget", "perdure store budget 50G", "perdure store budget none")
)
@click.argument("amount", metavar="[BYTES|none|default]", required=False)
@store_option
@json_option
def budget(*, amount: str | None, store: Address | None, as_json: bool) -> int:
    """Show or set how much a store may take on disk: bytes, or with K, M, G or T.

    Beyond it no workspace is recorded, and runs that change files wait for a person; events and outcomes are
    written all the same. By itself a store may take 20 GiB, or what it takes and half of what is free if that
    is less.
    """
    directory = address_known(store)
    if amount is None:
        room = keeping.room_of(directory)
    elif amount == "default":
        room = keeping.set_budget(directory, None, forget=True)
    else:
        room = keeping.set_budget(directory, None if amount == "none" else _bytes(amount))
    if as_json:
        put({"store": str(directory), **room_shape(room)})
        return FINISHED
    click.echo(facts([("takes", size(room.used)), ("may take", allowed(room)), ("free", size(room.free))]))
    if room.scarce:
        click.echo(f"{inked('!', 'doubt', bold=True)} {RELIEF}")
    return FINISHED


RELIEF: Final = "free some with `perdure store gc`, or let old checkpoints go with `perdure store thin`"


def room_shape(room: Room) -> dict[str, int | bool | None]:
    """Return the room as programs are told of it."""
    return {
        "used_bytes": room.used,
        "budget_bytes": room.budget,
        "budget_chosen": room.chosen,
        "free_bytes": room.free,
    }


def allowed(room: Room) -> str:
    """Return what the store may take, in words."""
    if room.budget is None:
        return "all there is"
    return f"{size(room.budget)}{'' if room.chosen else ', since nobody said otherwise'}"


def _say_collected(found: Collected) -> None:
    words = "would go" if found.trial else "gone"
    gone = size(found.taken.bytes + found.strays.bytes)
    click.echo(f"{inked('✓', 'good', bold=True)} {count(found.taken.blobs, 'blob')} {words}, {gone}")
    rows = [("in the log's file", _held(found.taken.blobs - found.taken.files, found.taken.log_bytes))]
    rows.append(("files of their own", _held(found.taken.files, found.taken.file_bytes)))
    if found.strays.files:
        rows.append(("left by a crash", _held(found.strays.files, found.strays.file_bytes)))
    waiting = found.unreached.blobs - found.taken.blobs
    if waiting > 0:
        minutes = COLLECT_GRACE_SECONDS // 60
        rows.append(
            (
                "has to wait",
                f"{count(waiting, 'blob')}: the store is in use; collect again in {minutes} minutes",
            )
        )
    rows.append(("reached, and stays", _held(found.reached.blobs, found.reached.bytes)))
    click.echo(facts(rows, indent="  "))


def _held(blobs: int, held: int) -> str:
    return f"{count(blobs, 'blob')}, {size(held)}"


def _bytes(amount: str) -> int:
    found = _AMOUNT.fullmatch(amount.strip())
    if found is None:
        raise click.UsageError(f"{amount!r} is no amount: say 50G, 800M, a number of bytes, none or default.")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _tell(what: str, done: int, total: int) -> None:
    of = f" of {total:,}" if total else ""
    click.echo(f"\r\x1b[K{done:,}{of} {what}", err=True, nl=False)


def _unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""
