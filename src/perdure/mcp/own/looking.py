"""Runs and their events, as an agent is shown them: short, and without what names other people's things."""

import fnmatch
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Final, cast

import msgspec

from perdure.assembly.accounts import ledger_of
from perdure.driver.books import text_of
from perdure.log import events as e
from perdure.log.envelope import Event, unseal
from perdure.log.naming import named_blobs, named_trees
from perdure.log.port import RunRow
from perdure.mcp.own.view import View, piece_of
from perdure.mcp.own.wishes import CostWish, EventWish, LogWish, ReceiptsWish, RunsWish, StatusWish
from perdure.projection.state import Effect
from perdure.values.digest import Json
from perdure.values.errors import BadInput, BadPosition
from perdure.values.limits import (
    READ_PAGE_EVENTS,
    VIEW_FIELD_BYTES_MAX,
    VIEW_NESTED_BYTES_MAX,
    VIEW_READ_EVENTS_MAX,
)

UNSHOWN: Final = frozenset({"credential", "holder", "session", "head", "signature"})
"""Fields of events that name credentials, processes and sessions: of no use to an agent."""

_DULL: Final = frozenset({"messages", "told"})
"""Fields that a list leaves out: digests of messages, and figures that stand beside themselves."""

_CAUSES_MAX: Final = 12
"""Causes that are shown: three turns back. Beyond that everything comes from the first message."""


def runs(view: View, wish: RunsWish) -> Json:
    """Return the runs that are shown."""
    return {"runs": [_row(row) for row in view.rows() if wish.status in ("", row.status)]}


def status(view: View, wish: StatusWish) -> Json:
    """Return how a run stands: what it waits for, what is open, what is asked."""
    run = view.run_of(wish.run)
    state = view.state(run)
    (row,) = view.store.books.rows(run)
    shown: dict[str, Json] = {
        **_row(row),
        "agent": state.agent,
        "turns": state.world.turns,
        "rewinds": state.world.rewinds,
        "workspace": state.root or None,
        "client": state.live.client or None,
    }
    if state.status == "waiting":
        shown["waits_for"] = state.wait_text
    shown["open"] = [_act(each) for each in state.world.open.values() if each.effect != "read"]
    shown["asked"] = [
        {"approval": each.id, "why": each.why, "expires": _time(each.expires)}
        for each in state.world.approvals.values()
        if each.phase == "asked"
    ]
    shown["pages"] = len(state.live.pages)
    return shown


def log(view: View, wish: LogWish) -> Json:
    """Return events of a run: those past a position oldest first, or the newest in front of one."""
    run = view.opened(wish.run)
    end = view.store.inspector.row(run).position
    forward = wish.after is not None
    found = _forward(view, run, wish) if forward else _backward(view, run, wish, end)
    chosen = list(islice(found, wish.limit + 1))
    more = len(chosen) > wish.limit
    chosen = chosen[: wish.limit] if forward else chosen[: wish.limit][::-1]
    shown: dict[str, Json] = {"run": run, "end": end, "events": [_short(event) for event in chosen]}
    if more:
        shown["go_on"] = {"after": chosen[-1].position} if forward else {"before": chosen[0].position}
    return shown


def event(view: View, wish: EventWish) -> Json:
    """Return one event whole, with what it names, what led to it and what it led to."""
    run = view.opened(wish.run)
    found = _at(view, run, wish.position)
    contents = dict(_contents(view, found))
    if wish.content:
        if wish.content not in contents:
            have = ", ".join(contents) or "nothing"
            raise BadInput(f"event {wish.position} names no {wish.content!r}", hint=f"it names {have}")
        piece = piece_of(contents[wish.content], wish.after)
        return {"position": wish.position, "content": wish.content, **piece.shape()}
    return {
        **_head(found),
        "epoch": found.epoch,
        "body": _body(found.body, short=False),
        "contents": {
            name: piece_of(content, 0, VIEW_FIELD_BYTES_MAX * 10).shape()
            for name, content in contents.items()
        },
        "because_of": [_head(each) for each in _causes(view, run, found)],
        "led_to": [_head(each) for each in _led_to(view, run, found)],
    }


def receipts(view: View, wish: ReceiptsWish) -> Json:
    """Return what was done in the world, and what is open: also what a rewind has left behind."""
    run = view.opened(wish.run)
    state = view.state(run)
    known = [*state.world.receipts.values(), *(each for each in state.world.open.values())]
    chosen = [
        each
        for each in sorted(known, key=lambda each: each.started)
        if each.effect != "read" or each.key in state.world.open
        if wish.tool in ("", each.tool)
        if wish.outcome in ("", each.outcome or "open")
        if each.started > wish.after
    ]
    shown: dict[str, Json] = {
        "run": run,
        "receipts": [{**_act(each), **_ended(view, each)} for each in chosen[-wish.limit :]],
    }
    if len(chosen) > wish.limit:
        shown["left_out"] = f"{len(chosen) - wish.limit} older ones; narrow by tool or outcome"
    denied = [each for each in state.world.approvals.values() if each.phase == "denied"]
    shown["forbidden"] = [{"why": each.why, "by": each.by, "note": each.note} for each in denied]
    return shown


def cost(view: View, wish: CostWish) -> Json:
    """Return what the run's requests took and cost, and what moving pages saved."""
    run = view.run_of(wish.run)
    book = ledger_of(view.store, run)
    rows = book.rows[-wish.newest :] if wish.newest else ()
    return {
        "run": run,
        "totals": {**_named(book.totals), "saved_microusd": book.totals.saved_microusd},
        "requests": [{**_named(row), "saved_microusd": row.saved_microusd} for row in rows],
        "paging_frozen": book.frozen,
        "alarm": book.alarm,
    }


# ----------------------------------------------------------------------------------------------------


def _forward(view: View, run: str, wish: LogWish) -> Iterator[Event]:
    for found in islice(view.store.events(run, wish.after or 0), VIEW_READ_EVENTS_MAX):
        if wish.before is not None and found.position >= wish.before:
            return
        if _is_meant(found, wish):
            yield found


def _backward(view: View, run: str, wish: LogWish, end: int) -> Iterator[Event]:
    """Yield the newest first: most questions are about them, and a run may be long."""
    last = end if wish.before is None else min(end, wish.before - 1)
    floor = max(last - VIEW_READ_EVENTS_MAX, 0)
    while last > floor:
        after = max(last - READ_PAGE_EVENTS, floor)
        for stored in reversed(view.store.books.read(run, after, last - after)):
            found = unseal(stored)
            if _is_meant(found, wish):
                yield found
        last = after


def _is_meant(event: Event, wish: LogWish) -> bool:
    if wish.kinds and not any(fnmatch.fnmatchcase(event.kind, glob) for glob in wish.kinds):
        return False
    needle = wish.find.lower()
    return not needle or needle in msgspec.json.encode(_body(event.body, short=False)).decode().lower()


def _at(view: View, run: str, position: int) -> Event:
    end = view.store.inspector.row(run).position
    if not 1 <= position <= end:
        raise BadPosition(f"run {run!r} has positions 1 to {end}, not {position}")
    return unseal(view.store.books.read(run, position - 1, 1)[0])


def _causes(view: View, run: str, event: Event) -> Iterator[Event]:
    for _ in range(_CAUSES_MAX):
        if not event.cause:
            return
        event = _at(view, run, event.cause)
        yield event


def _led_to(view: View, run: str, event: Event) -> Iterable[Event]:
    near = islice(view.store.events(run, event.position), READ_PAGE_EVENTS)
    return [other for other in near if other.cause == event.position]


def _contents(view: View, event: Event) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of what the event names instead of holding, but for trees and other objects of files."""
    trees = named_trees(event.body)
    fields = {value.blob: name for name, value in _fields(event.body) if isinstance(value, e.Content)}
    for blob in named_blobs(event.body):
        if blob not in trees:
            yield fields.get(blob, blob[:12]), view.store.books.get(blob)


def _row(row: RunRow) -> dict[str, Json]:
    return {
        "run": row.run,
        "status": row.status,
        "position": row.position,
        "begun": _time(row.created),
        "parent": row.parent,
        "forked_at": row.forked_at or None,
    }


def _head(event: Event) -> dict[str, Json]:
    return {"position": event.position, "kind": event.kind, "at": _time(event.at), "cause": event.cause}


def _short(event: Event) -> dict[str, Json]:
    return {**_head(event), **_body(event.body, short=True)}


def _body(body: e.Body, *, short: bool) -> dict[str, Json]:
    """Return what the event says; content that it names is said by its size, since `event` gives it beside."""
    plain = msgspec.convert(msgspec.to_builtins(body), dict[str, Json])
    said = dict(_fields(body))
    shown: dict[str, Json] = {}
    for name, value in plain.items():
        if name in UNSHOWN or (short and name in _DULL):
            continue
        told = _told(said[name], value)
        shown[name] = _brief(told) if short else told
    return shown


def _told(said: object, plain: Json) -> Json:
    if not isinstance(said, e.Content):
        return plain
    return said.text if said.text is not None else f"({said.size} bytes; `event` shows them)"


def _fields(body: e.Body) -> Iterator[tuple[str, object]]:
    for name in body.__struct_fields__:
        yield name, cast("object", getattr(body, name))


def _brief(value: Json) -> Json:
    """Return a field as a list shows it: a long text is cut, and of many things it says how many."""
    match value:
        case str() if len(value) > VIEW_FIELD_BYTES_MAX:
            return f"{value[:VIEW_FIELD_BYTES_MAX]}... ({len(value)} characters; `event` shows them)"
        case list() | dict() if len(msgspec.json.encode(value)) > VIEW_NESTED_BYTES_MAX:
            return f"({len(value)} of them; `event` shows them)"
        case _:
            return value


def _act(effect: Effect) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "tool": effect.tool,
        "what": effect.what,
        "class": effect.effect,
        "outcome": effect.outcome or "open",
        "began": effect.started,
        "key": effect.key[:12],
    }
    if effect.settled:
        shown["settled"] = effect.settled
    if effect.phase == "doubted":
        shown["in_doubt"] = effect.doubt
    return shown


def _ended(view: View, effect: Effect) -> dict[str, Json]:
    shown: dict[str, Json] = {"error": effect.error} if effect.error else {}
    if effect.result is not None:
        shown["result"] = _brief(text_of(view.store.books, effect.result))
    return shown


def _named(row: tuple[object, ...]) -> dict[str, Json]:
    names: tuple[str, ...] = getattr(row, "_fields", ())
    return {
        name: msgspec.convert(msgspec.to_builtins(value), Json)
        for name, value in zip(names, row, strict=True)
    }


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")
