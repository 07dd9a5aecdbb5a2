"""Which directories can be a workspace, and that only one run at a time works in one.

Invariants:
- A claim is held by a lock of the system outside the workspace: it ends with the process, however that ends.
- While a directory is claimed, nobody else can claim it, one above it, or one below it.
"""

import errno
import fcntl
import os
import pwd
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.workspace.reading import names_in
from perdure.values.errors import BadRoot, WorkspaceBusy

STORE_NAME: Final = b"log.db"
_STORE_MARK: Final = (68, b"PERD")
"""Where a SQLite file keeps whose it is, and what ours say there."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_SYSTEM: Final = (
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "proc",
    "sbin",
    "sys",
    "usr",
)
"""No workspace is one of these or lies below."""

_OURS: Final = ("/dev/shm", "/usr/local", "/usr/src")  # noqa: S108 - looked at, never written
"""Below these one may."""

_SHARED: Final = (
    "home",
    "media",
    "mnt",
    "opt",
    "root",
    "run",
    "srv",
    "tmp",
    "var",
    "var/tmp",
    "Users",
    "Volumes",
)
"""Directories of many; below them a workspace is fine."""


def checked_root(root: Path) -> Path:
    """Return ``root`` without links in its path, or raise ``BadRoot``."""
    try:
        found = root.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise BadRoot(f"workspace {root}: no such directory", hint="make it first") from error
    if not found.is_dir():
        raise BadRoot(f"workspace {root}: this is no directory")
    why = _too_much(found)
    if why is not None:
        raise BadRoot(f"workspace {root}: {why}")
    store = next(_stores(found), None)
    if store is not None:
        raise BadRoot(
            f"workspace {root}: the store {store} would be recorded in itself",
            hint="keep the store outside the workspace",
        )
    return found


def is_store(folder: int) -> bool:
    """Whether the open directory holds a store of perdure."""
    try:
        fd = os.open(STORE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    start, mark = _STORE_MARK
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and os.pread(fd, len(mark), start) == mark
    finally:
        os.close(fd)


def _too_much(root: Path) -> str | None:
    """Return why the directory is more than an agent's workspace, or None."""
    if root == Path("/"):
        return "this is the whole file system"
    for home in _homes():
        if root == home:
            return "this is a home directory, which holds more than an agent's work"
        if root in home.parents:
            return f"this holds the home directory {home}"
    top = root.parts[1]
    inside = any(Path(each) in root.parents for each in _OURS)
    if (top in _SYSTEM and not inside) or str(root)[1:] in _SHARED:
        return "this directory belongs to the system"
    return None


def _homes() -> Iterator[Path]:
    with suppress(RuntimeError, OSError):
        yield Path.home().resolve()
    with suppress(KeyError, OSError):
        yield Path(pwd.getpwuid(os.geteuid()).pw_dir).resolve()


def _stores(root: Path) -> Iterator[Path]:
    """Yield stores that hold the workspace, are it, or lie directly below; a pass leaves out deeper ones."""
    fd = os.open(root, _FOLDER)
    try:
        below = [root / os.fsdecode(name) for name in names_in(fd, str(root))]
    finally:
        os.close(fd)
    for folder in (root, *root.parents, *below):
        try:
            fd = os.open(folder, _FOLDER | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if is_store(fd):
                yield folder
        finally:
            os.close(fd)


CLAIM_SECONDS_MAX: Final = 1.0
"""How long a lock is waited for that may be a child's in the making: under load that takes some hundredths."""

_PAUSE_SECONDS: Final = 0.01


class _Claimed(NamedTuple):
    owner: str
    locks: tuple[int, ...]
    times: int


_claims: dict[tuple[int, int], _Claimed] = {}
_guard = threading.Lock()


class Claim:
    """The right to work in a directory; given back by ``release`` or the end of the process."""

    def __init__(self, key: tuple[int, int]) -> None:
        """Stand for one claim of the directory that ``key`` names."""
        self._key: tuple[int, int] | None = key

    def release(self) -> None:
        """Others may claim the directory once all claims of its owner are given back; once is enough."""
        with _guard:
            key, self._key = self._key, None
            held = _claims.get(key) if key else None
            if key is None or held is None:
                return
            if held.times > 1:
                _claims[key] = held._replace(times=held.times - 1)
                return
            del _claims[key]
            for lock in held.locks:
                os.close(lock)


def claim_root(root: Path, owner: str, locks: Path) -> Claim:
    """Claim ``root`` for ``owner``, who may claim it again in this process.

    ``locks`` is where locks lie: a directory of this user, the same for all its processes.
    Raises ``WorkspaceBusy`` if someone else has it, or has a directory above or below it.
    """
    found = root.stat()
    key = (found.st_dev, found.st_ino)
    latest = time.monotonic() + CLAIM_SECONDS_MAX
    while True:
        with _guard:
            held = _claims.get(key)
            if held is not None and held.owner == owner:
                _claims[key] = held._replace(times=held.times + 1)
                return Claim(key)
            taken = _take(root.resolve(), locks) if held is None else None
            if taken is not None:
                _claims[key] = _Claimed(owner, taken, 1)
                return Claim(key)
        if held is not None or time.monotonic() > latest:
            raise WorkspaceBusy(
                f"workspace {root}: another run works in it, or in a directory above or below it"
            )
        # A child that is just being started holds a copy of every lock until it runs its program, also of those
        # that were given back meanwhile.
        time.sleep(_PAUSE_SECONDS)


def _take(root: Path, locks: Path) -> tuple[int, ...] | None:
    """Return locks that keep others from this directory, those above, and those below; None if one has them."""
    # Held open, the directory keeps its number also when it is deleted: no other one gets it meanwhile.
    taken = [os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    # Shared locks on what lies above: an exclusive one there and this claim keep each other out.
    wanted = [(folder, fcntl.LOCK_SH) for folder in root.parents]
    for folder, how in [*wanted, (root, fcntl.LOCK_EX)]:
        found = folder.stat()
        fd = os.open(
            locks / f"{found.st_dev:x}-{found.st_ino:x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        taken.append(fd)
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except OSError as error:
            for lock in taken:
                os.close(lock)
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                return None
            raise
    return tuple(taken)
