"""Runs that workers drive, as people see them: how each stands, why nobody drives it, and what leads on."""

import shlex

import click

from perdure.assembly.presence import driver_of
from perdure.assembly.submitting import adopt, call
from perdure.cli.drawing.ink import clean, inked
from perdure.cli.ending import FINISHED
from perdure.cli.out import put
from perdure.cli.place import Place
from perdure.log.placing import Placed
from perdure.log.port import RunRow
from perdure.values.digest import Json


def placed_word(row: RunRow, placed: Placed) -> str:
    """Return the run's status: a worker drives it, or is called, or nobody may."""
    if placed.parked:
        return "parked"
    if not row.position:
        return "submitted"
    if row.status != "running" or driver_of(row).presence == "alive" or placed.holding == "living":
        return row.status
    return "called"


def why_not(placed: Placed) -> str:
    """Return why no worker drives the run; empty where one does, or it has nothing to do."""
    return placed.parked or placed.waits or ("" if placed.position else f"a worker that has {placed.agent}")


def placed_shape(placed: Placed) -> dict[str, Json]:
    """Return how the run stands with workers, for programs."""
    return {
        "agent": placed.agent,
        "holding": placed.holding,
        "parked": placed.parked,
        "waits": placed.waits,
        "tries": placed.tries,
        "root": placed.root or None,
    }


def placed_ways(place: Place, placed: Placed) -> list[tuple[str, str]]:
    """Return what leads on where no worker drives the run, and the command that does it."""
    run = shlex.quote(placed.run)
    if placed.parked:
        return [
            ("see what happened", f"perdure log {run}{place.flag}"),
            ("when it is mended", f"perdure worker unpark {run}{place.flag}"),
        ]
    if placed.waits or not placed.position:
        return [
            ("who serves", f"perdure worker ls{place.flag}"),
            ("start one", f"perdure worker --agents MODULE:NAME{place.flag}"),
        ]
    return []


def called_for(place: Place, run: str) -> Placed | None:
    """Workers go on with the run, if it is theirs, or a fork of one of theirs; None if it is not, or is parked."""
    placed = adopt(place.store.books, run)
    if placed is None or placed.parked or not call(place.store.books, run):
        return None
    return placed


def say_called(place: Place, placed: Placed) -> None:
    """Say that workers go on, and how to follow them."""
    run = shlex.quote(placed.run)
    click.echo(
        f"{inked('✓', 'good', bold=True)} workers that have {clean(placed.agent)} go on with {placed.run}"
    )
    click.echo(f"  {inked(f'perdure log {run} -f{place.flag}', 'ask')}  to follow it")


def say_submitted(placed: Placed, lines: str, *, as_json: bool) -> int:
    """Show a run that no worker has begun."""
    if as_json:
        status = "parked" if placed.parked else "submitted"
        put({"run": placed.run, "status": status, "position": 0, "workers": placed_shape(placed)})
        return FINISHED
    word = "parked" if placed.parked else "submitted"
    click.echo(
        f"{inked(placed.run, 'plain', bold=True)}  {word}  {inked(f'agent {placed.agent}', 'quiet')}\n"
        f"  it waits for {clean(why_not(placed))}\n\n{lines}"
    )
    return FINISHED
