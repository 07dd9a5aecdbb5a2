"""Which files belong to a position: a tree is recorded after the event that changed it, so one has to look ahead."""

from collections.abc import Iterable
from typing import NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import State


class FilesAt(NamedTuple):
    """The workspace at a position. ``tree`` is empty where none was ever recorded for it."""

    tree: str
    image: str
    recorded: int
    """position of the event that recorded it"""
    exact: bool
    """False: something may have changed between the recording and the position, and nobody looked"""


def files_at(state: State, later: Iterable[Event]) -> FilesAt:
    """Return the files of the position that ``state`` stands at; ``later`` are the events after it.

    Before a deed that has begun and not ended they are what was recorded before it. After one they are what
    was recorded next, up to the next deed. A person's change between the two counts to the later one.
    """
    live = state.live
    if live.put_back is not None:
        return FilesAt(live.put_back.tree, live.put_back.image, live.put_back.position, exact=True)
    known = FilesAt(live.tree, live.image, live.tree_position, exact=not live.touched)
    if any(not each.ends for each in live.touched):
        return known._replace(exact=len(live.touched) == 1)
    if live.fresh:
        return known
    return _recorded_next(later) or known


def _recorded_next(later: Iterable[Event]) -> FilesAt | None:
    for event in later:
        match event.body:
            case e.CheckpointRestored(saved=saved):
                # What a rewind or a repair found there is what stood at the end of the path it left.
                return FilesAt(saved, "", event.position, exact=True) if saved else None
            case e.CheckpointTaken() | e.CheckpointSkipped():
                return FilesAt(event.body.tree, event.body.image, event.position, exact=True)
            case e.EffectStarted(effect="read"):
                pass
            case e.EffectStarted() | e.RunForked():
                return None
            case _:
                pass
    return None
