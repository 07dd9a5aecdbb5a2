"""Paths followed from a root, name by name, so that nobody leads them out of it.

Invariants:
- Each step opens one name of a directory that is held open, and never follows a symbolic link by itself:
  a name that is swapped for a link, at any moment, ends the way or is read as a link by the same rules.
- A link is followed by hand: what it says is walked from the root on, and a ``..`` goes back to the
  directory that was held before. What leads above the root, or is absolute and not below it
  (``/proc/self/root`` too), is refused.
- ``Spot.path`` is the way that was really gone, without links: what a contract's reach is asked about.

The kernel's own ``openat2(RESOLVE_BENEATH)`` confines as well, but doesn't tell where it arrived, and a
reach that forbids ``.env`` would be asked about the name of a link to it.
"""

import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.tools.outcomes import NotDone
from perdure.values.limits import LINKS_FOLLOWED_MAX

_STEP: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class Spot(NamedTuple):
    """A name in a directory that is held open."""

    directory: int
    """its descriptor, for as long as the spot is held"""
    name: str
    """'.' where the spot is the root itself"""
    path: str
    """relative to the root and through no link; '.' is the root"""
    made: tuple[str, ...]
    """the directories that were made on the way, outermost first"""


Judge = Callable[[str], None]
"""Raises ``NotDone`` where a path (relative to the root, through no link) may not be touched."""


@contextmanager
def reached(root: Path, path: str, *, make: Judge | None = None) -> Generator[Spot]:
    """Hold the spot that ``path`` names below ``root``, existing or not; its last name is no link.

    ``make``: directories that are missing on the way are made, and go again if the body raises; it is asked
    first, with the path of the spot. Raises ``NotDone`` where the path leads out, and ``OSError`` where the
    way is missing or barred.
    """
    way = _Way(root)
    try:
        yield way.to(parts_of(root, path), make=make)
    except BaseException:
        way.unmake()
        raise
    finally:
        way.close()


def parts_of(root: Path, path: str) -> list[str]:
    """Return the names of ``path``, which may be absolute if it stands below ``root``; ``..`` is worked out.

    It is worked out in the text, as a contract's reach does, and not through links.
    """
    if "\0" in path or path.startswith("~"):
        cure = "write the path from the workspace on" if path else "give a path"
        raise NotDone(f"{path!r} is no path here; {cure}")
    absolute = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and not kept:
            raise NotDone(f"{path!r} leads out of the workspace")
        if part == "..":
            kept.pop()
        elif part not in {"", "."}:
            kept.append(part)
    return _below(root, kept, path) if absolute else kept


def _below(root: Path, parts: list[str], path: str) -> list[str]:
    own = list(root.parts[1:])
    if parts[: len(own)] != own:
        raise NotDone(f"{path!r} leads out of the workspace, which is {root}")
    return parts[len(own) :]


class _Way:
    """The directories between the root and where we are, all held open."""

    def __init__(self, root: Path) -> None:
        self._root: Path = root
        self._held: list[int] = [os.open(root, _STEP)]
        self._names: list[str] = []
        self._made: list[tuple[int, str, str]] = []

    def to(self, parts: list[str], *, make: Judge | None) -> Spot:
        """Go along ``parts`` and return the spot of the last."""
        ahead = parts[::-1]
        links = 0
        while ahead:
            part = ahead.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                self._up()
                continue
            target = self._link(part)
            if target is not None:
                links += 1
                if links > LINKS_FOLLOWED_MAX:
                    raise NotDone(f"{part!r} is one of more than {LINKS_FOLLOWED_MAX} symbolic links")
                ahead += self._followed(part, target)[::-1]
            elif all(each in {"", "."} for each in ahead):
                return self._spot(part, "/".join((*self._names, part)))
            else:
                self._down(part, ahead, make)
        return self._spot(".", "/".join(self._names) or ".")

    def close(self) -> None:
        """Let go of all directories."""
        for descriptor in (*self._held, *(each[0] for each in self._made)):
            os.close(descriptor)
        self._held, self._made = [], []

    def unmake(self) -> None:
        """Take away the directories that were made, as far as they are empty."""
        for directory, name, _ in reversed(self._made):
            with suppress(OSError):
                os.rmdir(name, dir_fd=directory)

    def _spot(self, name: str, path: str) -> Spot:
        return Spot(self._held[-1], name, path, tuple(made for _, _, made in self._made))

    def _link(self, name: str) -> str | None:
        """Return what a link says; None for everything else, and for what isn't there."""
        try:
            return os.readlink(name, dir_fd=self._held[-1])
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            raise

    def _followed(self, name: str, target: str) -> list[str]:
        parts = target.split("/")
        if not target.startswith("/"):
            return parts
        own = ["", *self._root.parts[1:]]
        if parts[: len(own)] != own:
            raise NotDone(f"{name!r} is a symbolic link that leads out of the workspace")
        while self._names:
            self._up()
        return parts[len(own) :]

    def _up(self) -> None:
        if not self._names:
            raise NotDone("a symbolic link on the way leads out of the workspace")
        self._names.pop()
        os.close(self._held.pop())

    def _down(self, name: str, ahead: list[str], make: Judge | None) -> None:
        try:
            below = self._step(name)
        except FileNotFoundError:
            if make is None:
                raise
            # nothing is below what isn't there, so what lies ahead are plain names
            make(os.path.normpath("/".join((*self._names, name, *reversed(ahead)))))
            self._make(name)
            below = self._step(name)
        self._held.append(below)
        self._names.append(name)

    def _step(self, name: str) -> int:
        return os.open(name, _STEP | os.O_NOFOLLOW, dir_fd=self._held[-1])

    def _make(self, name: str) -> None:
        with suppress(FileExistsError):  # someone else was quicker, and it is theirs
            os.mkdir(name, dir_fd=self._held[-1])
            self._made.append((os.dup(self._held[-1]), name, "/".join((*self._names, name))))
