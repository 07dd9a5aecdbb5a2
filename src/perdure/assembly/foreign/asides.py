"""What an agent may leave in its own run without changing what it does: a note, or a mark to go back to.

Invariant: whoever drives the run takes it in; where nobody does, it is in the stream when this returns.
"""

import time
import uuid
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from perdure.assembly.files.letting_go import may_be_pinned
from perdure.assembly.files.timeline import files_of
from perdure.assembly.presence import driver_of
from perdure.assembly.store import Store
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.log.port import Post
from perdure.orchestrator.draft import content_of
from perdure.values.errors import BadInput
from perdure.values.limits import NOTE_BYTES_MAX, READ_PAGE_EVENTS

_TAKEN_SECONDS: Final = 5.0
"""How long somebody who drives the run may take to record what was posted; it looks several times a second."""
_PAUSE_SECONDS: Final = 0.02


class Left(NamedTuple):
    """What was left in a run."""

    position: int
    """where it stands; 0 while the run's driver has not taken it in"""


class Landmark(NamedTuple):
    """A position whose files stay."""

    position: int
    tree: str
    """empty where the run has no files"""
    recorded: int
    """where they were recorded"""
    exact: bool
    """whether nothing may have changed since then"""
    left: Left


def leave_note(store: Store, run: str, text: str, *, by: str) -> Left:
    """``text`` stands in the run's log; its model isn't told. Raises ``UnknownRun``, ``BadInput``."""
    store.inspector.row(run)
    size = len(text.encode("utf-8", "surrogatepass"))
    if not text.strip() or size > NOTE_BYTES_MAX:
        raise BadInput(
            f"a note of {size} bytes" if text.strip() else "a note without words",
            hint=f"write up to {NOTE_BYTES_MAX} bytes; what is longer belongs into a file",
        )
    content, blob = content_of(text)
    if blob is not None:
        store.books.put(*blob)
    return _posted(store, run, e.NoteMade(by, content))


def mark(store: Store, run: str, *, by: str) -> Landmark:
    """The files of the run's present position stay until a person lets them go.

    Where somebody drives the run, they are those that its driver has recorded; else they are looked at now. Raises
    ``UnknownRun``, ``BadPosition``.
    """
    looked = driver_of(store.inspector.row(run)).presence != "alive" and Path(store.state(run).root).is_dir()
    if looked:
        store.record_present(run)
    position = store.inspector.row(run).position
    may_be_pinned(store.books, run, position)
    files = files_of(store.books, run, position)
    left = _posted(store, run, e.CheckpointPinned(position, by))
    return Landmark(position, files.tree, files.recorded, looked or files.exact, left)


def _posted(store: Store, run: str, body: e.Body) -> Left:
    name = uuid.uuid4().hex
    after = store.inspector.row(run).position
    raw = msgspec.Raw(msgspec.json.encode(body))
    store.books.post(run, Post(name, e.KIND_OF[type(body)], raw, time.time_ns()))
    store.call(store.house.nudge(run))
    until = time.monotonic() + _TAKEN_SECONDS
    while any(post.id == name for post in store.books.inbox(run)):
        if time.monotonic() > until:
            return Left(0)
        time.sleep(_PAUSE_SECONDS)
    for stored in store.books.read(run, after, READ_PAGE_EVENTS):
        event = unseal(stored)
        if event.body == body:
            return Left(event.position)
    return Left(0)
