"""One event in full: its envelope, its body with the blobs it names, what led to it and what it led to."""

from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

import click
import msgspec

from perdure.cli.drawing.ink import clean, inked, moment, one_line
from perdure.cli.place import Place
from perdure.cli.spoken.logs import event_shape
from perdure.cli.spoken.naming import names_of
from perdure.cli.spoken.words import line_of
from perdure.log import events as e
from perdure.log.envelope import Event, Stored, unseal
from perdure.log.naming import named_blobs, named_trees
from perdure.values.digest import Json
from perdure.values.errors import BadPosition

NEAR_EVENTS: Final = 1000
"""How far around an event we look for what it speaks of and what it led to: one page of reading."""

CAUSES_MAX: Final = 12
"""Causes that are shown: three turns back. Beyond that everything comes from the first message."""


def shape_of_event(place: Place, run: str, position: int) -> dict[str, Json]:
    """Return the event at ``position`` as programs are shown it."""
    stored = stored_at(place, run, position)
    event = unseal(stored)
    contents: dict[str, Json] = {name: _value(text) for name, text in _contents(place, event)}
    return {
        **event_shape(event, stored.digest),
        "contents": contents,
        "causes": [_brief(item) for item in causes(place, run, event)],
        "led_to": [_brief(item) for item in _led_to(place, run, event)],
    }


def say_event(place: Place, run: str, position: int) -> None:
    """Print the event at ``position``."""
    stored = stored_at(place, run, position)
    event = unseal(stored)
    names = names_of(place, place.store.state(run, position))
    for earlier in place.store.events(run, max(position - NEAR_EVENTS, 0)):
        if earlier.position > position:
            break
        names.learn(earlier)
    line = line_of(event, names)
    click.echo(f"{inked(f'{run} {position}', 'plain', bold=True)}  {inked(event.kind, line.tone, bold=True)}")
    click.echo(inked(f"  {moment(event.at)} · epoch {event.epoch} · digest {stored.digest.hex()}", "quiet"))
    click.echo(f"  {inked(line.sign, line.tone, bold=True)} {one_line(line.words)}")
    click.echo(f"\n{inked('body', 'head', bold=True)}\n{_indented(_json(event.body))}")
    for name, text in _contents(place, event):
        value = _value(text)
        spoken = text if isinstance(value, str) else _json(value)
        click.echo(f"\n{inked(name, 'head', bold=True)}\n{_indented(clean(spoken))}")
    for title, others in (("because of", causes(place, run, event)), ("led to", _led_to(place, run, event))):
        if others:
            click.echo(f"\n{inked(title, 'head', bold=True)}")
        for other in others:
            names.learn(other)
            said = line_of(other, names)
            click.echo(f"  {other.position:>5}  {inked(other.kind, said.tone)}  {one_line(said.words, 120)}")


def stored_at(place: Place, run: str, position: int) -> Stored:
    """Return the event at ``position`` as it is stored; raise ``BadPosition`` if there is none."""
    end = place.store.inspector.row(run).position
    found = place.store.books.read(run, position - 1, 1)
    if not found or position > end:
        raise BadPosition(f"run {run!r} has positions 1 to {end}, not {position}")
    return found[0]


def causes(place: Place, run: str, event: Event) -> list[Event]:
    """Return what led to ``event``, the nearest first, as far as ``CAUSES_MAX``."""
    found: list[Event] = []
    while event.cause and len(found) < CAUSES_MAX:
        event = unseal(stored_at(place, run, event.cause))
        found.append(event)
    return found


def _led_to(place: Place, run: str, event: Event) -> list[Event]:
    """Return what was decided because of ``event``: the rest of its batch, and answers to it later."""
    near = islice(place.store.events(run, event.position), NEAR_EVENTS)
    return [other for other in near if other.cause == event.position]


def _contents(place: Place, event: Event) -> Iterator[tuple[str, str]]:
    """Yield name and text of all that the body names instead of holding."""
    fields = {
        value.blob: name for name, value in _fields(event.body) if isinstance(value, e.Content) and value.blob
    }
    spelled = {value: name for name, value in _fields(event.body) if isinstance(value, str)}
    trees = named_trees(event.body)
    for blob in (name for name in named_blobs(event.body) if name not in trees):
        content = place.store.books.get(blob)
        name = fields.get(blob) or spelled.get(blob, blob)
        try:
            yield name, content.decode()
        except UnicodeDecodeError:
            yield name, f"({len(content):,} bytes)"


def _fields(body: e.Body) -> Iterator[tuple[str, object]]:
    for name in body.__struct_fields__:
        yield name, cast("object", getattr(body, name))


def _value(text: str) -> Json:
    """Return the JSON that ``text`` holds, or the text itself."""
    try:
        return cast("Json", msgspec.json.decode(text))
    except msgspec.DecodeError:
        return text


def _brief(event: Event) -> dict[str, Json]:
    return {"position": event.position, "kind": event.kind}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
