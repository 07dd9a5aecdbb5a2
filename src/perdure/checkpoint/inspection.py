"""What a look at a workspace finds: the nouns that scanners, sandboxes, the driver and the log share."""

from typing import Literal, NamedTuple

from perdure.log.events import PathChanged

What = Literal["none", "files", "processes", "both", "unknown"]
"""What has changed since the checkpoint before, as far as recovery needs it."""

Level = Literal["L0", "L1", "L2"]


class Window(NamedTuple):
    """The time in which one effect may have changed the workspace; ns, ``ends`` is 0 while it is open."""

    key: str
    begins: int
    ends: int


class Inspection(NamedTuple):
    """The workspace as recorded. Everything that ``tree`` and ``image`` name is in the store."""

    tree: str
    what: What
    files: int = 0
    new_bytes: int = 0
    """of content that was not in the store"""
    changes: tuple[PathChanged, ...] = ()
    """all of them, against the tree that was known"""
    torn: tuple[str, ...] = ()
    left: int = 0
    level: Level = "L0"
    image: str = ""
    notes: tuple[str, ...] = ()


class Restored(NamedTuple):
    """The workspace as put back: paths written and deleted, and what could not be put back."""

    written: int
    deleted: int
    kept: int = 0
    image: str = ""
    notes: tuple[str, ...] = ()
    saved: str = ""
    """the tree of what was there before; all that it names is in the store"""
