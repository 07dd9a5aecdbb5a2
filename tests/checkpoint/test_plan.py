"""Plans, carried out on a directory in memory that refuses what a file system would refuse."""

from hypothesis import given
from hypothesis import strategies as st

from perdure.checkpoint.plan import foreign, plan_restore
from perdure.checkpoint.steps import Plan
from perdure.checkpoint.tree import CACHE_RULE, spelled
from perdure.log.events import PathChanged
from tests.checkpoint.disk import Inode, Recorded, both, find, paths, record, take
from tests.checkpoint.drawing import copied, odd, pairs


def carried_out(present: Inode, plan: Plan, objects: dict[str, bytes]) -> Recorded:
    """Return what is recorded of ``present`` after the plan."""
    for step in plan.steps:
        take(present, step, objects)
    return record(present)


def folder(**names: Inode) -> Inode:
    """Return a directory; two underscores are a dot."""
    return Inode("dir", 0o755, names={name.replace("__", ".").encode(): node for name, node in names.items()})


def text(content: str, mode: int = 0o644) -> Inode:
    """Return a file."""
    return Inode("file", mode, content.encode(), 1)


def planned(present: Inode, target: Inode, keep: tuple[str, ...] = ()) -> Plan:
    """Return the plan from one to the other."""
    first, second = record(present), record(target)
    return plan_restore(both(first, second).__getitem__, first.tree, second.tree, keep)


@given(pairs())
def test_a_plan_carried_out_on_the_present_gives_the_target(pair: tuple[Inode, Inode]):
    present, target = pair
    before, wanted = record(present), record(target)
    objects = both(before, wanted)
    plan = plan_restore(objects.__getitem__, before.tree, wanted.tree)
    assert carried_out(copied(present), plan, objects).tree == wanted.tree
    assert plan.unrestorable == ()
    assert plan.empty == (before.tree == wanted.tree)


@given(pairs())
def test_only_names_and_inodes_that_differ_are_touched(pair: tuple[Inode, Inode]):
    present, target = pair
    plan = planned(present, target)
    disk = copied(present)
    before = dict(paths(disk))
    carried_out(disk, plan, both(record(present), record(target)))
    touched = {step.path for step in plan.steps}
    for path, node in paths(disk):
        if path not in touched:
            assert before[path] is node, path


@given(pairs(odd), st.data())
def test_what_is_kept_and_what_no_tree_holds_is_never_lost(pair: tuple[Inode, Inode], data: st.DataObject):
    present, target = pair
    every = sorted({path for top in pair for path, _ in paths(top)})
    keep = tuple(data.draw(st.lists(st.sampled_from(every), max_size=2))) if every else ()
    plan = planned(present, target, keep)
    disk = copied(present)
    before = {path: (node, node.content, node.mode) for path, node in paths(disk)}
    carried_out(disk, plan, both(record(present), record(target)))
    after = dict(paths(disk))
    for path, (node, content, mode) in before.items():
        kept = any(path == each or path.startswith(each + "/") for each in keep)
        unknown = node.kind == "secret" or (node.kind == "left" and not node.content.startswith(CACHE_RULE))
        if kept:
            assert (after[path].content, after[path].mode, after[path].kind) == (content, mode, node.kind), (
                path
            )
        elif unknown:
            assert after[path] is node, path
    for path in after.keys() - before.keys():
        assert not any(path == each or path.startswith(each + "/") for each in keep), path


@given(pairs(odd))
def test_what_a_plan_does_not_call_unrestorable_is_restored(pair: tuple[Inode, Inode]):
    present, target = pair
    plan = planned(present, target)
    disk = copied(present)
    carried_out(disk, plan, both(record(present), record(target)))
    excused = {each.path for each in plan.unrestorable}
    after, wanted = dict(paths(disk)), dict(paths(target))
    for path, node in wanted.items():
        above = {path, *(path[:at] for at in range(len(path)) if path[at] == "/")}
        aside = any(wanted[each].kind == "left" or find_kind(present, each) == "left" for each in above)
        if above & excused or aside or node.kind == "left":
            continue
        assert path in after, path
        assert (after[path].kind, after[path].mode, after[path].content) == (
            node.kind,
            node.mode,
            node.content,
        )
    for path in after.keys() - wanted.keys():
        reasons = {path, *(below for below, _ in paths(disk) if below.startswith(path + "/"))}
        held = any(after[each].kind in ("secret", "left") for each in reasons)
        aside = any(
            path.startswith(each + "/") for each in excused | set(wanted) if aside_at(wanted, excused, each)
        )
        assert held or aside, path


def find_kind(top: Inode, path: str) -> str:
    """Return the kind of what stands at ``path``."""
    node = find(top, path)
    return node.kind if node is not None else ""


def aside_at(wanted: dict[str, Inode], excused: set[str], path: str) -> bool:
    """Whether nothing below ``path`` is looked at."""
    return path in excused or (path in wanted and wanted[path].kind == "left")


@given(pairs())
def test_the_lists_for_people_name_what_differs_and_nothing_else(pair: tuple[Inode, Inode]):
    present, target = pair
    plan = planned(present, target)
    now, then = dict(paths(present)), dict(paths(target))
    assert set(plan.created) == then.keys() - now.keys()
    assert set(plan.deleted) == now.keys() - then.keys()
    assert set(plan.changed) <= now.keys() & then.keys()


def test_a_file_that_only_lost_its_mode_is_not_written_again():
    plan = planned(folder(a=text("x", 0o600)), folder(a=text("x", 0o755)))
    assert [(step.verb, step.path) for step in plan.steps] == [("amend", "a")]


def test_a_stale_cache_beside_a_restored_file_goes_and_one_elsewhere_stays():
    def tree(content: str) -> Inode:
        cache = Inode("left", 0, CACHE_RULE + b" __pycache__/")
        return folder(
            pkg=folder(mod__py=text(content), cache=cache), other=folder(mod__py=text("same"), cache=cache)
        )

    plan = planned(tree("new"), tree("old"))
    assert plan.cleared == ("pkg/cache",)
    assert ("clear", "pkg/cache") in [(step.verb, step.path) for step in plan.steps]


def test_a_directory_that_came_since_goes_although_a_cache_is_in_it():
    cache = Inode("left", 0, CACHE_RULE + b" __pycache__/")
    plan = planned(folder(pkg=folder(mod__py=text("x"), cache=cache)), folder())
    assert [step.verb for step in plan.steps] == ["unlink", "clear", "rmdir"]


def test_a_secret_is_neither_overwritten_nor_deleted_and_is_named():
    present = folder(a__env=Inode("secret", 0o600, b"new"), b=folder(c__env=Inode("secret", 0o600, b"mine")))
    plan = planned(present, folder(a__env=Inode("secret", 0o600, b"old")))
    assert plan.steps == ()
    assert {each.path for each in plan.unrestorable} == {"a.env", "b/c.env"}


def test_of_a_submodule_that_came_since_nothing_stays():
    module = folder(HEAD=text("m"), objects=folder(aa=folder(m=text("m"))))
    objects = folder(aa=folder(o=text("o")))
    target = folder(__git=folder(HEAD=text("x"), objects=objects))
    present = folder(__git=folder(HEAD=text("x"), objects=objects, modules=folder(lib=module)))
    result = carried_out(copied(present), planned(present, target), both(record(present), record(target)))
    assert result.tree == record(target).tree


def test_gits_objects_stay_and_its_references_go_back():
    def repository(head: str, *objects: str) -> Inode:
        names = {name: text(name) for name in objects}
        return folder(__git=folder(HEAD=text(head), objects=folder(aa=folder(**names))), f=text(head))

    present = repository("two", "one", "two")
    plan = planned(present, repository("one", "one"))
    assert [(step.verb, step.path) for step in plan.steps] == [("write", ".git/HEAD"), ("write", "f")]
    assert plan.repositories == (".git",)


def test_a_repository_that_came_since_goes_whole():
    present = folder(clone=folder(__git=folder(HEAD=text("x"), objects=folder(aa=folder(o=text("o"))))))
    disk = copied(present)
    plan = planned(present, folder())
    assert carried_out(disk, plan, {}).tree == record(folder()).tree


def test_what_was_left_out_is_never_written_and_is_named():
    plan = planned(folder(), folder(data=Inode("left", 0, b"/data -> recreate: make data")))
    assert plan.steps == ()
    [(path, why)] = plan.unrestorable
    assert path == "data"
    assert "make data" in why


def test_a_second_name_of_a_kept_file_becomes_a_file_of_its_own():
    shared = text("old")
    plan = planned(folder(a=text("mine")), folder(a=shared, b=shared), keep=("a",))
    assert [(step.verb, step.path) for step in plan.steps] == [("write", "b")]
    assert plan.kept == ("a",)


def test_what_an_unknown_hand_changed_last_is_foreign():
    plan = planned(
        folder(a=text("1"), b=text("1"), c=text("1"), n=text("new")),
        folder(a=text("0"), b=text("0"), c=text("1")),
    )
    changes = [
        PathChanged("a", "changed", "unknown"),
        PathChanged("b", "changed", "unknown"),
        PathChanged("b", "changed", "tool"),
        PathChanged("c", "changed", "unknown"),
        PathChanged("n", "created", "unknown"),
    ]
    assert set(foreign(plan, changes)) == {"a", "n"}


def test_a_kept_path_may_be_spelled_as_the_log_spells_it():
    present = Inode("dir", 0o755, names={b"\xff": text("mine")})
    plan = planned(present, Inode("dir", 0o755, names={b"\xff": text("old")}), keep=(spelled("\udcff"),))
    assert plan.steps == ()


def test_a_planner_that_forgets_the_further_names_of_a_file_is_caught():
    shared, fresh = text("old"), text("new")
    present, target = folder(a=fresh, b=fresh), folder(a=shared, b=shared)
    plan = planned(present, target)
    forgetful = plan._replace(steps=tuple(step for step in plan.steps if step.verb != "hard"))
    objects = both(record(present), record(target))
    assert carried_out(copied(present), forgetful, objects).tree != record(target).tree
    assert carried_out(copied(present), plan, objects).tree == record(target).tree
