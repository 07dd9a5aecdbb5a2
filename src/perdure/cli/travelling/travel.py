"""``at``, ``diff``, ``fork``, ``rewind``: a run at other positions than its end."""

import shlex
from pathlib import Path

import click

from perdure.assembly.files.going_back import Foreign, Way
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import Tone, count, inked, moment, one_line
from perdure.cli.drawing.tables import table
from perdure.cli.ending import FINISHED
from perdure.cli.options import by_option, example, json_option, resume_option, run_argument, store_option
from perdure.cli.out import put
from perdure.cli.place import Place, opened
from perdure.cli.standing.portrait import portrait, remembered
from perdure.cli.standing.resting import rest_shape
from perdure.cli.telling import told
from perdure.cli.travelling.changes import say_list, say_patch, say_stat, shapes
from perdure.cli.travelling.turns import Aim, Going, took_back
from perdure.cli.travelling.ways import say_way, way_shape
from perdure.log import events as e
from perdure.values.digest import Json
from perdure.values.errors import BadPosition
from perdure.wrap.transcripts.asked import is_wrapped

SIGNS: dict[str, Tone] = {"+": "good", "-": "bad", "~": "doubt"}


@click.command(epilog=example("perdure at march 18"))
@run_argument
@click.argument("position", metavar="POSITION", type=click.IntRange(min=1))
@store_option
@json_option
def at(*, run: str, position: int, store: Address | None, as_json: bool) -> int:
    """Show the state of RUN as it was at POSITION: conversation, effects, approvals, money.

    With --json the whole projection is printed.
    """
    with opened(store) as place:
        _check(place, run, position)
        state = place.store.state(run, position)
        if as_json:
            put(state)
        else:
            click.echo(f"{inked(run, 'plain', bold=True)} at {position}  {inked(moment(state.at), 'quiet')}")
            click.echo(portrait(place, state))
    return FINISHED


@click.command(epilog=example("perdure diff march 18 25"))
@run_argument
@click.argument("before", metavar="A", type=click.IntRange(min=0))
@click.argument("after", metavar="B", type=click.IntRange(min=0))
@click.option("--stat", is_flag=True, help="Only the files, with how many lines came and went.")
@click.option("-p", "--patch", "as_patch", is_flag=True, help="Only the files, as a unified diff.")
@store_option
@json_option
def diff(
    *, run: str, before: int, after: int, stat: bool, as_patch: bool, store: Address | None, as_json: bool
) -> int:
    """Show what is otherwise at position B of RUN, compared with A: in its state, and in its files."""
    with opened(store) as place:
        changes = place.store.diff(run, before, after)
        files = place.store.files.changes(run, before, after)
        if as_json:
            listed = shapes(files)
            put({"run": run, "before": before, "after": after, "changes": changes, "files": listed})
            return FINISHED
        if stat or as_patch:
            (say_stat if stat else say_patch)(place.store.files, files)
            return FINISHED
        for part in dict.fromkeys(change.part for change in changes):
            click.echo(inked(part, "head", bold=True))
            for change in changes:
                if change.part == part:
                    arrow = f"{one_line(change.was)} → {one_line(change.now)}" if change.sign == "~" else ""
                    words = arrow or one_line(change.was or change.now)
                    sign = inked(f"  {change.sign} {change.name}", SIGNS[change.sign])
                    click.echo(f"{sign}  {words}")
        if files:
            click.echo(inked("files", "head", bold=True))
            say_list(files)
        if not changes and not files:
            click.echo("nothing is otherwise")
    return FINISHED


@click.command(epilog=example("perdure fork march --at 18 --run march-b", "perdure resume march-b"))
@run_argument
@click.option(
    "--at", "position", metavar="N", required=True, type=click.IntRange(min=1), help="Where it branches off."
)
@click.option("--run", "new", metavar="NEW", help="What to call the new run.")
@click.option("--why", default="", metavar="TEXT", help="Why; it is logged.")
@click.option(
    "--dir",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where its files go [default: beside those of RUN].",
)
@store_option
@json_option
def fork(
    *,
    run: str,
    position: int,
    new: str | None,
    why: str,
    directory: Path | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Begin a new run that is RUN up to position N. RUN itself stays as it is.

    What was done in the world goes along as fences: the fork is answered with receipts, and doesn't
    do it again. Its files get a directory of their own. Nothing is driven until you resume the new run.
    """
    with opened(store) as place:
        made = place.store.fork(run, at=position, run=new, why=why, workspace=directory)
        state = made.state
        if as_json:
            where: Json = state.root or None
            put({"run": made.name, "parent": run, "at": position, "dir": where, **_known(place, made.name)})
            return FINISHED
        click.echo(
            f"{inked('⑂', 'head', bold=True)} {inked(made.name, 'plain', bold=True)} begins as {run} at {position}"
        )
        if state.root:
            click.echo(f"  its files are in {state.root}")
        rows = remembered(state, after=0)
        if rows:
            click.echo("  it is answered with what was done, and does not do it again:")
            click.echo(table(rows, indent="    "))
        how = "wrap --resume" if is_wrapped(state) else "resume"
        click.echo(f"  go on with  {inked(f'perdure {how} {shlex.quote(made.name)}{place.flag}', 'ask')}")
    return FINISHED


@click.command(
    epilog=example("perdure rewind march --to 18 --resume", "perdure rewind claude-shop --to 7 --dry-run")
)
@run_argument
@click.option(
    "--to",
    "place_wanted",
    metavar="N",
    type=click.IntRange(min=1),
    help="The last position that stays; of a wrapped client's run, the turn.",
)
@click.option(
    "--to-position",
    "position_wanted",
    metavar="N",
    type=click.IntRange(min=1),
    help="The last position that stays, whatever run it is.",
)
@click.option("--why", default="", metavar="TEXT", help="Why; it is logged.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option(
    "--keep-foreign", is_flag=True, help="Leave files as they are that no tool of RUN changed last."
)
@click.option("--discard-foreign", is_flag=True, help="Put those back as well.")
@click.option("--no-files", is_flag=True, help="Leave all files as they are.")
@click.option("--no-session", is_flag=True, help="Of a wrapped client's run: cut no session for the client.")
@by_option
@resume_option
@store_option
@json_option
def rewind(
    *,
    run: str,
    place_wanted: int | None,
    position_wanted: int | None,
    why: str,
    dry_run: bool,
    keep_foreign: bool,
    discard_foreign: bool,
    no_files: bool,
    no_session: bool,
    by: str,
    go_on: bool,
    agent: str | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Take RUN back to position N; later events stay in its log as an abandoned tail.

    Conversation and workspace go back. What was done in the world does not: receipts, doubts, denials
    and money stay, and the model is told. The files as they are now are recorded first, so this can be
    undone by another rewind. What somebody else has changed in them is not touched unless you say so.

    In the run of a wrapped client N is a turn: its files become those that the model was asked with, and
    a new session of the client is written that ends there. Its own sessions stay as they are.
    """
    if (place_wanted is None) == (position_wanted is None):
        raise click.UsageError("Say either --to N or --to-position N.")
    foreign = _foreign(keep=keep_foreign, discard=discard_foreign)
    with opened(store) as place:
        place.store.inspector.row(run)
        if is_wrapped(place.store.state(run)):
            if go_on:
                raise click.UsageError(f"A client goes on in its terminal: perdure wrap --resume {run}")
            aim = Aim(place_wanted, position_wanted, sessions=not no_session)
            return took_back(place, run, aim, Going(by, why, not no_files, foreign, dry_run, as_json))
        position = place_wanted or position_wanted or 0
        way = None if no_files else place.store.way_back(run, position)
        if way is not None and keep_foreign:
            way = place.store.way_back(run, position, way.foreign)
        if dry_run:
            return _would(place, run, position, way, as_json=as_json)
        before = place.store.inspector.row(run).position
        if not as_json and way is not None:
            say_way(way, err=go_on)
        state = place.store.rewind(run, to=position, by=by, why=why, files=not no_files, foreign=foreign)
        again = f"perdure rewind {shlex.quote(run)} --to {_left(place, run, before)}{place.flag}"
        if not as_json and way is not None:
            click.echo(inked(f"to undo this: {again}", "quiet"), err=go_on)
        if not as_json:
            rows = remembered(state, after=position)
            what = "the world remembers of the tail:" if rows else "nothing in the tail had changed the world"
            click.echo(inked(what, "quiet"), err=go_on)
            if rows:
                click.echo(table(rows, indent="  "), err=go_on)
        words = f"{run} is back at {position}"
        shape: dict[str, Json] = {"to": position, **way_shape(way), "undo": again}
        return told(place, state, words, resume=go_on, agent=agent, as_json=as_json, shape=shape)


def _foreign(*, keep: bool, discard: bool) -> Foreign:
    if keep and discard:
        raise click.UsageError("--keep-foreign and --discard-foreign exclude each other.")
    return "keep" if keep else "discard" if discard else "refuse"


def _left(place: Place, run: str, after: int) -> int:
    """Return the position that a rewind past ``after`` left: with the present as it was recorded before it."""
    events = place.store.events(run, after)
    return max((each.position - 1 for each in events if isinstance(each.body, e.RunRewound)), default=after)


def _would(place: Place, run: str, position: int, way: Way | None, *, as_json: bool) -> int:
    """Say what a rewind would do, and touch nothing."""
    state = place.store.state(run)
    if as_json:
        stays = [
            effect.key
            for effect in state.world.receipts.values()
            if effect.settled > position and effect.effect != "workspace"
        ]
        put({"run": run, "to": position, "position": state.position, **way_shape(way), "receipts": [*stays]})
        return FINISHED
    say_way(way, err=False)
    if way is not None and way.foreign:
        words = "refused unless you say --keep-foreign or --discard-foreign"
        click.echo(
            f"{inked('!', 'ask', bold=True)} {count(len(way.foreign), 'path')} by nobody's tool: {words}"
        )
    rows = remembered(state, after=position)
    if rows:
        click.echo(inked("the world would remember of the tail:", "quiet"))
        click.echo(table(rows, indent="  "))
    return FINISHED


def _check(place: Place, run: str, position: int) -> None:
    end = place.store.inspector.row(run).position
    if position > end:
        raise BadPosition(f"run {run!r} has positions 1 to {end}, not {position}")


def _known(place: Place, run: str) -> dict[str, Json]:
    """Return how a new run rests, but for its name."""
    shape = rest_shape(place, place.store.state(run))
    return {name: value for name, value in shape.items() if name != "run"}
