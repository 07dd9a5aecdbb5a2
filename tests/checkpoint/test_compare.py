"""Two trees compared: nothing is missed, nothing is read that both share, and order is the tree's."""

from hypothesis import given

from perdure.checkpoint.compare import Renamed, compare, own, renames
from perdure.checkpoint.tree import encoded, walk
from tests.checkpoint.disk import Inode, both, record
from tests.checkpoint.drawing import odd, pairs


@given(pairs(odd))
def test_two_trees_differ_lastingly_exactly_if_their_identities_do(pair: tuple[Inode, Inode]):
    before, after = map(record, pair)
    found = compare(both(before, after).__getitem__, before.tree, after.tree)
    same_top = pair[0].mode == pair[1].mode
    lasting = [each for each in found if not each.times_only]
    assert (not lasting) == (before.identity == after.identity and same_top)


@given(pairs(odd))
def test_what_is_found_is_what_a_path_by_path_comparison_finds(pair: tuple[Inode, Inode]):
    before, after = map(record, pair)
    first = dict(walk(before.fetch, before.tree))
    second = dict(walk(after.fetch, after.tree))
    expected = {
        path
        for path in first.keys() | second.keys()
        if path not in first
        or path not in second
        or own(first[path], owners=True) != own(second[path], owners=True)
        or (first[path].kind == "file" and first[path].mtime != second[path].mtime)
    }
    found = list(compare(both(before, after).__getitem__, before.tree, after.tree))
    assert {each.path for each in found} == expected
    assert [each.path for each in found] == sorted(expected, key=lambda path: encoded(path).split(b"/"))
    for each in found:
        assert (each.before, each.after) == (first.get(each.path), second.get(each.path))
        expected_change = (
            "created" if each.path not in first else "deleted" if each.path not in second else "changed"
        )
        assert each.change == expected_change


def test_a_file_that_was_only_touched_differs_by_its_time_alone():
    before = record(Inode("dir", names={b"a": Inode("file", content=b"x", mtime=1)}))
    after = record(Inode("dir", names={b"a": Inode("file", content=b"x", mtime=2)}))
    [found] = compare(both(before, after).__getitem__, before.tree, after.tree)
    assert (found.path, found.change, found.times_only) == ("a", "changed", True)
    assert before.identity == after.identity


def test_an_equal_directory_is_not_read():
    shared = Inode("dir", names={b"deep": Inode("dir", names={b"x": Inode("file", content=b"x")})})
    before = record(Inode("dir", names={b"s": shared, b"a": Inode("file", content=b"1")}))
    after = record(Inode("dir", names={b"s": shared, b"a": Inode("file", content=b"2")}))
    objects, read = both(before, after), set[str]()

    def fetch(name: str) -> bytes:
        read.add(name)
        return objects[name]

    assert [each.path for each in compare(fetch, before.tree, after.tree)] == ["a"]
    assert len(read) == 4  # two roots and two top directories


def test_the_empty_tree_differs_from_another_by_all_that_is_in_it():
    tree = record(Inode("dir", names={b"d": Inode("dir", names={b"x": Inode("file")})}))
    created = [(each.path, each.change) for each in compare(tree.fetch, "", tree.tree)]
    deleted = [(each.path, each.change) for each in compare(tree.fetch, tree.tree, "")]
    assert created == [("d", "created"), ("d/x", "created")]
    assert deleted == [("d", "deleted"), ("d/x", "deleted")]
    assert list(compare(tree.fetch, "", "")) == []


def test_renames_pair_what_is_gone_with_what_has_come_and_take_directories_whole():
    def folder():
        return Inode("dir", names={b"x": Inode("file", content=b"x"), b"y": Inode("file", content=b"y")})

    before = record(
        Inode("dir", names={b"old": folder(), b"f": Inode("file", content=b"f"), b"e": Inode("file")})
    )
    after = record(
        Inode("dir", names={b"new": folder(), b"g": Inode("file", content=b"f"), b"h": Inode("file")})
    )
    found = compare(both(before, after).__getitem__, before.tree, after.tree)
    assert set(renames(found)) == {Renamed("old", "new"), Renamed("f", "g")}


def test_one_file_is_the_source_of_one_rename():
    before = record(Inode("dir", names={b"f": Inode("file", content=b"f")}))
    after = record(Inode("dir", names={b"g": Inode("file", content=b"f"), b"h": Inode("file", content=b"f")}))
    found = compare(both(before, after).__getitem__, before.tree, after.tree)
    assert renames(found) == (Renamed("f", "g"),)
