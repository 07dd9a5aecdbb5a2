"""At the wheel: drive a run in this process, show it, let go in order, and say how it rests.

Invariants:
- Standard output holds the answer or one JSON document, whatever tools print: that goes aside.
- The first Ctrl-C (or SIGTERM) lets go of the run and gives its lease back; the second ends at once.
"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, redirect_stdout
from types import FrameType
from typing import Final, NamedTuple

import click

from perdure.assembly.run import Run
from perdure.cli.drawing.ink import clean
from perdure.cli.ending import FINISHED, STOPPED
from perdure.cli.origins import agent_of, origin_here, recall, remember
from perdure.cli.out import put
from perdure.cli.place import Place
from perdure.cli.screen import Screen
from perdure.cli.standing.placed import called_for, placed_shape, say_called
from perdure.cli.standing.resting import exit_code, rest_shape, say_rest
from perdure.values.limits import GRACE_SECONDS

Begin = Callable[[Callable[[str], None] | None], Run]
"""Begin to drive, and tell the model's words to the function that is given."""

SHOW_CURSOR: Final = "\x1b[?25h"

ECHO_SECONDS: Final = 0.3
"""Two signals closer than this come from one key: nobody presses it twice as fast."""


class Manner(NamedTuple):
    """How much is said, and to whom."""

    quiet: bool = False
    as_json: bool = False


def go_on(place: Place, run: str, agent: str | None, manner: Manner, *, take_over: bool = False) -> int:
    """Resume ``run`` with the agent that is remembered, or with ``agent``; return the exit code.

    A run of workers is theirs to go on with, unless an ``agent`` is named.
    """
    place.store.inspector.row(run)
    state = place.store.state(run)
    placed = None if agent or take_over else called_for(place, run)
    if placed is not None:
        if manner.as_json:
            put({**rest_shape(place, state), "run": run, "workers": placed_shape(placed)})
        else:
            say_called(place, placed)
        return FINISHED
    origin = origin_here(agent) if agent else recall(place, run)
    with tools_speak_aside():
        made = agent_of(origin, state)
    if agent:
        remember(place, run, origin)
    return drive(
        place,
        run,
        lambda on_text: place.store.resume(made, run, take_over=take_over, on_text=on_text),
        manner,
    )


def drive(place: Place, run: str, begin: Begin, manner: Manner) -> int:
    """Drive ``run`` until it rests, say how, and return the exit code."""
    known = place.store.books.rows(run)
    state = place.store.state(run) if known else None
    after = state.position if state is not None else 0
    shown = not (manner.quiet or manner.as_json)
    with tools_speak_aside(), _ordered_stop():
        try:
            with Screen(place, run, after=after, state=state) if shown else nullcontext() as screen:
                begin(screen.text if screen is not None else None).wait()
        except KeyboardInterrupt:
            return _let_go(place, run)
    rested = place.store.state(run)
    if manner.as_json:
        put(rest_shape(place, rested))
    else:
        say_rest(place, rested, quiet=manner.quiet)
    return exit_code(rested)


def _let_go(place: Place, run: str) -> int:
    """Stop driving: what is under way may finish within a time of grace, and is else found out later."""
    effects = tuple(place.store.state(run).world.open.values()) if place.store.books.rows(run) else ()
    acts = [f"{item.tool} {item.what}".rstrip() for item in effects if item.effect != "read"]
    waits = f", and giving {', '.join(map(clean, acts))} {GRACE_SECONDS:g} s to finish" if acts else ""
    click.echo(f"letting go of {run}{waits}; Ctrl-C again leaves at once", err=True)
    place.store.close()
    click.echo("nothing is lost. Go on with:", err=True)
    click.echo(f"  perdure resume {shlex.quote(run)}{place.flag}", err=True)
    return STOPPED


@contextmanager
def _ordered_stop() -> Generator[None]:
    """Within this, the first signal raises ``KeyboardInterrupt`` and the second ends the process.

    Wrappers pass a signal on that the terminal has sent already: an echo counts as the same one.
    """
    first = 0.0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal first
        del number, frame
        now = time.monotonic()
        if not first:
            first = now
            raise KeyboardInterrupt
        if now - first >= ECHO_SECONDS:
            _leave()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _leave() -> None:
    """End at once. What was sent is in doubt until the run is resumed, as after any crash."""
    if sys.stderr.isatty():
        sys.stderr.write(SHOW_CURSOR)
        sys.stderr.flush()
    os._exit(STOPPED)


@contextmanager
def tools_speak_aside() -> Generator[None]:
    """Within this, what is printed to standard output, here or by child processes, goes to standard error."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:
        yield  # there is no standard output
        return
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
