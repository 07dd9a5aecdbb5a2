"""Memory pages of images in packs: a page that was in an image before is not stored again.

Two images of a service of 100 MB differ in some dozen pages, but those lie anywhere in CRIU's files. So
each such file is replaced by a map that names every page by its place in a pack.

Invariants:
- An image holds every pack that its maps name, so it can be restored alone.
- A pack never changes once it is written.
- Of each pack that an image holds, at least half is used by that image: the rest is written anew.
"""

import hashlib
import os
import re
import shutil
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from perdure.values.errors import ImageFailed

_PAGE: Final = 4096
_SLOTS: Final = 256
"""Pages in a pack, which makes it 1 MiB, one blob. A place is the number of a pack times this, plus that
of the page in it: images are read by this number, so it never changes."""

_PAGES: Final = "pages-*.img"
_MAP: Final = ".map"
_PACK: Final = re.compile(r"pack-(\d+)")


class Packs:
    """The packs of one run's last image, kept in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Keep packs in ``folder``, which is emptied: what is in it belongs to nobody."""
        self._folder: Path = folder
        self._places: dict[bytes, int] = {}
        self._next: int = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def pack(self, image: Path) -> None:
        """Replace the files of pages in ``image`` by maps, and add the packs that these name."""
        files = sorted(image.glob(_PAGES))
        read = [list(_digests(file)) for file in files]
        self._forget_sparse([each for digests in read for each in digests])
        for file, digests in zip(files, read, strict=True):
            self._add(file, digests)
            places = array("I", (self._places[each] for each in digests))
            file.with_suffix(_MAP).write_bytes(places.tobytes())
            file.unlink()
        for path in self._folder.iterdir():
            _linked(path, image / path.name)

    def learn(self, image: Path) -> None:
        """Take over the packs of ``image``, which is the run's last one now."""
        self._places.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        for path in image.iterdir():
            found = _PACK.fullmatch(path.name)
            if found:
                _linked(path, self._folder / path.name)
                first = int(found[1]) * _SLOTS
                self._places.update((each, first + slot) for slot, each in enumerate(_digests(path)))
                self._next = max(self._next, int(found[1]) + 1)

    def _forget_sparse(self, wanted: list[bytes]) -> None:
        """Forget each pack of which less than half is wanted."""
        used = Counter(self._places[each] // _SLOTS for each in set(wanted) if each in self._places)
        for path in list(self._folder.iterdir()):
            number = int(path.name.partition("-")[2])
            if not used[number] or used[number] * 2 * _PAGE < path.stat().st_size:
                path.unlink()
                del used[number]
        self._places = {each: place for each, place in self._places.items() if place // _SLOTS in used}

    def _add(self, file: Path, digests: list[bytes]) -> None:
        """Write the pages of ``file`` that are in no pack into new ones."""
        new: dict[bytes, int] = {}
        for number, each in enumerate(digests):
            if each not in self._places:
                new.setdefault(each, number)
        with file.open("rb") as pages:
            for begin in range(0, len(new), _SLOTS):
                some = list(new.items())[begin : begin + _SLOTS]
                with (self._folder / f"pack-{self._next}").open("wb") as pack:
                    for _, number in some:
                        pages.seek(number * _PAGE)
                        pack.write(pages.read(_PAGE))
                # Only what is written is known: a disk may be full in the middle.
                first = self._next * _SLOTS
                self._places.update((each, first + slot) for slot, (each, _) in enumerate(some))
                self._next += 1


def unpack(image: Path, into: Path) -> None:
    """Make ``into`` the folder that CRIU wrote, from an ``image`` with packs; raises ``ImageFailed``."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    packs: dict[int, bytes] = {}
    for path in sorted(image.iterdir(), key=lambda path: path.suffix == _MAP):
        found = _PACK.fullmatch(path.name)
        if found:
            packs[int(found[1])] = path.read_bytes()
        elif path.suffix == _MAP:
            with (into / path.name).with_suffix(".img").open("wb") as pages:
                pages.writelines(_pages(path, packs))
        elif path.is_file():
            _linked(path, into / path.name)


def _pages(file: Path, packs: dict[int, bytes]) -> Iterator[bytes]:
    for place in array("I", file.read_bytes()):
        number, slot = divmod(place, _SLOTS)
        page = packs.get(number, b"")[slot * _PAGE : (slot + 1) * _PAGE]
        # CRIU would wait for the rest of a page for ever.
        if len(page) != _PAGE:
            raise ImageFailed(f"{file.name} names a page that the image does not hold")
        yield page


def _digests(file: Path) -> Iterator[bytes]:
    with file.open("rb") as pages:
        while page := pages.read(_PAGE):
            yield hashlib.sha256(page).digest()


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
