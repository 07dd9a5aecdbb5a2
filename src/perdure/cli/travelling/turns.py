"""Going back to a turn of a wrapped run: its files, and a session of its client that ends there."""

import shlex
from typing import NamedTuple

import click

from perdure.assembly.files.going_back import Foreign, Way
from perdure.assembly.presence import driver_of
from perdure.cli.drawing.ink import clean, count, inked
from perdure.cli.drawing.tables import table
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.out import put
from perdure.cli.place import Place
from perdure.cli.standing.portrait import remembered
from perdure.cli.standing.resting import Step, rest_shape, step_lines
from perdure.cli.travelling.ways import say_way, way_shape
from perdure.log import events as e
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.values.errors import ClientRunning
from perdure.wrap.transcripts.asked import as_sent, recorded_for, standing_at, turn_event
from perdure.wrap.transcripts.returning import NewSession, Returning, returning, untouched


class Aim(NamedTuple):
    """Where a wrapped run goes back to, as it was asked for."""

    turn: int | None
    """None: ``position`` was named instead"""
    position: int | None
    sessions: bool
    """whether a session of the client's is wanted"""


class Goal(NamedTuple):
    """What going there is, known before it is done."""

    position: int
    turn: int
    back: Returning | None
    """None: nothing had been sent to a model by then"""
    way: Way | None

    @property
    def new(self) -> NewSession | None:
        """The session that the client goes on with."""
        return self.back.new if self.back is not None else None

    @property
    def why(self) -> str:
        """Why there is none."""
        return self.back.why if self.back is not None else "nothing had been sent to a model by then"


class Going(NamedTuple):
    """How a run is taken back."""

    by: str
    why: str
    files: bool
    foreign: Foreign
    dry: bool
    as_json: bool


def took_back(place: Place, run: str, aim: Aim, going: Going) -> int:
    """Take a wrapped run back, or only say what that would do; return the exit code.

    Raises ``NoTurn``, ``SessionUnknown``, ``ClientRunning``, and what a rewind raises.
    """
    goal = _goal(place, run, aim, going)
    if going.dry:
        return _would(place, run, goal, going)
    driver = driver_of(place.store.inspector.row(run))
    if driver.presence == "alive":
        raise ClientRunning(f"a client works in {run!r} now (process {driver.pid} keeps it)")
    if not going.as_json:
        _say(goal, going)
    before = place.store.inspector.row(run).position
    state = place.store.rewind(
        run,
        to=goal.position,
        by=going.by,
        why=going.why,
        files=going.files,
        foreign=going.foreign,
        session=goal.new.session if goal.new is not None else "",
    )
    if goal.new is not None:
        goal.new.write()
    return _done(place, state, goal, going, left=_left(place, run, before))


def _goal(place: Place, run: str, aim: Aim, going: Going) -> Goal:
    books = place.store.books
    if aim.turn is not None:
        request = turn_event(books, run, aim.turn)
        position = recorded_for(books, run, request)
    else:
        position = aim.position or 0
        request = standing_at(books, run, position)
    back: Returning | None = None
    if request is not None:
        sent = as_sent(books, run, request)
        kept = "" if aim.turn is not None else untouched(books, run, sent)
        back = returning(books, run, sent, session=kept, cuts=aim.sessions)
    way = place.store.way_back(run, position) if going.files else None
    if way is not None and going.foreign == "keep":
        way = place.store.way_back(run, position, way.foreign)
    return Goal(position, back.turn if back is not None else 0, back, way)


def _left(place: Place, run: str, after: int) -> int:
    """Return the position that a rewind past ``after`` left: with the present as it was recorded before it."""
    events = place.store.events(run, after)
    return max((each.position - 1 for each in events if isinstance(each.body, e.RunRewound)), default=after)


def _say(goal: Goal, going: Going) -> None:
    if going.files:
        say_way(goal.way, err=False)
    new = goal.new
    if new is None:
        click.echo(f"{inked('!', 'doubt', bold=True)} no session: {clean(goal.why)}")
    elif new.path == new.source:
        click.echo(f"  {inked('=', 'quiet', bold=True)} session {new.session}, which ends there")
    else:
        kept = f"{new.stays:,} of {count(new.lines, 'line')}"
        click.echo(f"  {inked('+', 'good', bold=True)} session {new.session}  {inked(f'{kept}', 'quiet')}")
        click.echo(inked(f"    cut from {clean(str(new.source))}, which stays as it is", "quiet"))


def _say_tail(state: State, goal: Goal, words: str) -> None:
    rows = remembered(state, after=goal.position)
    if rows:
        click.echo(inked(words, "quiet"))
        click.echo(table(rows, indent="  "))


def _would(place: Place, run: str, goal: Goal, going: Going) -> int:
    state = place.store.state(run)
    if going.as_json:
        put({"run": run, "position": state.position, **_shape(place, state, goal)})
        return FINISHED
    _say(goal, going)
    if goal.way is not None and goal.way.foreign:
        words = "refused unless you say --keep-foreign or --discard-foreign"
        found = count(len(goal.way.foreign), "path")
        click.echo(f"{inked('!', 'ask', bold=True)} {found} by nobody's tool: {words}")
    _say_tail(state, goal, "the world would remember of the tail:")
    return FINISHED


def _done(place: Place, state: State, goal: Goal, going: Going, *, left: int) -> int:
    again = f"perdure rewind {shlex.quote(state.run)} --to-position {left}{place.flag}"
    error = state.live.workspace_error if state.live.put_back is not None else ""
    if going.as_json:
        put({**rest_shape(place, state), **_shape(place, state, goal), "undo": again})
        return FAILED if error else FINISHED
    _say_tail(state, goal, "the world remembers of the tail:")
    where = f"turn {goal.turn}" if goal.turn else f"position {goal.position}"
    click.echo(f"{inked('✓', 'good', bold=True)} {clean(state.run)} is back at {where}")
    if error:
        words = f"but its files could not be put back: {clean(error)}"
        click.echo(f"{inked('!', 'bad', bold=True)} {words}", err=True)
    click.echo(step_lines(_ways_on(place, state, goal, again)))
    return FAILED if error else FINISHED


def _ways_on(place: Place, state: State, goal: Goal, again: str) -> list[Step]:
    found = [Step("go on", _resume(place, state))]
    bare = goal.back.bare_command() if goal.back is not None else ""
    if bare:
        found.append(Step("go on without perdure", bare))
    return [*found, Step("undo this", again)]


def _resume(place: Place, state: State) -> str:
    return f"perdure wrap --resume {shlex.quote(state.run)}{place.flag}"


def _shape(place: Place, state: State, goal: Goal) -> dict[str, Json]:
    new = goal.new
    session: Json = None
    if new is not None and goal.back is not None:
        session = {
            "id": new.session,
            "path": str(new.path),
            "source": str(new.source),
            "lines": new.stays,
            "of": new.lines,
            "command": goal.back.bare_command(),
            "messages": len(new.expects),
        }
    receipts: list[Json] = [
        effect.key
        for effect in state.world.receipts.values()
        if effect.settled > goal.position and effect.effect != "workspace"
    ]
    return {
        "turn": goal.turn or None,
        "to": goal.position,
        **way_shape(goal.way),
        "session": session,
        "no_session": goal.why if new is None else None,
        "receipts": receipts,
        "resume": _resume(place, state),
    }
