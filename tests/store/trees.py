"""Trees and events that name them, as a recording would make them, and a look at whether all of it is there."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw

from perdure.adapters.sqlite.store import SqliteStore
from perdure.checkpoint.tree import (
    Entry,
    Object,
    Piece,
    Recipe,
    directory_object,
    objects,
    recipe_object,
    root_object,
)
from perdure.log import events as e
from perdure.log.envelope import Event, Stored, seal, unseal
from perdure.log.garbage import Collected
from perdure.log.naming import named_blobs, named_trees
from perdure.log.port import Batch
from tests.conformance.stores import Store, Writer, blob, forked_run, opened_run


class Tree:
    """A tree with everything that it needs, children first."""

    def __init__(self, seed: int, *, large: bool = False) -> None:
        """Grow a tree from ``seed``; files are shared between seeds, as between turns."""
        chance = random.Random(seed)
        self.blobs: dict[str, bytes] = {}
        if large:
            below = self._directory(b"below", chance, 1)
            entries = (below, self._file(b"large", chance.randbytes(1_500_000)))
            top = self._entry(b"", directory_object(entries))
        else:
            top = self._directory(b"", chance, 2)
        root = root_object(top, owners=False)
        self.blobs[root.name] = root.stored
        self.name: str = root.name

    def _directory(self, name: bytes, chance: random.Random, depth: int) -> Entry:
        entries: list[Entry] = []
        for number in range(chance.randrange(1, 4)):
            if depth and chance.random() < 0.5:
                entries.append(self._directory(b"d%d" % number, chance, depth - 1))
            elif chance.random() < 0.3:
                entries.append(self._in_pieces(b"f%d" % number, chance))
            else:
                entries.append(self._file(b"f%d" % number, b"content %d" % chance.randrange(12)))
        return self._entry(name, directory_object(tuple(entries)))

    def _file(self, name: bytes, content: bytes) -> Entry:
        digest, _ = blob(content)
        self.blobs[digest] = content
        return Entry(name, "file", 0o644, len(content), 1, bytes.fromhex(digest))

    def _in_pieces(self, name: bytes, chance: random.Random) -> Entry:
        pieces: list[Piece] = []
        for number in range(2):
            content = b"piece %d" % chance.randrange(6)
            digest, _ = blob(content)
            self.blobs[digest] = content
            pieces.append(Piece(number * 100, len(content), bytes.fromhex(digest)))
        made = recipe_object(Recipe(200, tuple(pieces)))
        self.blobs[made.name] = made.stored
        return Entry(name, "file", 0o644, 200, 1, bytes.fromhex(made.name), recipe=True)

    def _entry(self, name: bytes, made: Object) -> Entry:
        self.blobs[made.name] = made.stored
        return Entry(name, "dir", 0o755, content=bytes.fromhex(made.name), identity=made.identity)

    def put(self, store: Store) -> None:
        """All of it is in the store, ahead of the event that will name it."""
        for name, content in self.blobs.items():
            store.put(name, content)


def sealed(writer: Writer, *bodies: e.Body) -> list[Stored]:
    found: list[Stored] = []
    head = writer.head
    for position, body in enumerate(bodies, writer.position + 1):
        found.append(seal(Event(writer.run, position, position, writer.epoch, position, body), head))
        head = found[-1].digest
    return found


def say(writer: Writer, *bodies: e.Body, blobs: Sequence[tuple[str, bytes]] = ()) -> int:
    """Append ``bodies`` and return the run's new end."""
    writer.append(Batch(writer.run, writer.position, writer.epoch, sealed(writer, *bodies), blobs))
    return writer.position


def taken(tree: str, image: str = "") -> e.CheckpointTaken:
    return e.CheckpointTaken(tree, 1, 1, image=image)


def bodies(store: Store, run: str) -> Iterator[tuple[int, e.Body]]:
    after = 0
    while page := store.read(run, after):
        yield from ((stored.position, unseal(stored).body) for stored in page)
        after = page[-1].position


def needed(store: Store, body: e.Body) -> Iterator[str]:
    """Yield all that an event reaches, reading it from the store."""
    trees = named_trees(body)
    yield from (name for name in named_blobs(body) if name not in trees)
    for tree in trees:
        yield from objects(store.get, tree, set())


def must_be_whole(store: Store) -> int:
    """Read all that any event of any run reaches; return how many blobs that is."""
    found: set[str] = set()
    for row in store.rows():
        for _, body in bodies(store, row.run):
            for name in needed(store, body):
                if name not in found:
                    store.get(name)
                    found.add(name)
    return len(found)


LARGE = blob(random.Random(1).randbytes(1_500_000))


def collected(place: Path, *, grace: float = 0, trial: bool = False) -> Collected:
    """Collect as another process would."""
    with SqliteStore(place) as other:
        return other.collect(grace_seconds=grace, trial=trial)


def here(place: Path) -> set[str]:
    """Return the names of all blobs that are here, condemned or not."""
    db = apsw.Connection(str(place / "log.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {row[0].hex() for row in db.execute("SELECT digest FROM blobs")}
    finally:
        db.close()


def files(place: Path) -> list[Path]:
    return sorted((place / "blobs").rglob("*.zst*"))


def let_go(writer: Writer, before: int, *kept: tuple[int, Tree]) -> int:
    body = e.CheckpointReleased(
        before, "ann", tuple(at for at, _ in kept), tuple(tree.name for _, tree in kept)
    )
    return say(writer, body)


def five_checkpoints(store: SqliteStore) -> tuple[Writer, list[Tree]]:
    trees = [Tree(seed, large=True) for seed in range(5)]
    writer = opened_run(store)
    for tree in trees:
        tree.put(store)
        say(writer, taken(tree.name))
    return writer, trees


def a_release_that_misses_something(place: Path, needs: str) -> None:
    """A release that forgot what ``needs`` it doesn't count: all trees are there after a collection."""
    with SqliteStore(place) as store:
        writer, trees = five_checkpoints(store)
        if needs == "pin":
            say(writer, e.CheckpointPinned(2, "ann"))
        let_go(writer, 4)
        if needs != "pin":
            forked_run(store, "march", 2 if needs == "fork" else 5, "fork")
        if needs == "fork of a fork":
            forked_run(store, "fork", 2, "second")
        collected(place)
        assert all(store.has(name) for tree in trees for name in tree.blobs)
