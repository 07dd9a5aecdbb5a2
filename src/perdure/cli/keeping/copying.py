"""``perdure store copy``: runs move to another store."""

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import click

from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.copying import Copied, Relocating, Side
from perdure.assembly.stores.fleet import shared
from perdure.assembly.stores.opening import open_books
from perdure.assembly.stores.selecting import RunGroup, units_of
from perdure.assembly.submitting import carried_over
from perdure.cli.drawing.ink import count, inked, size
from perdure.cli.drawing.tables import facts
from perdure.cli.ending import FINISHED
from perdure.cli.options import ADDRESS, example, json_option
from perdure.cli.out import put
from perdure.cli.place import seems_there
from perdure.values.errors import BadInput


@click.command(
    epilog=example(
        "perdure store copy ./state postgresql://perdure@db/perdure --dry-run",
        "perdure store copy ./state postgresql://perdure@db/perdure",
        "perdure store copy postgresql://perdure@db/perdure ./state --run march",
    )
)
@click.argument("source", metavar="SOURCE", type=ADDRESS)
@click.argument("target", metavar="TARGET", type=ADDRESS)
@click.option(
    "--run", "runs", metavar="RUN", multiple=True, help="Only this run, with its forks and children."
)
@click.option("--tenant", "tenants", metavar="TENANT", multiple=True, help="Only the runs of this tenant.")
@click.option(
    "--on-workers",
    is_flag=True,
    help="Workers of TARGET go on with all runs, not only with those that workers drove.",
)
@click.option("--back", is_flag=True, help="Take an unused copy back: the runs count in SOURCE again.")
@click.option("--dry-run", "trial", is_flag=True, help="Only say what would move.")
@json_option
def copy(
    *,
    source: Address,
    target: Address,
    runs: tuple[str, ...],
    tenants: tuple[str, ...],
    on_workers: bool,
    back: bool,
    trial: bool,
    as_json: bool,
) -> int:
    """Move runs from one store to another, with events, receipts, claims, budgets, posts and content.

    Directories, PostgreSQL and files that describe a store, any to any. In SOURCE the runs stay readable and are marked as
    moved: nobody drives both. What is copied is compared before it counts. Killed or cut off, start it again: it goes
    on. A run that somebody drives is refused.
    """
    if runs and tenants:
        raise click.UsageError("--run and --tenant exclude each other.")
    if on_workers and not shared(target):
        raise BadInput(
            f"workers can't share {target}", hint="leave --on-workers out, and `perdure resume` there"
        )
    _check(source, target)
    with ExitStack() as opened:
        sides = [
            _opened(opened, each, create=each is target and not (back or trial)) for each in (source, target)
        ]
        units = units_of(sides[0].books, runs, tenants)
        work = Relocating(sides[0], sides[1], _tell if not as_json and sys.stderr.isatty() else _unheard)
        done = _moved(work, units, back=back, trial=trial)
        came, went = (side.books for side in (reversed(sides) if back else sides))
        driven = [
            run for each in done for run in each.runs if carried_over(came, went, run, always=on_workers)
        ]
    if not (trial or back):
        for each in done:
            _bring_origins(source, target, each.runs)
    _say(source, target, units, done, back=back, trial=trial, as_json=as_json, driven=driven)
    return FINISHED


def _moved(work: Relocating, units: Sequence[RunGroup], *, back: bool, trial: bool) -> list[Copied]:
    if back:
        return [] if trial else [work.take_back(unit) for unit in units]
    for unit in units:
        work.check(unit)
    return [] if trial else [work.move(unit) for unit in units]


def _check(source: Address, target: Address) -> None:
    if not seems_there(source):
        raise BadInput(f"there is no store in {source}")
    if source.local.resolve() == target.local.resolve():
        raise BadInput("source and target are the same store", hint="name two")


def _opened(opened: ExitStack, address: Address, *, create: bool) -> Side:
    if not create and not seems_there(address):
        raise BadInput(
            f"there is no store in {address}", hint="leave --dry-run and --back out: copying makes it"
        )
    found = open_books(address.absolute(), create=create)
    opened.callback(found.close)
    return Side(found.books, str(address.absolute()))


def _bring_origins(source: Address, target: Address, runs: Sequence[str]) -> None:
    """What this machine remembers of the runs' agents is known for the target, too."""
    for run in runs:
        known = source.local / "agents" / f"{run}.json"
        if known.is_file():
            there = target.local / "agents"
            there.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(known, there / known.name)


def _say(
    source: Address,
    target: Address,
    units: Sequence[RunGroup],
    done: Sequence[Copied],
    *,
    back: bool,
    trial: bool,
    as_json: bool,
    driven: Sequence[str],
) -> None:
    if as_json:
        words = {"source": str(source), "target": str(target), "back": back, "dry_run": trial}
        put({**words, "units": units, "moved": done, "on_workers": driven})
        return
    if trial:
        for unit in units:
            words = f"{inked(unit.tenant, 'head', bold=True)}: {count(len(unit.runs), 'run')}"
            click.echo(f"{words}  {inked(', '.join(unit.runs), 'quiet')}")
        click.echo(
            inked(f"nothing was changed; without --dry-run they {'come back' if back else 'move'}", "quiet")
        )
        return
    runs = sum(len(each.runs) for each in done)
    where = f"count in {source} again" if back else f"moved to {target}"
    click.echo(f"{inked('✓', 'good', bold=True)} {count(runs, 'run')} {where}")
    if not back:
        blobs = f"{sum(each.blobs for each in done):,}, {size(sum(each.blob_bytes for each in done))}"
        rows = [("events", f"{sum(each.events for each in done):,}")]
        rows += [("claims", f"{sum(each.claims for each in done):,}"), ("blobs", blobs)]
        click.echo(facts(rows, indent="  "))
        click.echo(inked(f"  in {source} they can be read, and nobody drives them any more", "quiet"))
    if driven:
        click.echo(f"  workers go on with {count(len(driven), 'run')}")


def _tell(what: str, done: int, total: int) -> None:
    click.echo(f"\r\x1b[K{done:,} of {total:,} {what}", err=True, nl=done == total)


def _unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""
