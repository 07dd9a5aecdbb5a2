"""Bringing an image back to life: files first, by the caller; then this.

Invariants:
- The programs come back under the ids that they had inside, in a new PID namespace, with a loopback
  that is up.
- When thawing fails, no program of the image lives.
- What a service had said is put back first, to its exact length: CRIU compares the lengths of open files.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.images.criu import Criu, run_criu
from perdure.adapters.sandboxes.images.freezing import NETWORK
from perdure.adapters.sandboxes.images.kept import put_temporary_back
from perdure.adapters.sandboxes.images.layout import OWN, Layout, furnish, prepared
from perdure.adapters.sandboxes.images.notes import OUTPUT, Binding, ImageNote, ServiceNote
from perdure.adapters.sandboxes.images.packing import unpack
from perdure.adapters.sandboxes.images.tree import Tree, needed, remembered
from perdure.values.errors import ImageFailed
from perdure.values.limits import THAW_SECONDS_MAX

_NETWORK_FD: Final = 9
_LOG: Final = "restore.log"


async def thaw_tree(
    criu: Criu, image: Path, noted: ImageNote, made: Layout, folders: Path, *, note: Path
) -> Tree:
    """Bring the image in folder ``image`` back to life in the root of ``made``; raises ``ImageFailed``."""
    sources = [(binding.at, _source(binding, made)) for binding in noted.bindings]
    await asyncio.to_thread(_require_there, sources)
    await asyncio.to_thread(_put_back, image, noted.services, folders)
    await asyncio.to_thread(put_temporary_back, image, made.source("tmp"))
    await asyncio.to_thread(furnish, made)
    work = note.with_name("thaw")
    await asyncio.to_thread(work.mkdir, parents=True, exist_ok=True)
    first = work / "first"
    await asyncio.to_thread(first.unlink, missing_ok=True)
    words = [needed("unshare"), "--net", "--mount", "/bin/sh", "-c", prepared(made, _NETWORK_FD), "sh"]
    unpacked = work / "unpacked"
    await asyncio.to_thread(unpack, image, unpacked)
    words += [str(criu.path), "restore", *_words(unpacked, work, made, first), *_externals(sources)]
    try:
        await run_criu(words, work / _LOG, seconds=THAW_SECONDS_MAX)
    finally:
        await asyncio.to_thread(shutil.rmtree, unpacked, ignore_errors=True)
    return remembered(Tree(int(first.read_text(encoding="ascii")), 0, made), note)


def _words(image: Path, work: Path, made: Layout, first: Path) -> Iterator[str]:
    yield from ("--images-dir", str(image), "--work-dir", str(work), "--log-file", _LOG)
    yield from ("--restore-detached", "--pidfile", str(first), "--root", str(made.root))
    yield from ("--inherit-fd", f"fd[{_NETWORK_FD}]:{NETWORK}", "--tcp-established", "--file-locks")
    yield "--manage-cgroups=ignore"


def _externals(sources: Sequence[tuple[str, str]]) -> Iterator[str]:
    for at, source in sources:
        yield from ("--external", f"mnt[{at}]:{source}")


def _source(binding: Binding, made: Layout) -> str:
    """Return what is bound now: a run's own places are where the layout has them."""
    place = str(made.source(binding.role)) if binding.role in OWN else binding.source
    return f"{place}/{binding.rest}" if binding.rest else place


def _require_there(sources: Sequence[tuple[str, str]]) -> None:
    for _, source in sources:
        if not Path(source).exists():
            raise ImageFailed(f"{source} is gone, which the services of the image see")


def _put_back(image: Path, services: Sequence[ServiceNote], folders: Path) -> None:
    for service in services:
        folder = folders / service.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "exit").unlink(missing_ok=True)
        said = (image / OUTPUT / service.kept).read_bytes()
        with (folder / "output").open("wb") as output:
            # What was said before the part that was kept is a hole; the place of the end is exact.
            output.seek(service.output_bytes - len(said))
            output.write(said)
            os.ftruncate(output.fileno(), service.output_bytes)
