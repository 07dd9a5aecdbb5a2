"""Where the store's parts lie, and the bounds of this adapter with their reasons."""

from pathlib import Path
from typing import Final, NamedTuple

APPLICATION_ID: Final = 0x50455244
"""``PERD`` in the file's header: this SQLite file is a perdure store."""

FORMAT: Final = 1
"""The file's ``user_version``; a larger one is from a newer perdure."""

PAGE_BYTES: Final = 4096
"""Measured: durable turns cost the same with 4, 8 and 16 KB, and a store of 200 turns has 270 KB less
air than with 16. Scans are slower (1.3 instead of 2.2 M events/s), but hashing them is slower still."""

MAPPED_BYTES_MAX: Final = 1 << 30
"""How much of the file readers map into memory instead of copying pages."""

BUSY_SECONDS_MAX: Final = 10.0
"""How long a write waits for other processes; a healthy one holds the file for milliseconds."""

BUSY_PAUSE_SECONDS: Final = 0.0003
"""Between two looks at the write lock: about one sync of a fast disk."""

WATCH_PAUSE_SECONDS: Final = 0.025
"""Between two looks for other processes' changes: a person doesn't notice, a CPU neither."""

WAL_BYTES_EASY: Final = 4 << 20
"""Write-ahead log past this is copied into the file when nobody waits for a commit."""

WAL_HARD: Final = 4
"""Past this many times as much it is copied even if somebody waits, so that it can't grow on and on."""

LAZY_BYTES_MAX: Final = 8 << 20
"""Blobs and snapshots kept in memory until the next commit takes them along."""

COMPRESSED_BYTES_MIN: Final = 128
"""Below this zstd's header eats what it saves."""

FRAME_BYTES: Final = 1 << 20
"""Uncompressed bytes per zstd frame of a blob file: what a ranged read decompresses at most twice."""


def size_of(file: Path) -> int | None:
    """Return the bytes of ``file``; None where another process removed or renamed it since it was listed."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


class Setup(NamedTuple):
    """How the file is opened. Users get the defaults; tests of the store bring a disk that fails."""

    vfs: str | None = None
    synchronous: str = "FULL"
    busy_seconds: float = BUSY_SECONDS_MAX
    page_bytes: int = PAGE_BYTES
    wal_bytes: int = WAL_BYTES_EASY


class Places(NamedTuple):
    """The files of a store."""

    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "log.db"

    @property
    def wal(self) -> Path:
        return self.directory / "log.db-wal"

    @property
    def turnstile(self) -> Path:
        return self.directory / "log.db-turn"

    @property
    def anchor(self) -> Path:
        return self.directory / "anchor"

    def witness(self, generation: int) -> Path:
        return self.directory / f"generation-{generation}"

    @property
    def unsynced(self) -> Path:
        return self.directory / "log.db-unsynced"

    @property
    def usage(self) -> Path:
        return self.directory / "log.db-usage"

    @property
    def blobs(self) -> Path:
        return self.directory / "blobs"

    def blob(self, name: str) -> Path:
        return self.blobs / name[:2] / f"{name}.zst"
