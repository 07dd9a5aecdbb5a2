"""What differs between two trees, in tree order; what both share is never read."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from perdure.checkpoint.tree import Entry, Fetch, decoded, read_directory, read_root

Change = Literal["created", "changed", "deleted"]


class PathDifference(NamedTuple):
    """One path that is otherwise in the later tree. A directory differs by itself only in its own attributes."""

    path: str
    change: Change
    before: Entry | None
    after: Entry | None
    times_only: bool = False
    """nothing lasting differs: the identities of both trees don't show it"""


class Renamed(NamedTuple):
    """A path that seems to have gone elsewhere: what was deleted here was created there."""

    before: str
    after: str


Pair = tuple[Entry | None, Entry | None]


def compare(fetch: Fetch, before: str, after: str) -> Iterator[PathDifference]:
    """Yield what differs from tree ``before`` to tree ``after``, parents first.

    Either may be ``''``, a tree with nothing in it. The root itself differs only where both have one. Owners
    and extended attributes count only where both trees recorded them.
    """
    first = read_root(fetch(before)) if before else None
    second = read_root(fetch(after)) if after else None
    owners = first is None or second is None or (first.owners and second.owners)
    pair = (first.top if first else None, second.top if second else None)
    if first and second:
        yield from _between(fetch, "", pair, owners=owners)
    else:
        yield from _below(fetch, "", pair, owners=owners)


def own(entry: Entry, *, owners: bool) -> tuple[object, ...]:
    """Return what tells ``entry`` from another of its name, leaving out times and what is below it."""
    held = b"" if entry.kind == "dir" else entry.content
    attributes = (entry.owner, entry.xattrs) if owners else ()
    return entry.kind, entry.mode, held, entry.recipe, *attributes


def pairs(fetch: Fetch, before: Entry | None, after: Entry | None) -> Iterator[tuple[bytes, Pair]]:
    """Yield the names in either directory, sorted, with their entries; what is no directory has no names."""
    first = {entry.name: entry for entry in below(fetch, before)}
    second = {entry.name: entry for entry in below(fetch, after)}
    for name in sorted(first.keys() | second.keys()):
        yield name, (first.get(name), second.get(name))


def below(fetch: Fetch, entry: Entry | None) -> tuple[Entry, ...]:
    """Return the entries of a directory; of anything else, none."""
    if entry is None or entry.kind != "dir":
        return ()
    return read_directory(fetch(entry.content.hex()))


def join(path: str, name: bytes) -> str:
    """Return the path of ``name`` in the directory ``path``."""
    return f"{path}/{decoded(name)}" if path else decoded(name)


def _between(fetch: Fetch, path: str, pair: Pair, *, owners: bool) -> Iterator[PathDifference]:
    before, after = pair
    if before is None or after is None:
        yield PathDifference(path, "created" if before is None else "deleted", before, after)
    elif own(before, owners=owners) != own(after, owners=owners):
        yield PathDifference(path, "changed", before, after)
    elif before.kind == "file" and before.mtime != after.mtime:
        yield PathDifference(path, "changed", before, after, times_only=True)
    yield from _below(fetch, path, pair, owners=owners)


def _below(fetch: Fetch, path: str, pair: Pair, *, owners: bool) -> Iterator[PathDifference]:
    before, after = pair
    if before and after and before.kind == after.kind == "dir" and before.content == after.content:
        return
    for name, entries in pairs(fetch, before, after):
        yield from _between(fetch, join(path, name), entries, owners=owners)


def renames(differences: Iterable[PathDifference]) -> tuple[Renamed, ...]:
    """Return which of ``differences`` look like renames: the same content, gone here and come there.

    For display only. Empty files are too alike to tell; where several are equal they are paired in tree
    order. A directory that moved whole is one rename, and what is below it none.
    """
    gone: dict[tuple[str, bytes], list[str]] = {}
    come: list[tuple[str, Entry]] = []
    for path, change, before, after, _ in differences:
        if change == "deleted" and before and (mark := _mark(before)):
            gone.setdefault(mark, []).append(path)
        elif change == "created" and after and _mark(after):
            come.append((path, after))
    found: list[Renamed] = []
    moved: list[Renamed] = []
    for path, entry in come:
        sources = gone.get(_mark(entry) or ("", b""), [])
        sources = [each for each in sources if not any(_is_below(each, whole.before) for whole in moved)]
        if not sources or any(_is_below(path, whole.after) for whole in moved):
            continue
        rename = Renamed(sources[0], path)
        gone[_mark(entry) or ("", b"")].remove(sources[0])
        found.append(rename)
        if entry.kind == "dir":
            moved.append(rename)
    return tuple(found)


def _mark(entry: Entry) -> tuple[str, bytes] | None:
    """Return what two paths share if one became the other, or None where that says nothing."""
    match entry.kind:
        case "file" if entry.size:
            return "file", entry.content
        case "dir":
            return "dir", entry.identity
        case _:
            return None


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(directory + "/")
