"""What a plan has to know of a whole tree, beside what differs: names of one file, caches, repositories."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from perdure.checkpoint.tree import Entry, Fetch, walk

_GIT: Final = ".git"


class Survey(NamedTuple):
    """One tree, read once."""

    entries: dict[str, Entry]
    """of all paths but the root's, in tree order"""
    hard: dict[str, str]
    """further names of files, with the name that holds the content"""
    repositories: frozenset[str]
    """directories called ``.git``"""


def survey(fetch: Fetch, tree: str) -> Survey:
    """Return what stands in ``tree``; ``''`` is a tree with nothing in it."""
    entries = dict(walk(fetch, tree)) if tree else {}
    entries.pop("", None)
    return Survey(
        entries,
        {
            path: entry.content.decode("utf-8", "surrogateescape")
            for path, entry in entries.items()
            if entry.kind == "hard"
        },
        frozenset(path for path, entry in entries.items() if entry.kind == "dir" and _last(path) == _GIT),
    )


def above(path: str) -> Iterator[str]:
    """Yield the directories that hold ``path``, the nearest first; the root (``''``) last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def parent(path: str) -> str:
    """Return the directory that holds ``path``."""
    return path.rpartition("/")[0]


def objects_of_git(path: str) -> str | None:
    """Return the directory of git's objects that ``path`` is below, or None.

    Those of submodules and worktrees, which lie deeper in ``.git``, count too.
    """
    parts = path.split("/")
    if _GIT not in parts:
        return None
    at = next((at for at in range(parts.index(_GIT), len(parts) - 1) if parts[at] == "objects"), None)
    return None if at is None else "/".join(parts[: at + 1])


def _last(path: str) -> str:
    return path.rpartition("/")[2]
