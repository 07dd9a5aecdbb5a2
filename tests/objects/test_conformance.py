"""Every object store keeps the port's word: objects are made once, read in part, listed in order, and deleted."""

import threading

import pytest

from perdure.adapters.objects import bucket
from perdure.log.port import ObjectStore
from perdure.values.errors import BlobMissing

NAME = "ab/abcdef-1"


def test_an_object_comes_back_byte_for_byte(objects: ObjectStore):
    content = bytes(range(256)) * 9000
    assert objects.put(NAME, content)
    assert objects.get(NAME) == content
    assert objects.get(NAME) == content


def test_an_empty_object_is_an_object(objects: ObjectStore):
    assert objects.put(NAME, b"")
    assert objects.get(NAME) == b""
    assert not objects.put(NAME, b"x")


def test_any_part_of_an_object_can_be_read(objects: ObjectStore):
    content = bytes(range(200))
    objects.put(NAME, content)
    for start, size in ((0, 1), (0, 200), (17, 30), (199, 1), (150, 500), (17, 0)):
        assert objects.get(NAME, start, size) == content[start : start + size]
    assert objects.get(NAME, 150) == content[150:]


def test_an_object_that_is_there_is_never_changed(objects: ObjectStore):
    assert objects.put(NAME, b"first")
    assert not objects.put(NAME, b"second, and longer")
    assert objects.get(NAME) == b"first"


def test_of_32_who_put_one_name_at_once_one_makes_it(objects: ObjectStore):
    start = threading.Barrier(32)
    made: list[bytes] = []

    def put(number: int) -> None:
        content = f"by {number}".encode() * 1000
        start.wait()
        if objects.put(NAME, content):
            made.append(content)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert objects.get(NAME) == made[0]


def test_an_object_that_is_not_there_is_missing(objects: ObjectStore):
    for start, size in ((0, None), (3, None), (3, 5)):
        with pytest.raises(BlobMissing):
            objects.get(NAME, start, size)


def test_names_come_in_order_a_page_at_a_time_and_end(objects: ObjectStore):
    expected = sorted((f"a{number % 7}/object-{number:03}", number + 1) for number in range(40))
    for name, size in reversed(expected):
        objects.put(name, b"x" * size)
    objects.put("b/elsewhere", b"")
    found: list[tuple[str, int]] = []
    after = ""
    while page := objects.names("", after):
        assert list(page) == sorted(page)
        found += page
        after = page[-1][0]
    assert found == [*expected, ("b/elsewhere", 0)]
    assert [name for name, _ in objects.names("a3")] == [
        name for name, _ in expected if name.startswith("a3/")
    ]
    assert objects.names("none") == []


def test_pages_join_however_many_listings_go_on_at_once(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bucket, "OBJECT_NAMES_PAGE", 5)
    expected = sorted(f"a/{number:02}" for number in range(13))
    for name in expected:
        objects.put(name, b"x")
    heard = dict.fromkeys(range(5), "")
    found: dict[int, list[str]] = {number: [] for number in heard}
    while heard:
        for number, after in list(heard.items()):
            page = [name for name, _ in objects.names("a" if number % 2 else "", after)]
            found[number] += page
            if page:
                heard[number] = page[-1]
            else:
                del heard[number]
    assert all(names == expected for names in found.values())


def test_what_is_deleted_is_gone_and_may_be_deleted_again(objects: ObjectStore):
    names = [f"a/{number}" for number in range(5)]
    for name in names:
        objects.put(name, b"x")
    objects.delete([*names[:2], "a/never", *names[2:4]])
    objects.delete(names[:2])
    objects.delete([])
    assert [name for name, _ in objects.names("a")] == names[4:]
    assert objects.put("a/0", b"anew")


def test_a_healthy_store_passes_its_own_check_and_nothing_is_left(objects: ObjectStore):
    objects.check()
    assert objects.names("") == []
