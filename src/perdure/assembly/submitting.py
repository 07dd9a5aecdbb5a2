"""Runs that are given to workers, and runs of theirs that somebody has posted to.

Invariant: a run is placed last, when all that it begins with is durable: workers never see half of one.
"""

import asyncio

import msgspec

from perdure.driver.books import Books, name_for, within
from perdure.log import events as e
from perdure.log.placing import Placements, SharedStore
from perdure.log.port import NewRun, Post
from perdure.orchestrator.draft import content_of
from perdure.values.errors import BadInput, NotPlaced, RunExists
from perdure.values.ids import checked_name

TAKEN_SECONDS = 1.0
"""How long whoever posts waits for a worker to take it in, so that what is shown then has it."""

_LOOK_SECONDS = 0.02


def placements_of(books: Books, run: str) -> Placements | None:
    """Return the placements of the store's part that ``run`` is in; None where workers can't share it."""
    part = within(books, run)
    return part.placements() if isinstance(part, SharedStore) else None


def submit(books: Books, agent: str, message: str, *, run: str, tenant: str, now: int) -> str:
    """Workers that have ``agent`` begin a run with ``message``; return its name, which says its shard.

    Submitting it once more, after a crash on the way, makes no second one. Raises ``RunExists``, ``BadName``, and
    ``BadInput`` where workers can't share the store.
    """
    checked_name(agent, field="agent name")
    checked_name(run, field="run")
    checked_name(tenant, field="tenant")
    name = name_for(books, run, tenant)
    placements = placements_of(books, name)
    if placements is None:
        raise BadInput(
            "workers can't share this store: it is a directory of one machine",
            hint="name a PostgreSQL database as the store, or start the run with `perdure run`",
        )
    if not books.create(NewRun(name, name, tenant, now)) and _begun(books, placements, name):
        raise RunExists(f"there is a run {name!r} already")
    text, blob = content_of(message)
    if blob is not None:
        books.put(*blob)
        books.flush()
    said = e.MessageReceived("start", "user", text)
    body = msgspec.Raw(msgspec.json.encode(said))
    books.post(name, Post("start", e.KIND_OF[e.MessageReceived], body, now))
    placements.place(name, agent)
    placements.call(name)
    return name


def hand_over(books: Books, run: str, agent: str) -> bool:
    """Workers drive a run from here on that was begun elsewhere; False if they do already."""
    placements = placements_of(books, run)
    if placements is None:
        raise BadInput("workers can't share this store: it is a directory of one machine")
    placed = placements.place(run, agent)
    placements.call(run)
    return placed


def unpark(books: Books, run: str, *, by: str, now: int, name: str) -> None:
    """Workers drive a parked run again, and its log says who said so. Raises ``NotPlaced`` if it isn't theirs."""
    placements = placements_of(books, run)
    if placements is None or placements.look(run) is None:
        raise NotPlaced(f"workers don't drive the run {run!r}")
    text, _ = content_of("workers may drive this run again")
    body = msgspec.Raw(msgspec.json.encode(e.NoteMade(by, text)))
    books.post(run, Post(name, e.KIND_OF[e.NoteMade], body, now))
    placements.park(run, "")
    placements.call(run)


async def called(books: Books, run: str) -> bool:
    """A worker is called to take in what was posted to ``run``, and given a moment; False if it isn't theirs to drive."""
    placements = placements_of(books, run)
    if placements is None or not await asyncio.to_thread(placements.call, run):
        return False
    for _ in range(round(TAKEN_SECONDS / _LOOK_SECONDS)):
        if not await asyncio.to_thread(books.inbox, run):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _begun(books: Books, placements: Placements, name: str) -> bool:
    rows = books.rows(name)
    return bool(rows) and (rows[0].position > 0 or placements.look(name) is not None)
