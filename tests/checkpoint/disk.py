"""A directory in memory that knows names and inodes: what a plan's steps do to it, and what is recorded of it.

It shares nothing with the planner: a step that a file system would refuse is refused here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from perdure.checkpoint.steps import RestoreStep
from perdure.checkpoint.tree import Entry, Kind, decoded, directory_object, encoded, root_object
from perdure.values.digest import digest


@dataclass(eq=False)
class Inode:
    """What a name leads to. Two names of one file lead to the same object."""

    kind: Kind
    mode: int = 0o644
    content: bytes = b""
    """of files and secrets their bytes; of links their target; of what was left out its rule"""
    mtime: int = 0
    names: "dict[bytes, Inode]" = field(default_factory=dict)
    """of a directory"""


@dataclass
class Recorded:
    """A tree with all its objects."""

    tree: str
    objects: dict[str, bytes]
    identity: bytes

    def fetch(self, name: str) -> bytes:
        """Return a stored object."""
        return self.objects[name]


class Refused(Exception):
    """A file system would not do that."""


def both(first: Recorded, second: Recorded) -> dict[str, bytes]:
    """Return the objects of two trees."""
    return first.objects | second.objects


def record(top: Inode) -> Recorded:
    """Return the tree of the directory ``top``: the first name of a file in tree order holds its content."""
    objects: dict[str, bytes] = {}
    seen: dict[int, str] = {}
    entry = _directory(top, b"", "", objects, seen)
    root = root_object(entry, owners=False)
    objects[root.name] = root.stored
    return Recorded(root.name, objects, entry.identity)


def _directory(node: Inode, name: bytes, path: str, objects: dict[str, bytes], seen: dict[int, str]) -> Entry:
    entries: list[Entry] = []
    for each in sorted(node.names):
        below = f"{path}/{decoded(each)}" if path else decoded(each)
        child = node.names[each]
        entries.append(
            _directory(child, each, below, objects, seen)
            if child.kind == "dir"
            else _leaf(child, each, below, objects, seen)
        )
    made = directory_object(tuple(entries))
    objects[made.name] = made.stored
    return Entry(name, "dir", node.mode, content=bytes.fromhex(made.name), identity=made.identity)


def _leaf(node: Inode, name: bytes, path: str, objects: dict[str, bytes], seen: dict[int, str]) -> Entry:
    if node.kind == "file" and id(node) in seen:
        return Entry(name, "hard", node.mode, len(node.content), content=encoded(seen[id(node)]))
    seen[id(node)] = path
    match node.kind:
        case "file":
            objects[digest(node.content)] = node.content
            held = bytes.fromhex(digest(node.content))
            return Entry(name, "file", node.mode, len(node.content), node.mtime, held)
        case "secret":
            return Entry(name, "secret", node.mode, content=bytes.fromhex(digest(node.content)))
        case _:
            return Entry(name, node.kind, node.mode, content=node.content)


def find(top: Inode, path: str) -> Inode | None:
    """Return what ``path`` leads to."""
    node = top
    for part in encoded(path).split(b"/") if path else ():
        if node.kind != "dir" or part not in node.names:
            return None
        node = node.names[part]
    return node


def paths(top: Inode, above: str = "") -> Iterator[tuple[str, Inode]]:
    """Yield all paths below ``top``."""
    for name, node in sorted(top.names.items()):
        path = f"{above}/{decoded(name)}" if above else decoded(name)
        yield path, node
        yield from paths(node, path)


MADE = {"write": "file", "link": "link", "hard": "hard", "fifo": "fifo"}


def take(top: Inode, step: RestoreStep, objects: dict[str, bytes]) -> None:
    """The step is done, or refused as a file system would refuse it."""
    directory, _, last = step.path.rpartition("/")
    parent, name = find(top, directory), encoded(last)
    if parent is None or parent.kind != "dir":
        raise Refused(f"{step}: no such directory")
    found = parent.names.get(name) if step.path else top
    if not _allowed(step, found):
        raise Refused(f"{step}: {found} stands there")
    match step:
        case RestoreStep("clear" | "unlink" | "rmdir"):
            del parent.names[name]
        case RestoreStep("mkdir"):
            parent.names[name] = Inode("dir", 0o700)
        case RestoreStep("amend", _, Entry() as entry) if found is not None:
            found.mode = entry.mode
            found.mtime = entry.mtime if found.kind == "file" else 0
        case RestoreStep(_, _, Entry() as entry):
            parent.names[name] = _made(top, entry, objects)
        case _:
            raise Refused(f"{step}: what is wanted?")


def _allowed(step: RestoreStep, found: Inode | None) -> bool:
    kind = found.kind if found is not None else ""
    match step:
        case RestoreStep("clear"):
            return kind == "left"
        case RestoreStep("unlink"):
            return kind not in ("", "dir")
        case RestoreStep("rmdir"):
            return found is not None and kind == "dir" and not found.names
        case RestoreStep("mkdir"):
            return not kind
        case RestoreStep("amend", _, Entry() as entry) if found is not None and kind == "file":
            return entry.kind == "file" and digest(found.content) == entry.content.hex()
        case RestoreStep("amend", _, Entry() as entry):
            return kind == entry.kind
        case RestoreStep(verb, _, Entry() as entry):
            return kind != "dir" and MADE[verb] == entry.kind
        case _:
            return False


def _made(top: Inode, entry: Entry, objects: dict[str, bytes]) -> Inode:
    match entry.kind:
        case "hard":
            first = find(top, decoded(entry.content))
            if first is None or first.kind != "file":
                raise Refused(f"{decoded(entry.content)}: no file to give another name to")
            return first
        case "file":
            return Inode("file", entry.mode, objects[entry.content.hex()], entry.mtime)
        case _:
            return Inode(entry.kind, entry.mode, entry.content)
