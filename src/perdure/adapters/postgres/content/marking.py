"""What is reached: all that events, claims and waiting posts name, and all that is below their trees.

Invariants:
- What looks like a blob's name in an event counts as one. Trees are read by the event's kind, since they are
  followed; so an event of a newer perdure ends the marking.
- An event counts as written only if the chain says so: damage must not make garbage of what it names.
- After the first pass, events are found by the feed, from the oldest transaction that was under way when the pass
  before it began: none is missed, some are read twice.
- Marks stand in temporary tables: memory stays bounded, however many there are.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from perdure.adapters.postgres.columns import raw, text, whole
from perdure.adapters.postgres.content.blobs import OUTSIDE, SPILLED, Packed, small_part
from perdure.adapters.postgres.content.large import LargeBlobs
from perdure.adapters.postgres.judging.reading import digest_at, stretches
from perdure.adapters.postgres.link.waiting import Database
from perdure.checkpoint.tree import read_directory, read_recipe, read_root
from perdure.log import events as e
from perdure.log.envelope import GENESIS, Stored, chain, peek, unseal
from perdure.log.garbage import Tell
from perdure.log.naming import TREE_FIELDS, named_trees
from perdure.log.upcast import VERSIONS
from perdure.values.errors import BlobMissing, StoreDamaged, StoreNewer
from perdure.values.limits import READ_PAGE_EVENTS

PAGE: Final = READ_PAGE_EVENTS
OBJECTS: Final = 64
"""Objects of trees that are held at a time."""

_NAME: Final = re.compile(rb'"([0-9a-f]{64})"')
_KINDS: Final = {e.KIND_OF[body]: body for body in (*TREE_FIELDS, e.CheckpointReleased, e.CheckpointPinned)}
_ROOT, _DIRECTORY, _RECIPE = 0, 1, 2
_ASKED: Final = 1 << 62
"""Past all positions: what is only asked for can't have been let go."""

_TABLES: Final = """
CREATE TEMP TABLE reached (digest bytea PRIMARY KEY);
CREATE TEMP TABLE followed (digest bytea, role smallint, PRIMARY KEY (digest, role));
CREATE TEMP TABLE roots (digest bytea, run bigint, position bigint, PRIMARY KEY (digest, run, position));
CREATE TEMP TABLE released (run bigint PRIMARY KEY, before bigint NOT NULL, counts boolean NOT NULL);
"""
_REACH: Final = "INSERT INTO pg_temp.reached SELECT unnest(%s::bytea[]) ON CONFLICT DO NOTHING"
_FOLLOW: Final = """
INSERT INTO pg_temp.followed SELECT * FROM unnest(%s::bytea[], %s::smallint[]) ON CONFLICT DO NOTHING
RETURNING digest, role
"""
_ROOTS: Final = """
INSERT INTO pg_temp.roots SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING
"""
_RELEASE: Final = """
INSERT INTO pg_temp.released VALUES (%s, %s, %s)
ON CONFLICT (run) DO UPDATE SET before = excluded.before, counts = excluded.counts
"""
_EVENTS: Final = """
SELECT e.run, r.name, e.position, e.frame, e.digest FROM events e JOIN runs r ON r.number = e.run
WHERE (e.run, e.position) > (%s, %s) ORDER BY e.run, e.position LIMIT %s
"""
_STRETCH: Final = """
SELECT e.run, r.name, e.position, e.frame, e.digest FROM events e JOIN runs r ON r.number = e.run
WHERE e.run = %s AND e.position BETWEEN %s AND %s ORDER BY e.position
"""
_HORIZON: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"
_FED: Final = """
SELECT xid::text, run, first, last FROM feed WHERE (xid, run, first) > (%s::xid8, %s::bigint, %s::bigint)
ORDER BY xid, run, first LIMIT %s
"""
_BEFORE: Final = "SELECT digest FROM events WHERE run = %s AND position = %s"
_CLAIMS: Final = """
SELECT number, result FROM claims WHERE number > %s AND octet_length(result) > 64 ORDER BY number LIMIT %s
"""
_POSTS: Final = "SELECT run, kind, body FROM inbox WHERE kind IS NOT NULL"
_FORKS: Final = "SELECT name FROM runs WHERE parent IS NOT NULL"
_DUE: Final = """
SELECT DISTINCT o.digest FROM pg_temp.roots o
LEFT JOIN pg_temp.released l ON l.run = o.run AND o.position < l.before
WHERE {} AND NOT EXISTS (SELECT FROM pg_temp.followed f WHERE f.digest = o.digest AND f.role = 0)
"""
_KEPT_ROOTS: Final = _DUE.format("l.run IS NULL")
_DOUBTFUL_ROOTS: Final = _DUE.format("NOT l.counts")
_BLOBS: Final = "SELECT digest, size, form, content FROM blobs WHERE digest = ANY(%s)"


class _Release(NamedTuple):
    before: int
    kept: frozenset[int]
    pins: frozenset[int]
    """as they stood at the release"""


class _End(NamedTuple):
    run: int
    position: int
    digest: bytes


class Marking:
    """Marks on one connection; ``advance`` brings them up to date."""

    def __init__(self, db: Database, large: LargeBlobs, tell: Tell) -> None:
        """Begin with nothing marked."""
        self._db = db
        self._large = large
        self._tell = tell
        self._events = 0
        self._objects = 0
        self._horizon = ""
        self._end = _End(0, 0, GENESIS)
        self._pins: dict[int, set[int]] = {}
        self._releases: dict[int, _Release] = {}
        db.execute(_TABLES.encode(), prepare=False)

    def advance(self) -> None:
        """All that the store names by now is marked.

        Raises ``BlobMissing`` and ``StoreDamaged`` for a tree that can't be followed: what is below it can't
        be told from garbage then.
        """
        horizon = text(self._one(_HORIZON))
        if self._horizon:
            self._scan_news()
        else:
            self._scan_all()
        self._horizon = horizon
        self._scan_claims()
        self._scan_posts()
        self._weigh_releases()
        # What has to be whole first: the rest may have gone in part already.
        for root in self._roots(_KEPT_ROOTS):
            self._follow(root, lenient=False)
        for root in self._roots(_DOUBTFUL_ROOTS):
            self._follow(root, lenient=True)

    # -- what names blobs ----------------------------------------------------------------------------

    def _scan_all(self) -> None:
        run = position = 0
        while rows := self._db.execute(_EVENTS, (run, position, PAGE), binary=True).fetchall():
            self._scan(rows)
            run, position = whole(rows[-1][0]), whole(rows[-1][2])

    def _scan_news(self) -> None:
        at: tuple[str, int, int] = (self._horizon, 0, 0)
        while fed := self._db.execute(_FED, (*at, PAGE), binary=True).fetchall():
            for _, run, first, last in fed:
                for begin in range(whole(first), whole(last) + 1, PAGE):
                    words = (run, begin, min(whole(last), begin + PAGE - 1))
                    self._scan(self._db.execute(_STRETCH, words, binary=True).fetchall())
            at = text(fed[-1][0]), whole(fed[-1][1]), whole(fed[-1][2])

    def _scan(self, rows: Sequence[tuple[object, ...]]) -> None:
        found: list[bytes] = []
        for row in rows:
            stored = Stored(text(row[1]), whole(row[2]), raw(row[3]), raw(row[4]))
            found += self._names_in(whole(row[0]), stored)
        self._reach(found)
        self._events += len(rows)
        self._tell("events", self._events, 0)

    def _names_in(self, run: int, stored: Stored) -> list[bytes]:
        """Return what an event names, its trees noted apart."""
        self._check(run, stored)
        found = _names(stored.frame)
        frame = peek(stored)
        known = frame.version <= VERSIONS.get(frame.kind, 1) and frame.kind in e.KINDS
        if frame.kind not in _KINDS and known:
            return found
        body = unseal(stored).body
        trees = self._note_trees(body, run, stored.position)
        match body:
            case e.CheckpointPinned():
                pins = self._pins.setdefault(run, set())
                (pins.add if body.pinned else pins.discard)(body.position)
            case e.CheckpointReleased():
                self._release(run, body)
            case _:
                pass
        return [name for name in found if name not in trees]

    def _note_trees(self, body: e.Body, run: int, position: int) -> list[bytes]:
        trees = [bytes.fromhex(tree) for tree in named_trees(body)]
        if trees:
            self._db.execute(_ROOTS, (trees, [run] * len(trees), [position] * len(trees)))
        return trees

    def _check(self, run: int, stored: Stored) -> None:
        before = self._end
        if (before.run, before.position) != (run, stored.position - 1):
            before = _End(run, stored.position - 1, self._digest_before(run, stored))
        if chain(before.digest, stored.frame) != stored.digest:
            raise StoreDamaged(f"{stored.run} at {stored.position}: the event isn't what was written")
        self._end = _End(run, stored.position, stored.digest)

    def _digest_before(self, run: int, stored: Stored) -> bytes:
        row = self._db.execute(_BEFORE, (run, stored.position - 1), binary=True).fetchone()
        if row is not None:
            return raw(row[0])
        # The first of its run: a fork's comes after its prefix.
        parts = stretches(self._db, stored.run)
        if stored.position != parts[-1].after + 1:
            raise StoreDamaged(f"{stored.run} at {stored.position - 1}: the event is gone")
        return digest_at(self._db, parts, stored.position - 1)

    def _release(self, run: int, body: e.CheckpointReleased) -> None:
        known = self._releases.get(run)
        if known is None or body.before > known.before:
            pins = frozenset(self._pins.get(run, ()))
            self._releases[run] = _Release(body.before, frozenset(body.kept), pins)

    def _scan_claims(self) -> None:
        last = 0
        while rows := self._db.execute(_CLAIMS, (last, PAGE), binary=True).fetchall():
            self._reach(name for _, result in rows for name in _names(raw(result)))
            last = whole(rows[-1][0])

    def _scan_posts(self) -> None:
        for run, kind, body in self._db.execute(_POSTS, binary=True).fetchall():
            self._reach(_names(raw(body)))
            if text(kind) not in e.KINDS:
                raise StoreNewer(f"a post of kind {text(kind)!r} waits, which is not known")
            if text(kind) in _KINDS:
                posted = msgspec.json.decode(raw(body), type=_KINDS[text(kind)])
                self._note_trees(posted, whole(run), _ASKED)

    def _weigh_releases(self) -> None:
        """A release that misses a fork or a pin doesn't count: what they need stays."""
        if not self._releases:
            return
        points: dict[int, set[int]] = {}
        for (name,) in self._db.execute(_FORKS, binary=True).fetchall():
            for part in stretches(self._db, text(name))[:-1]:
                points.setdefault(part.number, set()).add(part.last)
        for run, release in self._releases.items():
            needed = {at for at in release.pins | points.get(run, set()) if at < release.before}
            self._db.execute(_RELEASE, (run, release.before, needed <= release.kept))

    # -- trees ---------------------------------------------------------------------------------------

    def _roots(self, which: str) -> list[bytes]:
        return [raw(row[0]) for row in self._db.execute(which.encode(), binary=True).fetchall()]

    def _follow(self, root: bytes, *, lenient: bool) -> None:
        """Mark all that ``root`` needs; ``lenient``: as far as it is there."""
        stack = [(root, _ROOT)]
        while stack:
            page, stack = stack[-OBJECTS:], stack[:-OBJECTS]
            words = ([name for name, _ in page], [role for _, role in page])
            fresh = [
                (raw(name), whole(role))
                for name, role in self._db.execute(_FOLLOW, words, binary=True).fetchall()
            ]
            held = self._contents([name for name, _ in fresh])
            leaves: list[bytes] = []
            for name, role in fresh:
                leaves.append(name)
                if name not in held:
                    if not lenient:
                        raise BlobMissing(f"blob {name.hex()} is not in this store")
                    continue
                for below, part in _below(name, role, held[name]):
                    if part is None:
                        leaves.append(below)
                    else:
                        stack.append((below, part))
            self._reach(leaves)
            self._objects += len(fresh)
            self._tell("trees", self._objects, 0)

    def _contents(self, names: list[bytes]) -> dict[bytes, bytes]:
        held: dict[bytes, bytes] = {}
        for row in self._db.execute(_BLOBS, (names,), binary=True).fetchall():
            blob = Packed(raw(row[0]), whole(row[1]), whole(row[2]), raw(row[3]))
            if blob.form in (OUTSIDE, SPILLED):
                held[blob.digest] = self._large.read(blob.digest.hex())
            else:
                held[blob.digest] = small_part(blob, 0, blob.size)
        return held

    def _reach(self, names: Iterable[bytes]) -> None:
        found = list(names)
        if found:
            self._db.execute(_REACH, (found,))

    def _one(self, words: str) -> object:
        row = self._db.execute(words.encode(), binary=True).fetchone()
        return None if row is None else row[0]


def _names(stored: bytes) -> list[bytes]:
    found = cast("list[bytes]", _NAME.findall(stored))
    return [bytes.fromhex(name.decode()) for name in found]


def _below(name: bytes, role: int, stored: bytes) -> list[tuple[bytes, int | None]]:
    """Return what an object names and in which role; None for content."""
    try:
        if role == _RECIPE:
            return [(piece.blob, None) for piece in read_recipe(stored).pieces]
        entries = (read_root(stored).top,) if role == _ROOT else read_directory(stored)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"blob {name.hex()}, named as part of a tree, is none: {error}") from error
    found: list[tuple[bytes, int | None]] = []
    for entry in entries:
        if entry.kind == "dir":
            found.append((entry.content, _DIRECTORY))
        elif entry.kind == "file":
            found.append((entry.content, _RECIPE if entry.recipe else None))
    return found
