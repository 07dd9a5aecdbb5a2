"""A restore that is killed before each call by which it could change something, and done again.

The calls are counted from outside, with the interpreter's own profiling: nothing in the restore says where it
may be killed, so no place can be forgotten.
"""

import os
import stat
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from perdure.adapters.workspace.restore import apply_plan
from perdure.checkpoint.plan import plan_restore
from perdure.checkpoint.tree import PART_PREFIX
from tests.checkpoint.disk import Recorded
from tests.workspace.reference import recorded

CHANGING = {
    "chmod", "chown", "ftruncate", "link", "mkdir", "mkfifo", "open", "pwrite", "removexattr", "rename",
    "rmdir", "setxattr", "symlink", "unlink", "utime",
}  # fmt: skip
NOBODY = 65534
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}


def before_each_call(deed: Callable[[], object], then: Callable[[int], None]) -> int:
    """Do the deed, calling ``then`` with the number of each changing call before it is made; return how many."""
    count = 0

    def watch(_frame: FrameType, event: str, called: object) -> None:
        nonlocal count
        if event == "c_call" and _name(called) in CHANGING:
            count += 1
            then(count)

    sys.setprofile(watch)
    try:
        deed()
    finally:
        sys.setprofile(None)
    return count


def _name(called: object) -> str:
    return str(getattr(called, "__name__", "")) if getattr(called, "__module__", "") == "posix" else ""


def in_a_child(deed: Callable[[], object], user: int | None = None) -> int:
    """Do the deed in a process of its own, as ``user`` if given; return how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads: the child runs no other
        child = os.fork()
    if child == 0:
        try:
            if user is not None:
                os.setgid(user)
                os.setuid(user)
            deed()
        except BaseException:  # noqa: BLE001 - whatever it is, a child may not go on as if it were the test
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def restore(
    root: Path, target: Recorded, keep: tuple[str, ...] = (), *, sync: bool = False, owners: bool = False
) -> None:
    """``root`` is the target again, but for ``keep``."""
    present = recorded(root, owners=owners)
    objects = present.objects | target.objects
    plan = plan_restore(objects.__getitem__, present.tree, target.tree, keep)
    apply_plan(root, plan, objects.__getitem__, owners=owners, sync=sync)


def killed_before(root: Path, target: Recorded, at: int, keep: tuple[str, ...] = ()) -> bool:
    """Restore in a child that dies before its ``at``-th call; return whether it came so far."""

    def die(count: int) -> None:
        if count == at:
            os._exit(9)

    return in_a_child(lambda: before_each_call(lambda: restore(root, target, keep), die)) == 9


def leftovers(root: Path) -> list[str]:
    """Return half-written files below ``root``."""
    return [str(path) for path in root.rglob(f"{PART_PREFIX}*")]


def states(root: Path) -> dict[str, tuple[str, int, bytes]]:
    """Return what stands at each path below ``root``: kind, mode, and content or target."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        kind = KINDS.get(stat.S_IFMT(mode), "other")
        content = path.read_bytes() if kind == "file" else b""
        found[str(path.relative_to(root))] = (
            kind,
            mode,
            os.fsencode(path.readlink()) if kind == "link" else content,
        )
    return found


def mixed(
    root: Path, old: dict[str, tuple[str, int, bytes]], new: dict[str, tuple[str, int, bytes]]
) -> list[str]:
    """Return the paths below ``root`` that are neither as they were nor as they are to be.

    Only where a directory takes a file's place, or a file a directory's, may nothing be there for a moment;
    and a directory may have any mode while it is worked in.
    """
    now = states(root)
    wrong: list[str] = []
    for path in sorted(now.keys() | old.keys() | new.keys()):
        may = [old.get(path), new.get(path)]
        kinds = {each[0] if each else "" for each in may}
        found = now.get(path)
        if PART_PREFIX in path or found in may or (found and found[0] == "dir" and "dir" in kinds):
            continue
        if found is not None or "dir" not in kinds or len(kinds) == 1:
            wrong.append(path)
    return wrong
