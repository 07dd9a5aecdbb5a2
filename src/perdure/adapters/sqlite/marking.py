"""What is reached: blobs that events, claims and waiting posts name, and all that is below their trees.

Invariants:
- What looks like a blob's name in an event counts as one. Trees are read by the event's kind, since they are
  followed; so an event of a newer perdure ends the marking.
- An event counts as written only if the chain says so: damage must not make garbage of what it names.
- A blob is followed once in each role. The same bytes may be a file's content here and a directory there.
- Marks stand in temporary tables: memory stays bounded, however many there are.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, cast

import msgspec

from perdure.adapters.sqlite.blobs import read_blob
from perdure.adapters.sqlite.database import Database, ask, ask_one, number, raw, text, whole
from perdure.adapters.sqlite.heads import digest_at
from perdure.adapters.sqlite.layout import Places
from perdure.adapters.sqlite.reading import stretches
from perdure.checkpoint.tree import read_directory, read_recipe, read_root
from perdure.log import events as e
from perdure.log.envelope import Stored, chain, peek, unseal
from perdure.log.garbage import Tell
from perdure.log.naming import TREE_FIELDS, named_trees
from perdure.log.upcast import VERSIONS
from perdure.values.errors import BlobMissing, StoreDamaged, StoreNewer
from perdure.values.limits import READ_PAGE_EVENTS

PAGE: Final = READ_PAGE_EVENTS

_NAME: Final = re.compile(rb'"([0-9a-f]{64})"')
_KINDS: Final = {e.KIND_OF[body]: body for body in (*TREE_FIELDS, e.CheckpointReleased, e.CheckpointPinned)}
_ROOT, _DIRECTORY, _RECIPE = 0, 1, 2

_TABLES = """
CREATE TEMP TABLE reached (digest BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE followed (digest BLOB, role INTEGER, PRIMARY KEY (digest, role)) WITHOUT ROWID;
CREATE TEMP TABLE roots (digest BLOB, run INTEGER, position INTEGER, PRIMARY KEY (digest, run, position)) WITHOUT ROWID;
CREATE TEMP TABLE released (run INTEGER PRIMARY KEY, before INTEGER, counts INTEGER);
"""
_REACH = "INSERT OR IGNORE INTO temp.reached VALUES (?)"
_FOLLOW = "INSERT OR IGNORE INTO temp.followed VALUES (?, ?) RETURNING 1"
_ROOT_SEEN = "INSERT OR IGNORE INTO temp.roots VALUES (?, ?, ?)"
_EVENTS = """
SELECT e.number, e.run, r.name, e.position, e.frame, e.digest FROM events e JOIN runs r ON r.number = e.run
WHERE e.number > ? ORDER BY e.number LIMIT ?
"""
_DUE = """
SELECT DISTINCT o.digest FROM temp.roots o LEFT JOIN temp.released l ON l.run = o.run AND o.position < l.before
WHERE {} AND NOT EXISTS (SELECT 1 FROM temp.followed f WHERE f.digest = o.digest AND f.role = 0)
"""
_KEPT_ROOTS = _DUE.format("l.run IS NULL")
_DOUBTFUL_ROOTS = _DUE.format("l.counts = 0")


class _Release(NamedTuple):
    before: int
    kept: frozenset[int]
    pins: frozenset[int]
    """as they stood at the release"""


class Marking:
    """Marks on one connection; ``advance`` brings them up to date."""

    def __init__(self, db: Database, places: Places, tell: Tell) -> None:
        """Begin with nothing marked."""
        self._db = db
        self._places = places
        self._tell = tell
        self._event = 0
        self._objects = 0
        self._heads: dict[int, tuple[int, bytes]] = {}
        self._pins: dict[int, set[int]] = {}
        self._releases: dict[int, _Release] = {}
        db.execute(_TABLES)

    def advance(self) -> None:
        """All that the store names by now is marked.

        Raises ``BlobMissing`` and ``StoreDamaged`` for a tree that can't be followed: what is below it can't
        be told from garbage then.
        """
        self._scan_events()
        names = self._named_beside()
        self._reach(names)
        self._weigh_releases()
        # What has to be whole first: the rest may have gone in part already.
        for (root,) in ask(self._db, _KEPT_ROOTS):
            self._follow(raw(root), lenient=False)
        for (root,) in ask(self._db, _DOUBTFUL_ROOTS):
            self._follow(raw(root), lenient=True)

    # -- what names blobs ----------------------------------------------------------------------------

    def _scan_events(self) -> None:
        last = number(self._db, "SELECT max(number) FROM events")
        while rows := ask(self._db, _EVENTS, (self._event, PAGE)):
            found: list[bytes] = []
            for row in rows:
                stored = Stored(text(row[2]), whole(row[3]), raw(row[4]), raw(row[5]))
                found += self._names_in(whole(row[1]), stored)
            self._event = whole(rows[-1][0])
            self._reach(found)
            self._tell("events", self._event, last)

    def _names_in(self, run: int, stored: Stored) -> list[bytes]:
        """Return what an event names, its trees noted apart."""
        self._check(run, stored)
        found = _names(stored.frame)
        frame = peek(stored)
        if (
            frame.kind not in _KINDS
            and frame.version <= VERSIONS.get(frame.kind, 1)
            and frame.kind in e.KINDS
        ):
            return found
        body = unseal(stored).body
        trees = [bytes.fromhex(tree) for tree in named_trees(body)]
        self._db.executemany(_ROOT_SEEN, [(tree, run, stored.position) for tree in trees])
        match body:
            case e.CheckpointPinned():
                pins = self._pins.setdefault(run, set())
                (pins.add if body.pinned else pins.discard)(body.position)
            case e.CheckpointReleased():
                self._release(run, body)
            case _:
                pass
        return [name for name in found if name not in trees]

    def _check(self, run: int, stored: Stored) -> None:
        if run not in self._heads:
            forked_at = number(self._db, "SELECT forked_at FROM runs WHERE number = ?", (run,))
            self._heads[run] = forked_at, digest_at(self._db, run, forked_at)
        position, head = self._heads[run]
        if stored.position != position + 1 or chain(head, stored.frame) != stored.digest:
            raise StoreDamaged(f"{stored.run} at {position + 1}: the event isn't what was written")
        self._heads[run] = stored.position, stored.digest

    def _release(self, run: int, body: e.CheckpointReleased) -> None:
        known = self._releases.get(run)
        if known is None or body.before > known.before:
            pins = frozenset(self._pins.get(run, ()))
            self._releases[run] = _Release(body.before, frozenset(body.kept), pins)

    def _named_beside(self) -> Iterator[bytes]:
        """Yield what is named outside of events: results of claims, and posts that wait."""
        for (result,) in ask(self._db, "SELECT result FROM claims WHERE length(result) > 64"):
            yield from _names(raw(result))
        waiting = "SELECT run, kind, body FROM inbox WHERE kind IS NOT NULL"
        for run, kind, stored in ask(self._db, waiting):
            yield from _names(raw(stored))
            if text(kind) not in e.KINDS:
                raise StoreNewer(f"a post of kind {text(kind)!r} waits, which is not known")
            if text(kind) not in _KINDS:
                continue
            trees = named_trees(msgspec.json.decode(raw(stored), type=_KINDS[text(kind)]))
            # A position past all others: what is only asked for can't have been let go.
            rows = [(bytes.fromhex(tree), whole(run), 1 << 62) for tree in trees]
            self._db.executemany(_ROOT_SEEN, rows)

    def _weigh_releases(self) -> None:
        """A release that misses a fork or a pin doesn't count: what they need stays."""
        if not self._releases:
            return
        points: dict[int, set[int]] = {}
        for (name,) in ask(self._db, "SELECT name FROM runs WHERE parent IS NOT NULL"):
            for part in stretches(self._db, text(name))[:-1]:
                points.setdefault(part.number, set()).add(part.last)
        rows: list[tuple[int, int, int]] = []
        for run, release in self._releases.items():
            needed = {at for at in release.pins | points.get(run, set()) if at < release.before}
            rows.append((run, release.before, int(needed <= release.kept)))
        self._db.executemany("INSERT OR REPLACE INTO temp.released VALUES (?, ?, ?)", rows)

    # -- trees ---------------------------------------------------------------------------------------

    def _follow(self, root: bytes, *, lenient: bool) -> None:
        """Mark all that ``root`` needs; ``lenient``: as far as it is there."""
        stack, leaves = [(root, _ROOT)], list[bytes]()
        while stack:
            name, role = stack.pop()
            if ask_one(self._db, _FOLLOW, (name, role)) is None:
                continue
            leaves.append(name)
            try:
                below = _below(role, read_blob(self._db, self._places, name.hex(), 0, None))
            except msgspec.MsgspecError as error:
                raise StoreDamaged(f"blob {name.hex()}, named as part of a tree, is none: {error}") from error
            except BlobMissing:
                if not lenient:
                    raise
                continue
            for content, part in below:
                if part is None:
                    leaves.append(content)
                else:
                    stack.append((content, part))
            if len(leaves) >= PAGE:
                self._reach(leaves)
                leaves.clear()
            self._objects += 1
            if self._objects % PAGE == 0:
                self._tell("trees", self._objects, 0)
        self._reach(leaves)

    def _reach(self, names: Iterable[bytes]) -> None:
        self._db.executemany(_REACH, ((name,) for name in names))


def _names(stored: bytes) -> list[bytes]:
    found = cast("list[bytes]", _NAME.findall(stored))
    return [bytes.fromhex(name.decode()) for name in found]


def _below(role: int, stored: bytes) -> list[tuple[bytes, int | None]]:
    """Return what an object names and in which role; None for content."""
    if role == _RECIPE:
        return [(piece.blob, None) for piece in read_recipe(stored).pieces]
    found: list[tuple[bytes, int | None]] = []
    for entry in (read_root(stored).top,) if role == _ROOT else read_directory(stored):
        match entry.kind:
            case "dir":
                found.append((entry.content, _DIRECTORY))
            case "file":
                found.append((entry.content, _RECIPE if entry.recipe else None))
            case _:
                pass
    return found
