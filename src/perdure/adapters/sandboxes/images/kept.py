"""The files of /tmp, kept in the image: services hold them open, and no tree of the workspace has them.

One archive without compression, in the order of the names, so that equal contents are equal bytes.
Sockets are left out: CRIU makes those that a service listens on.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.removal import uprooted
from perdure.values.errors import ImageFailed
from perdure.values.limits import TEMPORARY_BYTES_MAX

_ARCHIVE: Final = "tmp.tar"


def keep_temporary(tmp: Path, image: Path) -> None:
    """Write all below ``tmp`` into the image's folder; raises ``ImageFailed`` if that is too much."""
    paths = list(_below(tmp))
    held = sum(path.lstat().st_size for path in paths if not path.is_symlink() and path.is_file())
    if held > TEMPORARY_BYTES_MAX:
        most = TEMPORARY_BYTES_MAX >> 20
        raise ImageFailed(f"the services' /tmp holds {held >> 20} MiB, and an image keeps at most {most}")
    with tarfile.open(image / _ARCHIVE, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            archive.add(path, arcname=str(path.relative_to(tmp)), recursive=False)


def put_temporary_back(image: Path, tmp: Path) -> None:
    """Make ``tmp`` hold what the image kept of it, and nothing else."""
    tmp.mkdir(parents=True, exist_ok=True)
    for entry in list(tmp.iterdir()):
        uprooted(entry)
    with tarfile.open(image / _ARCHIVE) as archive:
        # Its names come from a directory, so none of them leads elsewhere; no mode may be made milder.
        archive.extraction_filter = _as_it_was
        archive.extractall(tmp, numeric_owner=True)  # noqa: S202 - as said


def _as_it_was(member: tarfile.TarInfo, _folder: str) -> tarfile.TarInfo:
    return member


def _below(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))
