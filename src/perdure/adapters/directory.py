"""An object store that is a plain directory: for a witness on a disk of its own, and where no bucket is.

Invariant: an object is there whole and durable, or not at all: it is written aside, synced, and linked to its name.
"""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from perdure.values.errors import BadInput, BlobMissing, StoreFailed
from perdure.values.limits import OBJECT_NAMES_PAGE

_ASIDE = ".aside-"


class ObjectDirectory:
    """Objects as files under ``root``; a name's slashes are directories."""

    def __init__(self, root: str | Path) -> None:
        """Keep objects under ``root``, which is made with the first one."""
        self._root: Path = Path(root)

    def put(self, name: str, content: bytes) -> bool:
        """The object is there, durably; False if it was there before, whose content is left alone."""
        path = self._path(name)
        aside = path.with_name(f"{_ASIDE}{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                return False
            with aside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return self._named(aside, path)
        except OSError as error:
            raise StoreFailed(f"{path} can't be written: {error}") from error
        finally:
            aside.unlink(missing_ok=True)

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Return the object's bytes from ``start``, at most ``size`` of them. Raises ``BlobMissing``."""
        try:
            with self._path(name).open("rb") as file:
                file.seek(start)
                return file.read(-1 if size is None else size)
        except FileNotFoundError as error:
            raise BlobMissing(f"there is no object {name}") from error
        except OSError as error:
            raise StoreFailed(f"{self._path(name)} can't be read: {error}") from error

    def names(self, prefix: str, after: str = "") -> Sequence[tuple[str, int]]:
        """Return names past ``after`` and sizes in order, a bounded page of them; an empty one is the end."""
        folder = self._root / prefix.rpartition("/")[0]
        found: list[tuple[str, int]] = []
        for path in folder.rglob("*"):
            name = path.relative_to(self._root).as_posix()
            if (
                name.startswith(prefix)
                and name > after
                and path.is_file()
                and not path.name.startswith(_ASIDE)
            ):
                found.append((name, path.stat().st_size))
        return sorted(found)[:OBJECT_NAMES_PAGE]

    def delete(self, names: Sequence[str]) -> None:
        """The objects are gone; those that were not there are no error."""
        for name in names:
            self._path(name).unlink(missing_ok=True)

    def check(self) -> None:
        """Raise with what to do if objects can't be made, read and deleted here."""
        name = f"check-{uuid.uuid4().hex}"
        self.put(name, b"perdure")
        self.get(name)
        self.delete([name])

    def _path(self, name: str) -> Path:
        if not name or any(part in ("", ".", "..") for part in name.split("/")):
            raise BadInput(f"{name!r} can't be an object's name")
        return self._root / name

    def _named(self, aside: Path, path: Path) -> bool:
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            return False
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True
