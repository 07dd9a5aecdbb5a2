"""What a sandbox shows of the machine: the system to read, the workspace to change, a home of its own.

Invariants:
- What is not named here does not exist in the sandbox: other homes, /run, /var, /sys, the store.
- Of /etc only what the machine lets everybody read is shown.
- A path is the same inside and outside, so that what programs print can be followed from here.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

HOME: Final = str(Path("/home", "agent"))
TEMPORARY: Final = "/tmp"  # noqa: S108 - a sandbox has one of its own
SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/etc")
NAMES: Final = ("passwd", "group")
"""Files of /etc that name the machine's users; in a sandbox they name one."""

AGENT_ID: Final = 1000
"""Who root is in a sandbox: programs take root for somebody who may change owners, and fail."""


class View(NamedTuple):
    """Places outside, as one run's sandboxes show them."""

    root: Path
    """the workspace"""
    folder: Path
    """scratch: holds ``home``, ``tmp`` and ``etc``"""
    readable: tuple[str, ...] = ()
    """further absolute paths to read, shown where they exist"""
    hidden: tuple[str, ...] = ()
    """absolute paths that are empty inside, whatever they lie in"""
    network: bool = False
    """whether this machine's network is open"""


def furnished(view: View) -> None:
    """Make the directories and files that the view takes from its scratch folder."""
    for name in ("home", "tmp", "etc"):
        (view.folder / name).mkdir(parents=True, exist_ok=True)
    user = inner_id()
    names = {
        "passwd": f"agent:x:{user}:{user}:agent:{HOME}:{shell()}\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": f"agent:x:{user}:\nnogroup:x:65534:\n",
    }
    for name, text in names.items():
        (view.folder / "etc" / name).write_text(text, encoding="ascii")


def inner_id() -> int:
    """Return the id of the user as that programs in the sandbox run."""
    return os.getuid() or AGENT_ID


def shell() -> str:
    """Return the shell that runs commands: bash where there is one, since models write for it."""
    return next((path for path in ("/bin/bash", "/usr/bin/bash") if Path(path).exists()), "/bin/sh")


def before_workspace(view: View) -> Iterator[str]:
    """Yield bubblewrap's words for all that lies around the workspace."""
    for path in SYSTEM:
        yield from _shown(path)
    for path in secret_in_etc():
        yield from ("--ro-bind", "/dev/null", path)
    for name in NAMES:
        if Path("/etc", name).exists():
            yield from ("--ro-bind", str(view.folder / "etc" / name), f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev", "--symlink", TEMPORARY, "/var/tmp")  # noqa: S108 - the sandbox's own
    yield from ("--bind", str(view.folder / "tmp"), "/tmp", "--bind", str(view.folder / "home"), HOME)  # noqa: S108 - as above
    for path in _readable(view):
        yield from ("--ro-bind", path, path)


def after_workspace(view: View) -> Iterator[str]:
    """Yield bubblewrap's words that hide what would otherwise be seen."""
    shown = (*SYSTEM, *pythons(), *view.readable, str(view.root))
    for path in (*view.hidden, str(view.folder)):
        if not _within(path, shown):
            continue  # It is not there anyway.
        if Path(path).is_dir():
            yield from ("--tmpfs", path, "--remount-ro", path)
        elif Path(path).exists():
            yield from ("--ro-bind", "/dev/null", path)


def secret_in_etc(etc: str = "/etc") -> list[str]:
    """Return what below ``etc`` the machine does not let everybody read: keys and passwords."""
    found: list[str] = []
    waiting = [etc]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and mode & stat.S_IXOTH:
                waiting.append(entry.path)
            elif stat.S_ISREG(mode) and not mode & stat.S_IROTH:
                found.append(entry.path)
            elif stat.S_ISDIR(mode):
                found += [inside.path for inside in _files(entry.path)]
    return sorted(found)


def pythons() -> tuple[str, ...]:
    """Return where the running Python and its libraries lie."""
    plain = (sys.base_prefix, sys.prefix)
    return tuple(dict.fromkeys((*plain, *map(os.path.realpath, plain))))


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry


def _shown(path: str) -> Sequence[str]:
    there = Path(path)
    if there.is_symlink():
        return ("--symlink", str(there.readlink()), path)
    return ("--ro-bind", path, path) if there.exists() else ()


def _readable(view: View) -> Iterator[str]:
    names = str(Path("/etc/resolv.conf").resolve()) if view.network else ""
    for path in (*pythons(), *view.readable, names):
        # What lies in the workspace is shown with it, and what the system shows is there already.
        if path and Path(path).exists() and not _within(path, (*SYSTEM, str(view.root))):
            yield path


def _within(path: str, places: Sequence[str]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)
