"""The stored form of trees, read by hand as ``docs/log-format.md`` says, and the same for ever."""

from hashlib import sha256

import msgspec

from perdure.checkpoint.tree import (
    Entry,
    Piece,
    Recipe,
    directory_object,
    read_directory,
    read_root,
    recipe_object,
    root_object,
)

FILE = Entry(b"a.txt", "file", 0o644, 3, 1_700_000_000_000_000_001, sha256(b"abc").digest())
LINK = Entry(b"b", "link", 0o777, content=b"a.txt")
LEFT = Entry(b"c", "left", content=b"cache: __pycache__/")
OWNED = Entry(b"d", "file", 0o4755, 3, 5, sha256(b"abc").digest(), owner=(1, 2), xattrs=((b"user.x", b"y"),))
DIRECTORY = directory_object((FILE, LINK, LEFT, OWNED))
TOP = Entry(b"", "dir", 0o755, content=bytes.fromhex(DIRECTORY.name), identity=DIRECTORY.identity)
NAME = "5a72ebffb8ee3e96b98de0e1162ca0fe8e47d10fcff5d5bf69a7023db90f5ffc"


def test_a_directory_is_an_array_of_entries_of_ten_items():
    assert msgspec.msgpack.decode(DIRECTORY.stored) == [
        [
            b"a.txt",
            "file",
            0o644,
            3,
            1_700_000_000_000_000_001,
            sha256(b"abc").digest(),
            False,
            b"",
            None,
            [],
        ],
        [b"b", "link", 0o777, 0, 0, b"a.txt", False, b"", None, []],
        [b"c", "left", 0, 0, 0, b"cache: __pycache__/", False, b"", None, []],
        [b"d", "file", 0o4755, 3, 5, sha256(b"abc").digest(), False, b"", [1, 2], [[b"user.x", b"y"]]],
    ]
    assert DIRECTORY.name == sha256(DIRECTORY.stored).hexdigest()
    assert read_directory(DIRECTORY.stored) == (FILE, LINK, LEFT, OWNED)


def test_an_identity_leaves_out_times_and_what_was_left_out():
    held = [
        [b"a.txt", "file", 0o644, sha256(b"abc").digest(), False, None, []],
        [b"b", "link", 0o777, b"a.txt", False, None, []],
        [b"d", "file", 0o4755, sha256(b"abc").digest(), False, [1, 2], [[b"user.x", b"y"]]],
    ]
    assert DIRECTORY.identity == sha256(msgspec.msgpack.encode(held)).digest()


def test_roots_and_recipes_are_arrays():
    root = root_object(TOP, owners=True)
    top = [b"", "dir", 0o755, 0, 0, bytes.fromhex(DIRECTORY.name), False, DIRECTORY.identity, None, []]
    assert msgspec.msgpack.decode(root.stored) == [1, top, True]
    recipe = recipe_object(Recipe(9, (Piece(0, 4, b"1" * 32), Piece(6, 2, b"2" * 32))))
    assert msgspec.msgpack.decode(recipe.stored) == [9, [[0, 4, b"1" * 32], [6, 2, b"2" * 32]]]


def test_items_at_the_end_may_be_missing():
    short = msgspec.msgpack.encode([[b"a", "fifo", 0o600]])
    assert read_directory(short) == (Entry(b"a", "fifo", 0o600),)
    assert not read_root(msgspec.msgpack.encode([1, [b"", "dir"]])).owners


def test_the_same_tree_has_the_same_name_for_ever():
    assert root_object(TOP, owners=False).name == NAME
