"""At the wheel: drive a run in this process, show it, let go in order, and say how it rests.

Invariants:
- Standard output holds the answer or one JSON document, whatever tools print: that goes aside.
- The first Ctrl-C (or SIGTERM) lets go of the run and gives its lease back; the second ends at once.
"""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import NamedTuple

import click

from perdure.assembly.run import Run
from perdure.cli.ending import STOPPED
from perdure.cli.origins import agent_of, origin_here, recall, remember
from perdure.cli.out import put
from perdure.cli.place import Place
from perdure.cli.resting import exit_code, rest_shape, say_rest
from perdure.cli.screen import Screen

Begin = Callable[[Callable[[str], None] | None], Run]
"""Begin to drive, and tell the model's words to the function that is given."""

_SHOW_CURSOR = "\x1b[?25h"


class Manner(NamedTuple):
    """How much is said, and to whom."""

    quiet: bool = False
    as_json: bool = False


def go_on(place: Place, run: str, agent: str | None, manner: Manner, *, take_over: bool = False) -> int:
    """Resume ``run`` with the agent that is remembered, or with ``agent``; return the exit code."""
    place.store.inspector.row(run)
    state = place.store.state(run)
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
    with tools_speak_aside():
        try:
            screen = Screen(place, run, after=after, state=state) if shown else None
            with _ordered_stop(), screen or nullcontext():
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
    place.store.close()
    click.echo(f"let go of {run}; nothing is lost. Go on with:", err=True)
    click.echo(f"  perdure resume {shlex.quote(run)}{place.flag}", err=True)
    return STOPPED


@contextmanager
def _ordered_stop() -> Generator[None]:
    """Within this, the first signal raises ``KeyboardInterrupt`` and the second ends the process."""

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        if sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)
            sys.stderr.flush()
        os._exit(STOPPED)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, leave)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    yield


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
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
