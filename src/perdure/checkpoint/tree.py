"""A directory as a Merkle tree: one object per directory, named by the digest of its bytes.

Invariants:
- Equal directories have equal trees, however they came about; an unchanged subdirectory is the same object.
- ``identity`` leaves modification times and what was left out by a rule aside: two trees with the same
  identity differ in nothing lasting.
- Names are bytes, as the file system has them. In Python a path is a ``str`` relative to the root, with
  ``/`` between its parts and surrogates for what is no UTF-8 (as ``os.fsdecode`` gives it).
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from perdure.values.digest import digest

Kind = Literal["file", "dir", "link", "hard", "secret", "fifo", "special", "left"]

FORM: Final = 1
"""Version of the stored form; a larger one is from a newer perdure."""

PART_PREFIX: Final = ".perdure-part-"
"""Names of half-written files of a restore begin so; no tree holds them, and the next restore removes them."""

CACHE_RULE: Final = b"cache:"
"""Rules of ``left`` entries begin so where whoever wrote the entry makes it anew from the files beside it
(compiled modules, a linter's memory): a restore removes such an entry instead of leaving it stale."""

Fetch = Callable[[str], bytes]
"""digest (hex) -> the object's bytes"""


class Entry(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One name in a directory.

    ``content`` by kind: ``file`` the digest of its bytes, or of its recipe; ``dir`` the digest of its object;
    ``link`` the target; ``hard`` the path of the name that holds the content (the first in tree order);
    ``secret`` the digest of bytes that are stored nowhere; ``special`` and ``fifo`` empty; ``left`` the rule
    by which it was left out.
    """

    name: bytes
    kind: Kind
    mode: int = 0
    """permission bits, set-user-id and sticky included"""
    size: int = 0
    """bytes; of a sparse file its apparent size"""
    mtime: int = 0
    """nanoseconds; of files only. It is put back and is no part of the identity"""
    content: bytes = b""
    recipe: bool = False
    """whether ``content`` names a recipe (see ``Recipe``) instead of the bytes themselves"""
    identity: bytes = b""
    """of a ``dir``: the digest of what is below it without times"""
    owner: tuple[int, int] | None = None
    """user and group id; None where they were not recorded"""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """extended attributes, sorted by name"""

    @property
    def lasting(self) -> tuple[object, ...]:
        """What tells two entries of one name apart, times left out."""
        held = self.identity if self.kind == "dir" else self.content
        return self.kind, self.mode, held, self.recipe, self.owner, self.xattrs


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of a large file: where it stands, how long it is, and the blob that holds it."""

    start: int
    size: int
    blob: bytes


class Recipe(msgspec.Struct, frozen=True, array_like=True):
    """A large or sparse file as pieces in order; what lies between them is a hole."""

    size: int
    pieces: tuple[Piece, ...]


class Root(msgspec.Struct, frozen=True, array_like=True):
    """The object that a tree's digest names. ``owners``: ownership and extended attributes were recorded."""

    form: int
    top: Entry
    owners: bool = False


class Object(NamedTuple):
    """An object ready to be stored under ``name`` (hex)."""

    name: str
    stored: bytes
    identity: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_directory = msgspec.msgpack.Decoder(tuple[Entry, ...]).decode
_recipe = msgspec.msgpack.Decoder(Recipe).decode
_root = msgspec.msgpack.Decoder(Root).decode


def directory_object(entries: tuple[Entry, ...]) -> Object:
    """Return a directory's object; ``entries`` have to be sorted by name."""
    stored = _encode(entries)
    # A cache that a tool makes beside the files changes nothing that a restore could put back.
    kept = tuple((entry.name, *entry.lasting) for entry in entries if entry.kind != "left")
    identity = digest(_encode(kept))
    return Object(digest(stored), stored, bytes.fromhex(identity))


def recipe_object(recipe: Recipe) -> Object:
    """Return the object of a large file's recipe."""
    stored = _encode(recipe)
    return Object(digest(stored), stored)


def root_object(top: Entry, *, owners: bool) -> Object:
    """Return the object that names the whole tree."""
    stored = _encode(Root(FORM, top, owners))
    return Object(digest(stored), stored, top.identity)


def read_root(stored: bytes) -> Root:
    """Return the root in ``stored``."""
    return _root(stored)


def read_directory(stored: bytes) -> tuple[Entry, ...]:
    """Return the entries in ``stored``, sorted by name."""
    return _directory(stored)


def read_recipe(stored: bytes) -> Recipe:
    """Return the recipe in ``stored``."""
    return _recipe(stored)


def decoded(name: bytes) -> str:
    """Return a name as a path holds it."""
    return name.decode("utf-8", "surrogateescape")


def encoded(path: str) -> bytes:
    """Return a path, or a part of one, as the file system has it."""
    return path.encode("utf-8", "surrogateescape")


def spelled(path: str) -> str:
    """Return a path as people, logs and JSON can hold it: what is no UTF-8 is escaped."""
    return encoded(path).decode("utf-8", "backslashreplace")


def walk(fetch: Fetch, tree: str) -> Iterator[tuple[str, Entry]]:
    """Yield all paths of ``tree`` with their entries, parents first, in tree order; the root is ``''``."""
    top = read_root(fetch(tree)).top
    yield "", top
    yield from _below(fetch, "", top)


def _below(fetch: Fetch, path: str, directory: Entry) -> Iterator[tuple[str, Entry]]:
    for entry in read_directory(fetch(directory.content.hex())):
        below = f"{path}/{decoded(entry.name)}" if path else decoded(entry.name)
        yield below, entry
        if entry.kind == "dir":
            yield from _below(fetch, below, entry)


def find(fetch: Fetch, tree: str, path: str) -> Entry | None:
    """Return the entry at ``path`` (``''`` is the root), or None."""
    entry = read_root(fetch(tree)).top
    for part in encoded(path).split(b"/") if path else ():
        if entry.kind != "dir":
            return None
        below = read_directory(fetch(entry.content.hex()))
        found = next((each for each in below if each.name == part), None)
        if found is None:
            return None
        entry = found
    return entry


def objects(fetch: Fetch, tree: str, seen: set[str]) -> Iterator[str]:
    """Yield the digests of all blobs that ``tree`` needs, its own first; those in ``seen`` are passed over.

    ``seen`` grows by what is yielded and followed, so many trees that share most of their objects are read once.
    """
    if tree not in seen:
        seen.add(tree)
        yield tree
    if _first_as("root", tree, seen):
        yield from _objects(fetch, read_root(fetch(tree)).top, seen)


def _first_as(role: str, name: str, seen: set[str]) -> bool:
    """Tell whether ``name`` is to be followed: once in each role, since a file may hold an object's very bytes."""
    key = f"{role} {name}"
    if key in seen:
        return False
    seen.add(key)
    return True


def _objects(fetch: Fetch, entry: Entry, seen: set[str]) -> Iterator[str]:
    if entry.kind not in ("dir", "file"):
        return
    name = entry.content.hex()
    if name not in seen:
        seen.add(name)
        yield name
    if not (entry.kind == "dir" or entry.recipe) or not _first_as(
        "recipe" if entry.recipe else "dir", name, seen
    ):
        return
    if entry.kind == "dir":
        for below in read_directory(fetch(name)):
            yield from _objects(fetch, below, seen)
    elif entry.recipe:
        for piece in read_recipe(fetch(name)).pieces:
            blob = piece.blob.hex()
            if blob not in seen:
                seen.add(blob)
                yield blob
