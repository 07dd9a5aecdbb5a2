"""The nouns of a plan: every step by which the present becomes another tree, before the first is taken."""

from typing import Literal, NamedTuple

from perdure.checkpoint.tree import Entry

Verb = Literal["clear", "unlink", "rmdir", "mkdir", "write", "link", "hard", "fifo", "amend"]
"""``clear`` removes whatever stands there, with all below. ``hard`` gives the file at ``entry.content`` a further
name. ``amend`` puts mode, owner, extended attributes and time right, and leaves the content."""


class RestoreStep(NamedTuple):
    """One thing to be done at ``path``; ``entry`` is what is wanted there, None where nothing is."""

    verb: Verb
    path: str
    entry: Entry | None = None


class Unrestorable(NamedTuple):
    """A path that can't be made what it was, and why. It stays as it is."""

    path: str
    why: str


class Plan(NamedTuple):
    """What is to be done, in order, and what that means to a person."""

    steps: tuple[RestoreStep, ...]
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    """caches that no tree holds: they are removed, since they would be stale"""
    unrestorable: tuple[Unrestorable, ...] = ()
    kept: tuple[str, ...] = ()
    """paths that differ and stay, because the caller said so"""
    directories: tuple[str, ...] = ()
    """of the present: where an interrupted restore may have left something"""
    repositories: tuple[str, ...] = ()
    """``.git`` directories of the present that the steps reach into, or into whose work tree they do"""

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.steps
