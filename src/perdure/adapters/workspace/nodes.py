"""A directory as it was last seen: the tree's entries with the marks by which a change shows.

Invariants:
- Nodes are frozen; a pass makes new ones for what changed and shares the others.
- ``Folder.entry`` names the object that ``Folder.entries`` encode to.
"""

from collections.abc import Callable, Mapping

import msgspec

from perdure.adapters.workspace.marks import Marks
from perdure.checkpoint.compare import below
from perdure.checkpoint.tree import Entry, Fetch, encoded, read_recipe


class Sheet(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A name that is no directory."""

    marks: Marks
    entry: Entry
    """what the tree holds"""
    body: Entry
    """the same, but never ``hard``: what the tree holds if this is the first name of its content"""
    calm: bool
    """the marks were settled: as long as they are the same, so is the content"""
    steady: bool
    """``calm``, and nothing else has a say in it: it has no other name"""


class Folder(msgspec.Struct, frozen=True):
    """A directory with all that is below it."""

    marks: Marks
    calm: bool
    """the marks were settled: as long as they are the same, so are the names"""
    below: Mapping[bytes, "Sheet | Folder"]
    """sorted by name"""
    aside: tuple[Entry, ...]
    """what a rule leaves out"""
    entries: tuple[Entry, ...]
    entry: Entry
    files: int
    """names below that are no directories"""
    left: int
    """names below that rules leave out"""
    restless: int
    """sheets below that aren't steady: each pass looks at them"""


Node = Sheet | Folder


def folder_of(
    marks: Marks, entry: Entry, below: Mapping[bytes, Node], aside: tuple[Entry, ...], *, calm: bool
) -> Folder:
    """Return the node of a directory whose own entry is made."""
    sheets = [node for node in below.values() if isinstance(node, Sheet)]
    folders = [node for node in below.values() if isinstance(node, Folder)]
    restless = sum(not sheet.steady for sheet in sheets)
    return Folder(
        marks,
        calm,
        below,
        aside,
        entries_of(below, aside),
        entry,
        files=len(sheets) + sum(folder.files for folder in folders),
        left=len(aside) + sum(folder.left for folder in folders),
        restless=restless + sum(folder.restless + (not folder.calm) for folder in folders),
    )


def entries_of(below: Mapping[bytes, Node], aside: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries of a directory as its object has them."""
    return tuple(sorted((*(node.entry for node in below.values()), *aside), key=lambda entry: entry.name))


def at(top: Folder, path: str) -> Node | None:
    """Return the node at ``path`` (``''`` is the root), or None."""
    node: Node | None = top
    for part in encoded(path).split(b"/") if path else ():
        node = node.below.get(part) if isinstance(node, Folder) else None
    return node


def all_kept(top: Folder, known: Entry | None, fetch: Fetch, has: Callable[[str], bool]) -> bool:
    """Whether the store has all that the nodes name; what ``known`` names too, it has."""
    if known is not None and known.content == top.entry.content:
        return True
    if not has(top.entry.content.hex()):
        return False
    entries = {entry.name: entry for entry in below(fetch, known)}
    for name, node in top.below.items():
        entry = entries.get(name)
        if isinstance(node, Folder):
            if not all_kept(node, entry, fetch, has):
                return False
        elif _is_another(node.body, entry) and not _has_content(node.body, fetch, has):
            return False
    return True


def _is_another(body: Entry, known: Entry | None) -> bool:
    return body.kind == "file" and (known is None or known.content != body.content)


def _has_content(body: Entry, fetch: Fetch, has: Callable[[str], bool]) -> bool:
    name = body.content.hex()
    if not has(name):
        return False
    return not body.recipe or all(has(piece.blob.hex()) for piece in read_recipe(fetch(name)).pieces)
