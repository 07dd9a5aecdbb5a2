"""Runs that are given to workers, and runs of theirs that somebody has posted to.

Invariant: a run is placed last, when all that it begins with is durable: workers never see half of one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from perdure.driver.books import Books, name_for, read_state, shards, within
from perdure.log import events as e
from perdure.log.carrying import check_moved
from perdure.log.placing import Placed, Placements, SharedStore
from perdure.log.port import NewRun, Post
from perdure.orchestrator.draft import content_of
from perdure.projection.state import State
from perdure.values.errors import AgentChanged, BadInput, NotPlaced, RunExists
from perdure.values.ids import checked_name
from perdure.values.limits import WORKER_LENDS_NS

TAKEN_SECONDS = 1.0
"""How long whoever posts waits for a worker to take it in, so that what is shown then has it."""

_LOOK_SECONDS = 0.02


def placements_of(books: Books, run: str) -> Placements | None:
    """Return the placements of the store's part that ``run`` is in; None where workers can't share it."""
    part = within(books, run)
    return part.placements() if isinstance(part, SharedStore) else None


def submit(books: Books, agent: str, message: str, *, run: str, tenant: str, now: int) -> str:
    """Workers that have ``agent`` begin a run with ``message``; return its name, which says its shard.

    Submitting it once more, after a crash on the way, makes no second one; of several who submit a name in different words,
    or for different agents, one is heard and the others are told. Raises ``RunExists``, ``BadName``, and ``BadInput`` where
    workers can't share the store.
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
    body, blob = _opening(message)
    if not books.create(NewRun(name, name, tenant, now)) and _taken(books, placements, name, tenant):
        raise RunExists(f"there is a run {name!r} already")
    if blob is not None:
        books.put(*blob)
        books.flush()
    start = Post("start", e.KIND_OF[e.MessageReceived], body, now)
    begins = books.post(name, start) or any(_is_same(post, start) for post in books.inbox(name))
    if not begins or not (placements.place(name, agent) or _is_placed_for(placements, name, agent)):
        raise RunExists(f"there is a run {name!r} already, which somebody else has just submitted")
    placements.call(name)
    return name


def _opening(message: str) -> tuple[msgspec.Raw, tuple[str, bytes] | None]:
    """Return the first post's body and its blob. Raises ``BadInput`` for what is no text."""
    try:
        text, blob = content_of(message)
        return msgspec.Raw(msgspec.json.encode(e.MessageReceived("start", "user", text))), blob
    except UnicodeEncodeError as error:
        raise BadInput(f"the task holds what is no character: {error.reason}") from error


def placed_among(books: Books, runs: Sequence[str]) -> Mapping[str, Placed]:
    """Return those of ``runs`` that workers drive, and how they stand."""
    parts = [part for part in shards(books).values() if isinstance(part, SharedStore)]
    return {placed.run: placed for part in parts for placed in part.placements().among(runs)}


def placed_of(books: Books, run: str) -> Placed | None:
    """Return how the run stands with workers; None if they don't drive it."""
    placements = placements_of(books, run)
    return placements.look(run) if placements is not None else None


def adopt(books: Books, run: str) -> Placed | None:
    """A fork of a run that workers drive is theirs as well; return how the run stands, None if it isn't theirs."""
    placed = placed_of(books, run)
    row = books.rows(run)[0]
    check_moved(run, row.holder)
    if placed is not None or row.parent is None:
        return placed
    parent = adopt(books, row.parent)
    if parent is not None:
        hand_over(books, run, parent.agent)
    return parent and placed_of(books, run)


def carried_over(source: Books, target: Books, run: str, *, always: bool) -> bool:
    """Workers of the target go on with a run that came from ``source``, where they drove it; with ``always`` in any case.

    A run that has ended, and a child, which is driven with its parent, is left alone.
    """
    left, placements = placements_of(source, run), placements_of(target, run)
    before = left.look(run) if left is not None else None
    if left is not None and before is not None:
        # Who looked at it there would find that it has moved, for ever.
        left.rest(run, wake=None)
    if placements is None or target.rows(run)[0].status in ("finished", "failed", "cancelled"):
        return False
    known, state = before or placements.look(run), read_state(target, run).state
    if state.parent or not (known or (always and state.agent)):
        return False
    placements.place(run, known.agent if known is not None else state.agent)
    if known is not None and known.parked:
        placements.park(run, known.parked)
    else:
        placements.call(run)
    return True


def hand_over(books: Books, run: str, agent: str) -> bool:
    """Workers drive a run from here on that was begun elsewhere; False if they do already."""
    placements = placements_of(books, run)
    if placements is None:
        raise BadInput("workers can't share this store: it is a directory of one machine")
    for row in books.rows(run):
        check_moved(run, row.holder)
    if not agent and placements.look(run) is None:
        raise BadInput(f"{run} has not begun, and says no agent yet", hint="begin it with `perdure submit`")
    placed = placements.place(run, agent)
    placements.call(run)
    return placed


def unpark(books: Books, run: str, *, by: str, now: int, name: str) -> None:
    """Workers drive a parked run again, and its log says who said so. Raises ``NotPlaced`` if it isn't theirs."""
    placements = placements_of(books, run)
    placed = placements.look(run) if placements is not None else None
    if placements is None or placed is None:
        raise NotPlaced(f"workers don't drive the run {run!r}")
    if not placed.parked:
        raise BadInput(
            f"{run} is not parked", hint="`perdure worker ls` shows what is, and what each run waits for"
        )
    text, _ = content_of("workers may drive this run again")
    body = msgspec.Raw(msgspec.json.encode(e.NoteMade(by, text)))
    books.post(run, Post(name, e.KIND_OF[e.NoteMade], body, now))
    placements.park(run, "")
    placements.call(run)


def call(books: Books, run: str) -> bool:
    """Workers look at the run as soon as they can; False if they don't drive it, or have parked it."""
    placements = placements_of(books, run)
    return placements is not None and placements.call(run)


async def handed_back(
    books: Books, run: str, driving: Callable[[], Awaitable[State]], *, agent: str, now: int
) -> State:
    """Workers look at a run of theirs that somebody else drives when it rests, or when that process has died.

    Return the state in which it rests. Raises ``AgentChanged`` if it was submitted to another than ``agent``.
    """
    await asyncio.to_thread(_lend, books, run, agent, now)
    try:
        return await driving()
    finally:
        await asyncio.to_thread(_give_back, books, run)


def _lend(books: Books, run: str, agent: str, now: int) -> None:
    placements = placements_of(books, run)
    placed = placements.look(run) if placements is not None else None
    if placed is not None and not placed.position and placed.agent != agent:
        raise AgentChanged(f"run {run} was submitted to the agent {placed.agent!r}, not to {agent!r}")
    if placements is not None and placed is not None and placed.holding != "living":
        # Not before it is held, but whatever becomes of who holds it.
        placements.leave(run, later=now + WORKER_LENDS_NS, waits="")
        placements.begin(run, counts=False)


def _give_back(books: Books, run: str) -> None:
    placements = placements_of(books, run)
    placed = placements.look(run) if placements is not None else None
    if placements is not None and placed is not None and placed.holding != "living":
        placements.rest(run, wake=0)
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


def _taken(books: Books, placements: Placements, name: str, tenant: str) -> bool:
    """Tell whether the run is more than what a crash on the way has left of this one."""
    rows = books.rows(name)
    if not rows:
        return False
    row = rows[0]
    return row.tenant != tenant or row.epoch > 0 or row.position > 0 or placements.look(name) is not None


def _is_same(post: Post, other: Post) -> bool:
    return (post.id, post.kind, bytes(post.body)) == (other.id, other.kind, bytes(other.body))


def _is_placed_for(placements: Placements, name: str, agent: str) -> bool:
    placed = placements.look(name)
    return placed is not None and placed.agent == agent
