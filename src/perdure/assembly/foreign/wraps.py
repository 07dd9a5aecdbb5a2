"""What wrapping a client needs of the machine: a private folder with a short path, and who still lives in one.

Invariants:
- A folder is its wrapper's and its keeper's: both hold a lock on it while they live, however they end.
- A folder is cleared away by the last one who holds it, or once nobody does.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.adapters.holders import Fate, fate, holder_of
from perdure.adapters.runtime import runtime_folder
from perdure.log.port import Holder

_LOCK: Final = "lock"
_BESIDE: Final = "beside"
_GATE: Final = ".gate"
_SHORT: Final = "w"


class PrivateFolder:
    """A directory that its user alone can look into, held as long as this object and its process live."""

    def __init__(self, path: Path, held: int) -> None:
        """Use ``make_folder`` or ``hold_folder``."""
        self.path: Path = path
        self._held: int = held

    def beside(self, place: Path) -> Path:
        """Return a new folder below ``place`` that goes with this one, for what may not lie where all can write."""
        made = place / self.path.name
        (self.path / _BESIDE).write_bytes(os.fsencode(made))
        made.mkdir(mode=0o700, parents=True)
        return made

    def let_go(self) -> None:
        """It isn't held here any more; where nobody else holds it, it is gone, and all that is in it."""
        if self._held < 0:
            return
        with suppress(OSError):
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                shutil.rmtree(Path(os.fsdecode((self.path / _BESIDE).read_bytes())), ignore_errors=True)
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)
        self._held = -1


def make_folder() -> PrivateFolder:
    """Return a new private folder; its path is short enough for a socket in it."""
    base = runtime_folder(_SHORT)
    with _Gate(base):
        path = Path(tempfile.mkdtemp(prefix="", dir=base))
        return PrivateFolder(path, _locked(path / _LOCK, fcntl.LOCK_SH))


def hold_folder(path: Path) -> PrivateFolder:
    """Hold the folder of another process as well. Raises ``OSError`` if it is gone."""
    return PrivateFolder(path, _locked(path / _LOCK, fcntl.LOCK_SH))


def left_folders() -> list[PrivateFolder]:
    """Return the folders whose processes are all gone, held by us; ``let_go`` removes them."""
    base = runtime_folder(_SHORT)
    left: list[PrivateFolder] = []
    with _Gate(base):
        for path in sorted(base.iterdir()):
            if path.is_dir() and not path.is_symlink():
                with suppress(OSError):
                    left.append(PrivateFolder(path, _locked(path / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    return left


def named(pid: int) -> str:
    """Return the name of a living process that no later one has, whatever number that gets."""
    holder = holder_of(pid, "")
    return f"{holder.host}\n{holder.pid}\n{holder.started}"


def still_lives(name: str) -> int:
    """Return the number of the process of that name if it is proved to live; else 0."""
    host, _, rest = name.partition("\n")
    pid, _, started = rest.partition("\n")
    if not pid.isdecimal():
        return 0
    return int(pid) if fate(Holder(host, int(pid), started, "")) is Fate.ALIVE else 0


class _Gate:
    """Nobody makes or clears a folder at the same time."""

    def __init__(self, base: Path) -> None:
        self._fd: int = os.open(base / _GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _locked(path: Path, how: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, how)
    except BaseException:
        os.close(fd)
        raise
    return fd
