"""What of a tree has to be the same after recovery: its portrait, and where two portraits differ.

Content, kind, mode, link targets, which names share a file, and as root owners and extended attributes count.
Times don't. Git keeps the times and inode numbers of its files in its index as a cache: of an index what it
says about content counts, path by path. Nothing else is made more alike than it is.
"""

import hashlib
import os
import stat
import struct
from collections import defaultdict
from pathlib import Path
from typing import Final

Portrait = dict[str, str]
"""path -> what is there, in words; the root is '.'"""

INDEX: Final = b"DIRC"
_ENTRY: Final = struct.Struct(">40x20sH")  # ten numbers of stat, the object's name, the flags
_PART: Final = 1 << 20


def portrait(root: Path) -> Portrait:
    """Return the portrait of the tree at ``root``; names that are no UTF-8 are escaped."""
    found: Portrait = {}
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    for path in _everything(root):
        seen = path.lstat()
        name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
        found[name] = _words(path, seen)
        if stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1:
            names[seen.st_dev, seen.st_ino].append(name)
    for shared in names.values():
        for name in shared[1:]:
            found[name] += f" shared with {min(shared)}"
    return found


def differences(left: Portrait, right: Portrait) -> list[str]:
    """Return where the portraits differ, one line each: the path, what it should be, what it is."""
    return [
        f"{name}: {left.get(name, 'nothing')} -> {right.get(name, 'nothing')}"
        for name in sorted({*left, *right})
        if left.get(name) != right.get(name)
    ]


def _everything(top: Path) -> list[Path]:
    paths = [top]
    for path in paths:
        if stat.S_ISDIR(path.lstat().st_mode):
            paths += sorted(path.iterdir())
    return paths


def _words(path: Path, seen: os.stat_result) -> str:
    mode = seen.st_mode
    kind = stat.filemode(mode)[0]
    words = [f"{kind}{stat.S_IMODE(mode):o}"] if kind != "l" else [f"link to {str(path.readlink())!a}"]
    if kind == "-":
        words.append(_content(path))
    if os.geteuid() == 0:
        words.append(f"{seen.st_uid}:{seen.st_gid}")
        words += [
            f"{name}={os.getxattr(path, name, follow_symlinks=False)!a}"
            for name in sorted(os.listxattr(path, follow_symlinks=False))
        ]
    return " ".join(words)


def _content(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        first = file.read(_PART)
        if first.startswith(INDEX):
            return _index(first + file.read())
        while first:
            digest.update(first)
            first = file.read(_PART)
        return f"{file.tell()} bytes {digest.hexdigest()[:16]}"


def _index(stored: bytes) -> str:
    """Return what a git index (of version 2 or 3) says, its caches left out."""
    version, count = struct.unpack_from(">4xII", stored)
    if version not in (2, 3):
        return f"index of version {version} {hashlib.sha256(stored).hexdigest()[:16]}"
    digest, at = hashlib.sha256(), 12
    for _ in range(count):
        start = at
        _, flags = _ENTRY.unpack_from(stored, at)
        at += _ENTRY.size + (2 if flags & 0x4000 else 0)
        end = stored.index(b"\0", at)
        digest.update(stored[start + 24 : start + 28] + stored[start + 40 : end + 1])
        at = start + (end - start + 8) // 8 * 8
    return f"index of {count} paths {digest.hexdigest()[:16]}"
