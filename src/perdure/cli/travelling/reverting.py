"""``perdure revert``: undo one effect, and keep what came after."""

import click

from perdure.assembly.files.going_back import Collided, Reversal
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.tables import table
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.options import by_option, example, json_option, resume_option, run_argument, store_option
from perdure.cli.out import put
from perdure.cli.place import Place, opened
from perdure.cli.standing.portrait import effect_row
from perdure.cli.telling import told
from perdure.cli.travelling.ways import collided_shape, plan_shape, say_collided, say_plan, words_of
from perdure.projection.state import Effect
from perdure.values.digest import Json
from perdure.values.errors import NoUndo


@click.command(epilog=example("perdure revert march 19 --resume"))
@run_argument
@click.argument("position", metavar="POSITION", type=click.IntRange(min=1))
@by_option
@click.option("-y", "--yes", is_flag=True, help="Don't ask, even if later effects seem to depend on it.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@resume_option
@store_option
@json_option
def revert(
    *,
    run: str,
    position: int,
    by: str,
    yes: bool,
    dry_run: bool,
    go_on: bool,
    agent: str | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Undo what was done at POSITION of RUN, and keep what came after.

    A change of files, also of a shell command's, is taken back by itself: whole, or not at all where later
    changes collide with it. Any other effect is undone by its tool's undo, which is an effect like any
    other: it is carried out when the run is next driven; --resume does that at once. What seems to depend
    on it is named first, and you are asked.
    """
    with opened(store) as place:
        reversal = place.store.reversal(run, position)
        match reversal:
            case Collided():
                return _collided(reversal, as_json=as_json)
            case Reversal():
                return _take_back(
                    place, run, reversal, by, dry_run=dry_run, go_on=go_on, agent=agent, as_json=as_json
                )
            case None:
                pass
        effect, dependents = place.store.revertible(run, position)
        act = f"{effect.tool} {effect.what}".rstrip()
        if dry_run:
            return _would(run, effect, dependents, as_json=as_json)
        if dependents and not yes:
            if as_json:
                names = ", ".join(f"{item.tool} {item.what} (event {item.started})" for item in dependents)
                raise NoUndo(
                    f"later effects seem to depend on {act}: {names}",
                    hint="say --yes to undo it all the same",
                )
            click.echo(f"these came after {act} and seem to depend on it:", err=True)
            click.echo(table([effect_row(item) for item in dependents], indent="  "), err=True)
            if not click.confirm("undo it all the same?", err=True):
                return FAILED
        place.store.revert(run, position, by=by)
        words = f"{by} asked to undo {act}"
        return told(place, place.store.state(run), words, resume=go_on, agent=agent, as_json=as_json)


def _take_back(
    place: Place,
    run: str,
    reversal: Reversal,
    by: str,
    *,
    dry_run: bool,
    go_on: bool,
    agent: str | None,
    as_json: bool,
) -> int:
    if dry_run and as_json:
        put({"run": run, "position": reversal.position, "files": plan_shape(reversal.plan)})
        return FINISHED
    if not as_json:
        say_plan(reversal.plan, err=go_on)
    if dry_run:
        return FINISHED
    state = place.store.take_back(run, reversal, by=by)
    words = f"what {run} changed at {reversal.position} is taken back: {words_of(reversal.plan)}"
    return told(place, state, words, resume=go_on, agent=agent, as_json=as_json)


def _collided(found: Collided, *, as_json: bool) -> int:
    error = found.conflicts.error()
    if as_json:
        told_error: Json = {"code": error.code, "message": str(error), "hint": error.hint}
        put({"error": told_error, "collisions": collided_shape(found)})
    else:
        say_collided(found)
        click.echo(f"{error.code}: nothing was taken back. {error.hint}", err=True)
    return FAILED


def _would(run: str, effect: Effect, dependents: tuple[Effect, ...], *, as_json: bool) -> int:
    rows = [effect_row(item) for item in dependents]
    if as_json:
        keys = [item.key for item in dependents]
        put({"run": run, "position": effect.settled, "undoes": effect.key, "dependents": keys})
        return FINISHED
    click.echo(f"the undo of {effect.tool} {effect.what} would be called")
    if rows:
        click.echo(f"these came after it and seem to depend on it:\n{table(rows, indent='  ')}")
    return FINISHED
