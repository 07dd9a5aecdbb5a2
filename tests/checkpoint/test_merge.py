"""Three trees merged: what one side did is kept, what both did collides, and nothing is half done."""

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.checkpoint import merge as merging
from perdure.checkpoint.compare import compare
from perdure.checkpoint.merge import Conflicts, Merged, merge_trees
from perdure.checkpoint.plan import plan_restore
from perdure.checkpoint.tree import walk
from tests.checkpoint.disk import Inode, Recorded, record, take
from tests.checkpoint.drawing import changed, copied, odd, pairs, trees


def merged(
    base: Inode, ours: Inode, theirs: Inode
) -> tuple[Merged | Conflicts, dict[str, bytes], list[Recorded]]:
    """Merge three directories; return the outcome, all objects, and the three as recorded."""
    recorded = [record(each) for each in (base, ours, theirs)]
    objects = {name: stored for each in recorded for name, stored in each.objects.items()}
    found = merge_trees(objects.__getitem__, *(each.tree for each in recorded))
    return found, objects | (found.objects if isinstance(found, Merged) else {}), recorded


def same(objects: dict[str, bytes], first: str, second: str) -> bool:
    """Whether two trees differ in nothing lasting."""
    return all(each.times_only for each in compare(objects.__getitem__, first, second))


def folder(**names: Inode) -> Inode:
    """Return a directory."""
    return Inode("dir", 0o755, names={name.encode(): node for name, node in names.items()})


def text(content: str, mode: int = 0o644) -> Inode:
    """Return a file."""
    return Inode("file", mode, content.encode(), 1)


@given(pairs(odd))
def test_a_merge_with_what_changed_nothing_is_ours(pair: tuple[Inode, Inode]):
    base, ours = pair
    found, _, [_, mine, _] = merged(base, ours, base)
    assert isinstance(found, Merged)
    assert found.tree == mine.tree


@given(pairs())
def test_an_inverse_without_other_changes_gives_what_was_before(pair: tuple[Inode, Inode]):
    before, after = pair
    found, objects, [_, _, wanted] = merged(after, after, before)
    assert isinstance(found, Merged)
    assert same(objects, found.tree, wanted.tree)


@settings(max_examples=60)
@given(trees(), trees(), st.data())
def test_changes_in_different_places_are_both_kept(left: Inode, right: Inode, data: st.DataObject):
    other_left, other_right = data.draw(changed(left)), data.draw(changed(right))
    base, ours = folder(l=left, r=right), folder(l=other_left, r=right)
    found, objects, _ = merged(base, ours, folder(l=left, r=other_right))
    assert isinstance(found, Merged)
    wanted = record(folder(l=other_left, r=other_right))
    assert same(objects | wanted.objects, found.tree, wanted.tree)


@settings(max_examples=200)
@given(trees(odd), st.data())
def test_a_merged_tree_can_be_restored_and_takes_each_path_from_a_side_that_has_it(
    base: Inode, data: st.DataObject
):
    ours, theirs = data.draw(changed(base, odd)), data.draw(changed(base, odd))
    found, objects, recorded = merged(base, ours, theirs)
    if isinstance(found, Conflicts):
        assert len({each.path for each in found.collisions}) > 0
        return
    sides = [dict(walk(objects.__getitem__, each.tree)) for each in recorded]
    for path, entry in walk(objects.__getitem__, found.tree):
        assert entry.kind in {side[path].kind for side in sides if path in side}, path
    for path in sides[1].keys() & sides[2].keys():
        if sides[1][path] == sides[2][path]:
            assert dict(walk(objects.__getitem__, found.tree))[path].lasting == sides[1][path].lasting
    disk = copied(ours)
    for step in plan_restore(objects.__getitem__, recorded[1].tree, found.tree).steps:
        take(disk, step, objects)


def test_a_changed_file_goes_back_while_a_later_change_elsewhere_in_it_stays():
    before = folder(f=text("1\n2\n3\n4\n5\n"))
    after = folder(f=text("1\n2\n3\n4\nfive\n"))
    present = folder(f=text("one\n2\n3\n4\nfive\n"))
    found, objects, _ = merged(after, present, before)
    assert isinstance(found, Merged)
    entry = dict(walk(objects.__getitem__, found.tree))["f"]
    assert objects[entry.content.hex()] == b"one\n2\n3\n4\n5\n"
    assert entry.mtime == 0  # it is new, and has to look so to what builds from it


def test_a_later_change_of_the_same_lines_collides_and_nothing_is_merged():
    before, after = folder(f=text("1\n"), g=text("g\n")), folder(f=text("2\n"), g=text("G\n"))
    found, _, _ = merged(after, folder(f=text("3\n"), g=text("G\n")), before)
    assert isinstance(found, Conflicts)
    [collision] = found.collisions
    assert (collision.path, collision.why) == ("f", "both sides changed the same lines")
    assert collision.shown == "<<<<<<< present\n3\n=======\n1\n>>>>>>> wanted\n"
    assert str(found.error()) == "1 path can't be merged: f (both sides changed the same lines)"
    assert found.error().code == "P113"


def test_a_mode_goes_back_while_a_later_content_stays():
    found, objects, _ = merged(
        folder(f=text("1", 0o755)), folder(f=text("2", 0o755)), folder(f=text("1", 0o644))
    )
    assert isinstance(found, Merged)
    wanted = record(folder(f=text("2", 0o644)))
    assert same(objects | wanted.objects, found.tree, wanted.tree)


def test_a_directory_that_the_change_made_goes_but_for_what_came_into_it_later():
    after, before = folder(d=folder(a=text("a"), b=text("b"))), folder()
    for present, wanted in [
        (after, before),
        (folder(d=folder(a=text("a"), b=text("b"), mine=text("m"))), folder(d=folder(mine=text("m")))),
    ]:
        found, objects, _ = merged(after, present, before)
        assert isinstance(found, Merged)
        tree = record(wanted)
        assert same(objects | tree.objects, found.tree, tree.tree)


def test_a_rename_by_the_change_is_undone_and_one_of_a_file_changed_since_collides():
    before, after = folder(old=text("x\n")), folder(new=text("x\n"))
    found, objects, [_, _, wanted] = merged(after, after, before)
    assert isinstance(found, Merged)
    assert same(objects, found.tree, wanted.tree)
    found, _, _ = merged(after, folder(new=text("x\ny\n")), before)
    assert isinstance(found, Conflicts)
    assert [(each.path, each.why) for each in found.collisions] == [
        ("new", "it was changed since, and would be deleted")
    ]


def test_what_is_no_text_collides_unless_one_side_left_it_alone():
    def binary(content: str) -> Inode:
        return folder(f=text("\0" + content))

    found, _, _ = merged(binary("after"), binary("present"), binary("before"))
    assert isinstance(found, Conflicts)
    found, objects, [_, _, wanted] = merged(binary("after"), binary("after"), binary("before"))
    assert isinstance(found, Merged)
    assert same(objects, found.tree, wanted.tree)


def test_a_secret_whose_content_is_stored_nowhere_collides():
    secret, other = Inode("secret", 0o600, b"1"), Inode("secret", 0o600, b"2")
    for base, ours, theirs in [(other, other, secret), (secret, secret, None), (None, None, secret)]:
        trees = [folder(**({"env": each} if each else {})) for each in (base, ours, theirs)]
        found, _, _ = merged(*trees)
        assert isinstance(found, Conflicts)
        assert "stored nowhere" in found.collisions[0].why


def test_a_further_name_of_a_file_that_would_go_collides():
    shared = text("x")
    found, _, _ = merged(folder(a=text("x")), folder(a=shared, b=shared), folder())
    assert isinstance(found, Conflicts)
    assert [each.path for each in found.collisions] == ["b"]


def test_a_merge_that_overwrites_what_came_later_is_caught(monkeypatch):
    before, after = folder(f=text("1\n2\n3\n")), folder(f=text("1\n2\nthree\n"))
    present = folder(f=text("one\n2\nthree\n"))

    def kept() -> bool:
        found, objects, _ = merged(after, present, before)
        assert isinstance(found, Merged)
        return objects[dict(walk(objects.__getitem__, found.tree))["f"].content.hex()].startswith(b"one\n")

    assert kept()
    monkeypatch.setattr(merging, "merge_text", lambda _base, _ours, theirs: _Whole(theirs))
    assert not kept()


class _Whole:
    """What a merge returns that takes the other side whole."""

    def __init__(self, content: bytes) -> None:
        self.content, self.shown = content, b""
