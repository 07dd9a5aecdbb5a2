"""Pages in packs: whatever was packed comes out again, and little is written for little change. No CRIU needed."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.sandboxes.images import packing
from perdure.adapters.sandboxes.images.packing import Packs, unpack
from perdure.values.errors import ImageFailed

PAGE = 4096


def _page(number: int) -> bytes:
    return random.Random(number).randbytes(PAGE)


def _image(folder: Path, files: dict[str, list[int]]) -> Path:
    folder.mkdir(parents=True)
    (folder / "core-1.img").write_text("registers")
    for name, pages in files.items():
        (folder / name).write_bytes(b"".join(map(_page, pages)))
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


_pages = st.lists(st.integers(0, 12), max_size=12)
_files = st.dictionaries(st.sampled_from(["pages-1.img", "pages-2.img"]), _pages, max_size=2)


@given(st.lists(_files, min_size=1, max_size=6), st.integers(0, 5))
def test_any_row_of_images_comes_out_as_it_went_in(images: list[dict[str, list[int]]], restart: int) -> None:
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as small:
        small.setattr(packing, "_SLOTS", 4)
        base = Path(made)
        packs = Packs(base / "packs")
        for number, files in enumerate(images):
            image = _image(base / str(number), files)
            expected = _contents(image)
            packs.pack(image)
            # Another process may have to go on with it: it knows the image alone.
            if number == restart:
                packs = Packs(base / "packs")
                packs.learn(image)
            unpack(image, base / "out")
            assert _contents(base / "out") == expected
            held = {path for path in image.iterdir() if path.name.startswith("pack-")}
            size = sum(path.stat().st_size for path in held)
            distinct = len({page for pages in files.values() for page in pages})
            assert size <= 2 * distinct * PAGE, "of what an image holds it uses at least half"


def test_a_page_that_was_there_before_is_not_written_again(tmp_path: Path) -> None:
    packs = Packs(tmp_path / "packs")
    before = _image(tmp_path / "before", {"pages-1.img": list(range(100))})
    packs.pack(before)
    # One page is new, and all that come after it have moved.
    after = _image(tmp_path / "after", {"pages-1.img": [*range(40), 999, *range(40, 100)]})
    packs.pack(after)
    new = {path.name for path in after.iterdir()} - {path.name for path in before.iterdir()}
    assert [(after / name).stat().st_size for name in new] == [PAGE]
    shutil.rmtree(before)
    unpack(after, tmp_path / "out")
    assert (tmp_path / "out" / "pages-1.img").read_bytes() == b"".join(
        map(_page, [*range(40), 999, *range(40, 100)])
    )


def test_an_image_that_lacks_a_page_is_refused(tmp_path: Path) -> None:
    image = _image(tmp_path / "image", {"pages-1.img": [1, 2, 3]})
    Packs(tmp_path / "packs").pack(image)
    whole = (image / "pack-0").read_bytes()
    for left in (whole[:-1], whole[:PAGE], b""):
        (image / "pack-0").write_bytes(left)
        with pytest.raises(ImageFailed, match="does not hold"):
            unpack(image, tmp_path / "out")
    (image / "pack-0").unlink()
    with pytest.raises(ImageFailed, match="does not hold"):
        unpack(image, tmp_path / "out")


def test_an_image_written_by_hand_is_read_as_it_will_be_for_ever(tmp_path: Path) -> None:
    image = _image(tmp_path / "image", {})
    (image / "pack-0").write_bytes(_page(1) + _page(2))
    (image / "pack-7").write_bytes(_page(3))
    # Little-endian: the second page of pack 0, the first of pack 7.
    (image / "pages-1.map").write_bytes(bytes([1, 0, 0, 0, 0, 7, 0, 0]))
    unpack(image, tmp_path / "out")
    assert (tmp_path / "out" / "pages-1.img").read_bytes() == _page(2) + _page(3)
