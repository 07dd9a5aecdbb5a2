"""How many processes a sandbox may hold: a command that forks without end ends itself, not the machine.

Two bounds are set, since neither holds everywhere: a limit of the user's processes, which the kernel counts
per user namespace and never holds against the machine's root, and a control group, which needs root.
"""

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.values.limits import SANDBOX_PROCESSES_MAX

_HIERARCHIES: Final = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
"""Of the first version of control groups, and of the second."""


_NAME: Final = "perdure-"
_TRIES: Final = 3


def crowded(first: int) -> Path | None:
    """The process ``first`` and all that it starts are at most ``SANDBOX_PROCESSES_MAX``.

    Returns the control group that was made for it, for ``dispersed``; None where none could be.
    """
    with suppress(OSError, ValueError):
        resource.prlimit(first, resource.RLIMIT_NPROC, (SANDBOX_PROCESSES_MAX, SANDBOX_PROCESSES_MAX))
    for hierarchy in _HIERARCHIES:
        if (hierarchy / "cgroup.procs").exists():
            _sweep(hierarchy)
            # Somebody else's sweep may come between making a group and entering it.
            for _ in range(_TRIES):
                group = _entered(hierarchy / f"{_NAME}{first}", first)
                if group is not None:
                    return group
    return None


def dispersed(group: Path | None) -> None:
    """The control group of a sandbox in which no process is left is gone."""
    if group is not None:
        with suppress(OSError):
            group.rmdir()


def _entered(group: Path, first: int) -> Path | None:
    try:
        group.mkdir(exist_ok=True)
        (group / "pids.max").write_text(str(SANDBOX_PROCESSES_MAX))
        (group / "cgroup.procs").write_text(str(first))
    except OSError:
        dispersed(group)
        return None
    return group


def _sweep(hierarchy: Path) -> None:
    """Groups whose maker was killed before their last process had ended are gone; one that is used can't be."""
    for group in hierarchy.glob(f"{_NAME}*"):
        dispersed(group)
