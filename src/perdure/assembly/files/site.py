"""Where a run has its workspace."""

import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from perdure.values.digest import short_digest
from perdure.values.errors import BadRoot


class Site(NamedTuple):
    """A run's directory, and where perdure may write beside it."""

    run: str
    root: Path
    scratch: Path
    """outside of the workspace; everything in it may be deleted while nobody drives the run"""
    owner: str
    """the run that its children share the directory with"""
    store: Path | None = None
    """where the store of the run lies, if that is a directory"""

    def check(self) -> None:
        """Raise ``BadRoot`` where the agent could change what perdure keeps: at any depth of the workspace."""
        root = self.root.resolve()
        for place, what in ((self.store, "the store"), (self.scratch, "perdure's scratch directory")):
            if place is not None and place.resolve().is_relative_to(root):
                hint = "keep the store outside the workspace, and TMPDIR, too"
                raise BadRoot(f"workspace {self.root}: {what} {place} lies in it", hint=hint)


def scratch_of(store: Path) -> Path:
    """Return where runs of the store in ``store`` may write beside their workspaces: of this user alone.

    It is neither in the store, which a workspace may not lie in, nor in a workspace, and may be deleted
    while no run of the store is driven.
    """
    name = short_digest(str(store.resolve()).encode())[:16]
    base = Path(tempfile.gettempdir()) / f"perdure-{os.geteuid()}"
    for folder in (base, base / name):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise BadRoot(f"{folder}: this directory has to be yours alone", hint="remove it, or set TMPDIR")
    return base / name
