"""``perdure revert``: undo one effect, and keep what came after."""

from pathlib import Path

import click

from perdure.cli.ending import FAILED
from perdure.cli.options import by_option, example, json_option, resume_option, run_argument, store_option
from perdure.cli.place import opened
from perdure.cli.portrait import effect_row
from perdure.cli.tables import table
from perdure.cli.telling import told
from perdure.values.errors import NoUndo


@click.command(epilog=example("perdure revert march 19 --resume"))
@run_argument
@click.argument("position", metavar="POSITION", type=click.IntRange(min=1))
@by_option
@click.option("-y", "--yes", is_flag=True, help="Don't ask, even if later effects seem to depend on it.")
@resume_option
@store_option
@json_option
def revert(
    *,
    run: str,
    position: int,
    by: str,
    yes: bool,
    go_on: bool,
    agent: str | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Undo the effect that began or was settled at POSITION of RUN, by its tool's undo.

    The undo is an effect like any other: recorded, sent once, in doubt if it must be. It is carried
    out when the run is next driven; --resume does that at once. What seems to depend on it is named
    first, and you are asked.
    """
    with opened(store) as place:
        effect, dependents = place.store.revertible(run, position)
        act = f"{effect.tool} {effect.what}".rstrip()
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
