"""``perdure log``: a run's events, one line each."""

import fnmatch
import shutil
from collections.abc import Iterator
from typing import cast

import click
import msgspec

from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import Line, clean, clock, day, inked, is_terminal, one_line
from perdure.cli.ending import FINISHED
from perdure.cli.following import Follower, is_closed
from perdure.cli.options import example, json_option, run_argument, store_option
from perdure.cli.place import Place, opened
from perdure.cli.spoken.naming import names_of
from perdure.cli.spoken.words import line_of
from perdure.log.envelope import Event, Stored, unseal
from perdure.log.events import KINDS
from perdure.values.digest import Json
from perdure.values.errors import BadInput

KIND_WIDTH = max(map(len, KINDS))


@click.command(
    epilog=example("perdure log march", "perdure log march -f", "perdure log march --kind 'effect.*' --json")
)
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as events come; end when the run is closed.")
@click.option("--forever", is_flag=True, help="With -f: go on after the run is closed.")
@click.option(
    "--after", default=0, metavar="N", type=click.IntRange(min=0), help="Begin after this position."
)
@click.option("--kind", metavar="GLOB", multiple=True, help="Only these kinds: effect.*, run.closed, ...")
@store_option
@json_option
def log(
    *,
    run: str,
    follow: bool,
    forever: bool,
    after: int,
    kind: tuple[str, ...],
    store: Address | None,
    as_json: bool,
) -> int:
    """Read the events of RUN, oldest first: what was decided, done and answered.

    With --json each line is one event: run, position, kind, at (ns), epoch, cause, body, digest.
    """
    for glob in kind:
        if not any(fnmatch.fnmatchcase(name, glob) for name in KINDS):
            raise BadInput(
                f"--kind {glob!r} is no kind of event", hint="see docs/log-format.md, or use a glob"
            )
    with opened(store) as place:
        place.store.inspector.row(run)
        seen = _seen(place, run, after, follow=follow or forever, forever=forever)
        _print_json(seen, kind) if as_json else _print(place, run, after, seen, kind)
    return FINISHED


def _seen(place: Place, run: str, after: int, *, follow: bool, forever: bool) -> Iterator[Stored]:
    follower = Follower(place.store.books, run, after)
    while True:
        last = not follow or (not forever and is_closed(place.store.inspector.row(run)))
        yield from follower.news()
        if last:
            return
        follower.wait()


def _wanted(event: Event, kinds: tuple[str, ...]) -> bool:
    return not kinds or any(fnmatch.fnmatchcase(event.kind, glob) for glob in kinds)


def _print_json(seen: Iterator[Stored], kinds: tuple[str, ...]) -> None:
    for stored in seen:
        event = unseal(stored)
        if _wanted(event, kinds):
            click.echo(msgspec.json.encode(event_shape(event, stored.digest)))


def event_shape(event: Event, digest: bytes) -> dict[str, Json]:
    """Return an event as programs are shown it."""
    body = cast("Json", msgspec.to_builtins(event.body))
    return {
        "run": event.run,
        "position": event.position,
        "kind": event.kind,
        "at": event.at,
        "epoch": event.epoch,
        "cause": event.cause,
        "body": body,
        "digest": digest.hex(),
    }


def _print(place: Place, run: str, after: int, seen: Iterator[Stored], kinds: tuple[str, ...]) -> None:
    names = names_of(place, place.store.state(run, after) if after else None)
    width = shutil.get_terminal_size().columns if is_terminal() else 0
    digits = len(str(place.store.inspector.row(run).position))
    today = ""
    for stored in seen:
        event = unseal(stored)
        names.learn(event)
        if not _wanted(event, kinds):
            continue
        if day(event.at) != today:
            today = day(event.at)
            click.echo(inked(f"{' ' * digits}  {today}", "quiet"))
        click.echo(event_line(event, line_of(event, names), digits=digits, width=width))


def event_line(event: Event, line: Line, *, digits: int, width: int = 0) -> str:
    """Return one event in aligned columns, cut to ``width`` if that is given."""
    begin = f"{event.position:>{digits}}  {clock(event.at)}  "
    room = max(width - len(begin) - KIND_WIDTH - 4, 20) if width else 0
    words = one_line(clean(line.words), room)
    left = room - len(words) - 2 if room else 0
    aside = one_line(line.aside, left) if line.aside and (not room or left > 8) else ""
    return (
        f"{inked(begin, 'quiet')}{inked(event.kind.ljust(KIND_WIDTH), line.tone)}"
        f"  {inked(line.sign, line.tone, bold=True)} {words}{inked(f'  {aside}', 'quiet') if aside else ''}"
    )
