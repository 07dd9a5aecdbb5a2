"""A disk that loses what wasn't synced: power cuts under a real store, at every moment.

SQLite writes real files through a shim that keeps a journal of every write, truncation, deletion and
sync. A power cut is a moment in that journal: what was synced before it is on the disk, and of the
rest each 512-byte sector is there or isn't, as chance has it. From that a new directory is made, and
a new store opened in it must show every event that was acknowledged before the moment.

The shim assumes what SQLite assumes of disks: a sector is written whole or not at all, writing one
does not harm its neighbours, and a sync that returned has reached the medium.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self, cast

import apsw

SECTOR = 512


class Write(NamedTuple):
    """Bytes on their way to the disk."""

    file: str
    offset: int
    content: bytes


class Truncate(NamedTuple):
    """A file was cut to ``size``."""

    file: str
    size: int


class Delete(NamedTuple):
    """A file's name was taken away."""

    file: str


class Sync(NamedTuple):
    """What was written to the file is on the disk; or, ``failed``, is lost and taken for written."""

    file: str
    failed: bool = False


class Acknowledged(NamedTuple):
    """The store said that ``run`` is durable up to ``position``."""

    run: str
    position: int


Entry = Write | Truncate | Delete | Sync | Acknowledged


@dataclass
class Journal:
    """All that happened to the disk, in order."""

    entries: list[Entry] = field(default_factory=list[Entry])
    sync_fails: Callable[[str], bool] = lambda _file: False
    """asked at each sync of a file; True makes it fail"""

    write_fails: Callable[[str], bool] = lambda _file: False
    """asked at each write to a file; True means that the disk is full"""

    def note(self, entry: Entry) -> None:
        self.entries.append(entry)


class _Writing(Protocol):
    """``xWrite`` as it is: APSW's own type for its bytes is newer than our Python."""

    def xWrite(self, data: bytes, offset: int, /) -> None: ...


class _File(apsw.VFSFile):
    """A file that notes what is done to it, and does it."""

    def __init__(
        self, base: str, name: "str | apsw.URIFilename | None", flags: list[int], journal: Journal
    ) -> None:
        super().__init__(base, name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path or "").name
        self._journal = journal

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._journal.write_fails(self._name):
            raise apsw.FullError("the disk is full")
        self._journal.note(Write(self._name, offset, bytes(data)))
        cast("_Writing", cast("object", super())).xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._journal.note(Truncate(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        if self._journal.sync_fails(self._name):
            self._journal.note(Sync(self._name, failed=True))
            raise apsw.IOError("the disk could not write")
        super().xSync(flags)
        self._journal.note(Sync(self._name))


class LossyDisk(apsw.VFS):
    """A VFS over the system's own, for every file opened through it."""

    def __init__(self, name: str, journal: Journal) -> None:
        """Register the disk as ``name``until the block ends."""
        super().__init__(name, "")
        self.name = name
        self._journal = journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unregister()

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:
        return _File("", name, flags, self._journal)

    def xDelete(self, filename: str, syncdir: int) -> None:
        super().xDelete(filename, bool(syncdir))
        self._journal.note(Delete(Path(filename).name))


class _Content:
    """One file: what is on the disk for certain, and what may be."""

    def __init__(self) -> None:
        self.disk = bytearray()
        self.named = False
        """whether the name itself is on the disk"""
        self.pending: list[Write | Truncate] = []

    def sync(self) -> None:
        for entry in self.pending:
            _apply(self.disk, entry)
        self.pending.clear()
        self.named = True

    def fail(self, chance: random.Random) -> None:
        """Some of it was written, and all of it is taken for written."""
        for entry in self.pending:
            if isinstance(entry, Truncate):
                _apply(self.disk, entry)
                continue
            for offset, content in _sectors(entry.offset, entry.content):
                if chance.random() < 0.5:
                    _apply(self.disk, Write(entry.file, offset, content))
        self.pending.clear()

    def after_cut(self, chance: random.Random) -> bytes | None:
        if not self.named and chance.random() < 0.5:
            return None
        image = bytearray(self.disk)
        # Each cut has its own temper: some lose almost nothing, some almost all.
        survives = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for entry in self.pending:
            match entry:
                case Truncate():
                    if chance.random() < survives:
                        _apply(image, entry)
                case Write(file, offset, content):
                    for sector in _sectors(offset, content):
                        if chance.random() < survives:
                            _apply(image, Write(file, *sector))
        return bytes(image)


def _sectors(offset: int, content: bytes) -> list[tuple[int, bytes]]:
    first = SECTOR - offset % SECTOR
    cuts = [0, *range(first, len(content), SECTOR), len(content)]
    return [(offset + start, content[start:end]) for start, end in pairwise(cuts)]


def _apply(image: bytearray, entry: Write | Truncate) -> None:
    match entry:
        case Truncate(_, size):
            del image[size:]
        case Write(_, offset, content):
            if len(image) < offset:
                image.extend(bytes(offset - len(image)))
            image[offset : offset + len(content)] = content


class Disk:
    """The disk's certain and possible contents while a journal is played."""

    def __init__(self, seed: int) -> None:
        """Begin empty; ``seed`` decides what a failed sync has written all the same."""
        self._chance = random.Random(seed)  # noqa: S311 - a seed, not a secret
        self._files: dict[str, _Content] = {}
        self._gone: dict[str, _Content] = {}
        """files whose deletion may not have reached the disk"""
        self.acknowledged: dict[str, int] = {}

    def begin(self, directory: Path) -> None:
        """All that is in ``directory`` now is on the disk for certain."""
        for path in directory.iterdir():
            if path.is_file():
                content = self._file(path.name)
                content.disk[:] = path.read_bytes()
                content.named = True

    def play(self, entry: Entry) -> None:
        match entry:
            case Write() | Truncate():
                self._file(entry.file).pending.append(entry)
            case Sync(file, failed):
                content = self._file(file)
                if failed:
                    content.fail(self._chance)
                else:
                    content.sync()
                    self._gone.pop(file, None)
            case Delete(file):
                self._gone[file] = self._file(file)
                del self._files[file]
            case Acknowledged(run, position):
                self.acknowledged[run] = position

    def cut(self, directory: Path, chance: random.Random) -> None:
        """Write into ``directory`` what a power cut now would leave."""
        back = {name: content for name, content in self._gone.items() if chance.random() < 0.5}
        for name, content in (back | self._files).items():
            left = content.after_cut(chance)
            if left is not None:
                (directory / name).write_bytes(left)

    def _file(self, name: str) -> _Content:
        return self._files.setdefault(name, _Content())
