"""Where the files of runs are on this host, for runs that move between hosts.

Invariants:
- A note per run says which directory it worked in here, and under which epoch. The files are taken to be here only if no
  other process has driven the run since: a directory of the same name on another host is another directory.
- Losing a note costs a restoring of what was recorded, into a directory of the run's own; no file is lost.
"""

from pathlib import Path

import msgspec

from perdure.adapters.workspace.cloning import clone
from perdure.driver.books import Books, read_state
from perdure.log.envelope import unseal
from perdure.log.events import LeaseAcquired
from perdure.projection.state import State
from perdure.values.digest import short_digest
from perdure.values.limits import READ_PAGE_EVENTS


class _Note(msgspec.Struct, frozen=True):
    root: str
    epoch: int


class Lodging:
    """The runs that have worked on this host, for one store."""

    def __init__(self, directory: Path) -> None:
        """Keep notes, and the directories of runs that came from elsewhere, in ``directory``."""
        self._directory: Path = directory

    def has(self, run: str, root: str, epoch: int) -> bool:
        """Tell whether the run's files are in ``root`` here, as whoever drove it under ``epoch`` left them."""
        try:
            note = msgspec.json.decode(self._note(run).read_bytes(), type=_Note)
        except (OSError, msgspec.DecodeError):
            return False
        return note == _Note(root, epoch) and Path(root).is_dir()

    def own(self, run: str) -> str:
        """Return a directory for the run alone, which is there."""
        path = self._directory / "workspaces" / _word(run)
        path.mkdir(parents=True, exist_ok=True)
        return str(path.resolve())

    def moved_in(self, run: str, root: str, epoch: int) -> None:
        """From here on the run's files are in ``root``."""
        path = self._note(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{epoch}")
        fresh.write_bytes(msgspec.json.encode(_Note(root, epoch)))
        fresh.replace(path)

    def _note(self, run: str) -> Path:
        return self._directory / "lodging" / f"{_word(run)}.json"


def begin_as_copy(store: Books, state: State) -> None:
    """A fork's new directory begins as a copy of its parent's, by the cheapest means the file system has.

    What the tree doesn't hold comes along that way: secrets, and what a rule leaves out.
    """
    if not state.parent or state.depth or Path(state.root).exists():
        return
    parent = read_state(store, state.parent).state.root
    if parent and Path(parent).is_dir():
        clone(Path(parent), Path(state.root))


def last_driver(store: Books, run: str, position: int) -> int:
    """Return the epoch of the last writer that drove the run; 0 if nobody has."""
    while position > 0:
        after = max(position - READ_PAGE_EVENTS, 0)
        for stored in reversed(store.read(run, after, position - after)):
            event = unseal(stored)
            if isinstance(event.body, LeaseAcquired) and not event.body.attends:
                return event.epoch
        position = after
    return 0


def _word(run: str) -> str:
    return run if len(run) < 100 and "/" not in run else short_digest(run.encode())
