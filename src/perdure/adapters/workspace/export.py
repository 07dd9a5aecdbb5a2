"""A recorded tree somewhere else: as a directory, or as a tar that is the same each time.

What a tree names and no store holds is left out, and said.
"""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from perdure.adapters.workspace.poured import Poured
from perdure.adapters.workspace.restore import apply_plan
from perdure.checkpoint.plan import plan_restore
from perdure.checkpoint.tree import PART_PREFIX, Entry, Fetch, decoded, spelled, walk
from perdure.values.errors import BadInput

_ABSENT: Final = {
    "secret": "a secret, whose content is stored nowhere",
    "special": "a socket or device",
    "left": "left out when it was recorded",
}


class Export(NamedTuple):
    """What was written, and what could not be."""

    files: int
    notes: tuple[str, ...] = ()


def export_directory(fetch: Fetch, tree: str, target: Path, *, owners: bool = False) -> Export:
    """``target`` is a new directory that holds the tree; it is there whole, or not at all.

    Raises ``BadInput`` (P107) if something is there; ``OSError`` where it can't be written.
    """
    refuse_taken(target)
    part = target.parent / (PART_PREFIX + target.name)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    plan = plan_restore(fetch, "", tree)
    done = apply_plan(part, plan, fetch, owners=owners)
    if target.exists():
        target.rmdir()
    part.rename(target)
    files = sum(step.verb in ("write", "link", "hard", "fifo") for step in plan.steps)
    left = (f"{spelled(path)}: {why}" for path, why in plan.unrestorable)
    return Export(files, (*left, *done.notes))


def export_tar(fetch: Fetch, tree: str, out: BinaryIO) -> Export:
    """``out`` holds the tree as a tar in the POSIX form; equal trees give equal bytes.

    Times are whole seconds, those of directories and links 0; owners are as recorded, else 0.
    """
    notes: list[str] = []
    count = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in stored(fetch, tree, notes.append):
            count += entry.kind != "dir"
            told = _told(path, entry)
            tar.addfile(told, Poured(fetch, entry) if entry.kind == "file" else None)
    return Export(count, tuple(notes))


def stored(fetch: Fetch, tree: str, note: Callable[[str], None]) -> Iterator[tuple[str, Entry]]:
    """Yield what can be written of a tree, in tree order without its root; ``note`` hears of the rest.

    A further name of a file that can't be written is noted as well.
    """
    absent: set[bytes] = set()
    for path, entry in walk(fetch, tree):
        why = _ABSENT.get(entry.kind)
        if entry.kind == "hard" and entry.content in absent:
            why = "another name of what is not there"
        if why:
            absent.add(os.fsencode(path))
            note(f"{spelled(path)}: {why}")
        elif path:
            yield path, entry


def refuse_taken(target: Path) -> None:
    """Raise ``BadInput`` unless ``target`` can be made: nothing is there, or an empty directory."""
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise BadInput(f"{target}: something is there already", hint="choose a path where nothing is")
    if not target.parent.is_dir():
        raise BadInput(f"{target}: no directory {target.parent}", hint="make it first")


def _told(path: str, entry: Entry) -> tarfile.TarInfo:
    told = tarfile.TarInfo(path)
    told.mode = entry.mode
    told.uid, told.gid = entry.owner or (0, 0)
    match entry.kind:
        case "dir":
            told.type = tarfile.DIRTYPE
        case "link":
            told.type, told.linkname = tarfile.SYMTYPE, decoded(entry.content)
        case "hard":
            told.type, told.linkname = tarfile.LNKTYPE, decoded(entry.content)
        case "fifo":
            told.type = tarfile.FIFOTYPE
        case _:
            told.size, told.mtime = entry.size, entry.mtime // 1_000_000_000
    return told
