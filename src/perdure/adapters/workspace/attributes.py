"""Mode, owner, extended attributes and time of what is open, put right without following a link."""

import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from perdure.adapters.workspace.ground import through
from perdure.checkpoint.tree import Entry

_OF_THE_SYSTEM: Final = ("security.selinux", "security.ima", "security.evm")
"""The kernel labels new files by its own rules, and no restore may take that away."""
_REFUSED: Final = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL)


def put_attributes(handle: int, entry: Entry, *, owners: bool) -> Iterator[str]:
    """What ``handle`` is open on has the attributes of ``entry``; yields words for what the system refused.

    ``handle`` may be open for looking only. A change of owner takes set-user-id bits and capabilities away, so
    the owner comes first.
    """
    path = through(handle)
    found = os.fstat(handle)
    is_link = stat.S_ISLNK(found.st_mode)
    if owners and entry.owner is not None and entry.owner != (found.st_uid, found.st_gid):
        try:
            os.chown(path, *entry.owner)
        except PermissionError:
            yield f"owner {entry.owner[0]}:{entry.owner[1]} not permitted"
    if not is_link and stat.S_IMODE(os.fstat(handle).st_mode) != entry.mode:
        os.chmod(path, entry.mode)  # noqa: PTH101 - by descriptor
    if owners and entry.owner is not None:
        yield from _put_xattrs(path, dict(entry.xattrs))
    if entry.kind == "file" and entry.mtime and entry.mtime != os.fstat(handle).st_mtime_ns:
        os.utime(path, ns=(found.st_atime_ns, entry.mtime))


def _put_xattrs(path: str, wanted: dict[bytes, bytes]) -> Iterator[str]:
    try:
        present = {name: os.getxattr(path, name) for name in map(os.fsencode, os.listxattr(path))}
    except OSError as error:
        if error.errno in _REFUSED:
            return
        raise
    for name in present.keys() | wanted.keys():
        if present.get(name) == wanted.get(name) or os.fsdecode(name) in _OF_THE_SYSTEM:
            continue
        try:
            if name in wanted:
                os.setxattr(path, name, wanted[name])
            else:
                os.removexattr(path, name)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            yield f"attribute {os.fsdecode(name)} not permitted"
