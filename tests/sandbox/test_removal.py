"""What is removed is gone, also where two are at it."""

import threading
from pathlib import Path

from perdure.adapters.sandboxes.removal import uprooted


def grown(top: Path) -> None:
    for branch in range(6):
        folder = top / f"b{branch}"
        for level in range(12):
            folder = folder / f"d{level}"
            folder.mkdir(parents=True)
            (folder / "file").write_text("x")
        folder.chmod(0)


def test_two_that_remove_the_same_leave_nothing_and_neither_fails(tmp_path: Path):
    """As where the next sandbox clears what the last one's thread is still clearing."""
    failed: list[BaseException] = []

    def remove(place: Path) -> None:
        try:
            uprooted(place)
        except OSError as error:
            failed.append(error)

    for number in range(40):
        top = tmp_path / str(number)
        grown(top / "1")
        both = [threading.Thread(target=remove, args=(place,)) for place in (top / "1", top)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        uprooted(top)
        assert not top.exists()
    assert failed == []


def test_a_link_is_removed_and_what_it_names_stays(tmp_path: Path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    grown(tmp_path / "top")
    (tmp_path / "top" / "link").symlink_to(tmp_path / "kept")
    uprooted(tmp_path / "top")
    assert not (tmp_path / "top").exists()
    assert (tmp_path / "kept" / "file").read_text() == "x"
