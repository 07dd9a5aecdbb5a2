"""Look at one path of a tree, following no link: what an overlay holds, and what lies below it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = "user.overlay."
"""Attributes that the kernel's overlay keeps for itself."""

_ESCAPED: Final = MARK + "overlay."
"""How the kernel keeps an attribute that a program itself named like a mark."""

_UNREAD: Final = b"\0unread"
_PIECE_BYTES: Final = 1024 * 1024


def entries(top: str, path: str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a directory, by name."""
    with os.scandir(f"{top}/{path}" if path else top) as found:
        yield from sorted(found, key=lambda entry: entry.name)


def stat_of(top: str, path: str) -> os.stat_result | None:
    """Return what stands at a path, or None if nothing does."""
    try:
        return os.lstat(f"{top}/{path}" if path else top)
    except (FileNotFoundError, NotADirectoryError):
        return None


def looks(found: os.stat_result) -> tuple[int, int, int]:
    """Return what a person sees of a path but its content and times."""
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def attributes(top: str, path: str) -> dict[str, bytes]:
    """Return the attributes that a file's owner sets: their own, and its access list.

    One that may not be read has a value that no other has.
    """
    whole = f"{top}/{path}"
    try:
        names = os.listxattr(whole, follow_symlinks=False)
    except OSError:
        return {}  # A file system without attributes.
    return {name: _value(whole, name) for name in names if name.startswith(("user.", "system.posix_acl"))}


def program_attributes(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return what a program sees of the attributes ``found`` in an upper directory: none of the marks."""
    seen = {name: value for name, value in found.items() if not name.startswith(MARK)}
    for name, value in found.items():
        if name.startswith(_ESCAPED):
            seen["user." + name.removeprefix(MARK)] = value
    return seen


def same_content(one: str, other: str) -> bool:
    """Tell whether two files hold the same bytes; what may not be read is not the same."""
    try:
        with Path(one).open("rb") as here, Path(other).open("rb") as there:
            while (piece := here.read(_PIECE_BYTES)) == there.read(_PIECE_BYTES):
                if not piece:
                    return True
    except PermissionError:
        return False
    return False


def owner_rights(found: os.stat_result) -> int:
    """Return the mode bits that its owner needs to do anything with a file or directory; else 0."""
    if stat.S_ISDIR(found.st_mode):
        return stat.S_IRWXU
    return stat.S_IRUSR | stat.S_IWUSR if stat.S_ISREG(found.st_mode) else 0


def _value(whole: str, name: str) -> bytes:
    try:
        return os.getxattr(whole, name, follow_symlinks=False)
    except PermissionError:
        return _UNREAD + whole.encode(errors="surrogateescape")
