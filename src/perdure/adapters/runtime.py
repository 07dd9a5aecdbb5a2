"""Where processes of one user meet on this machine: a directory that is theirs alone, and gone with the machine's uptime."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from perdure.values.errors import BadRoot


def runtime_folder(name: str) -> Path:
    """Return a directory of this user, the same for all its processes, that others can't write."""
    user = os.geteuid()
    # By what is there and not by what the environment says: a service and a shell have to meet here.
    base = Path(f"/run/user/{user}")
    parent = base / "perdure" if base.is_dir() else Path("/tmp", f"perdure-{user}")  # noqa: S108 - checked below
    for folder in (parent, parent / name):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022:
            raise BadRoot(f"{folder}: this directory has to be {user}'s alone", hint="remove it")
    return parent / name
