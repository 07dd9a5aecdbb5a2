"""What a task of the corpus is: an initial tree, what an agent does in it turn by turn, and how to judge the end.

Invariants:
- A task is deterministic: performed twice from nothing in one place it ends with the same tree (content, modes,
  links; not times) and the same answers. Dates of commits, locale, time zone and umask are fixed by ``PRELUDE``.
- A command is POSIX shell and stops at its first error, so a turn that meets a wrong tree fails instead of going on.
- The line ``# half`` in a command marks the place where a crash finds it half done; a command without it is
  killed at its end, before anyone has heard of its outcome.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

DAY: Final = "2024-05-01T12:00:00Z"
"""The date of everything that a task dates."""

HALF: Final = "# half"

PRELUDE: Final = (
    "set -e; umask 022; unset PYTHONPATH VIRTUAL_ENV GIT_DIR; "
    "export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 TZ=UTC HOME=/nonexistent "
    "PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 SOURCE_DATE_EPOCH=1714564800 "
    "GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=1 GIT_TERMINAL_PROMPT=0 "
    f"GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_AUTHOR_DATE={DAY} "
    f"GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com GIT_COMMITTER_DATE={DAY} "
    "GIT_EDITOR=true PAGER=cat;\n"
)
"""Stands in front of every command, so that it runs the same whoever runs it."""

Needs = Literal["files", "processes"]


class Shell(NamedTuple):
    """A command. ``looks``: it changes nothing lasting. ``port`` stands for ``{port}`` in any command."""

    command: str
    looks: bool = False


class Write(NamedTuple):
    """The coding tool writes a file whole."""

    path: str
    content: str


class Edit(NamedTuple):
    """The coding tool replaces one passage of a file."""

    path: str
    old: str
    new: str


class Read(NamedTuple):
    """The coding tool reads a file."""

    path: str


class Serve(NamedTuple):
    """A service is started under a name; it runs until it is stopped, or the task ends."""

    name: str
    command: str


class Stop(NamedTuple):
    """The service of that name is ended."""

    name: str


Turn = Shell | Write | Edit | Read | Serve | Stop

NO_FILES: Final[Mapping[str, str]] = MappingProxyType({})


class Task(NamedTuple):
    """One piece of work. ``questions`` are commands that are asked at the end; their output is compared."""

    name: str
    exercises: str
    turns: tuple[Turn, ...]
    files: Mapping[str, str] = NO_FILES
    """written first, each whole; those that begin with ``#!`` can be run"""
    setup: str = ""
    """a command that completes the initial tree"""
    questions: tuple[str, ...] = ()
    needs: Needs = "files"
    """``processes``: what its services hold in memory is part of the work"""
    requires: tuple[str, ...] = ()
    """programs that have to be there; ``root`` for what only root may do"""

    beyond_images: str = ""
    """why process images don't promise to recover it; empty where they do"""

    @property
    def reading_turns(self) -> int:
        """How many turns change nothing lasting."""
        return sum(isinstance(turn, Read) or (isinstance(turn, Shell) and turn.looks) for turn in self.turns)


def look(command: str) -> Shell:
    """Return a command that only looks."""
    return Shell(command, looks=True)
