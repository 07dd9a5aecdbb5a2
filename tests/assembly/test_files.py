"""A run's files through the front door: going back, taking back, and where each line comes from."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure
from perdure.assembly.files.going_back import Collided, Foreign, GoingBack, Reversal
from perdure.log import events as e
from perdure.testing.scripted import call, say
from perdure.values.errors import BadInput, BadPosition, Held, NoUndo, RestoreRefused
from tests.assembly.kit import agent, kinds


@perdure.tool(effect="workspace")
def put(ctx: perdure.Context, path: str, text: str) -> str:
    """Write a file."""
    assert ctx.workspace is not None
    target = ctx.workspace / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return "written"


def lines(*said: str) -> str:
    return "".join(f"{line}\n" for line in said)


TEN = [f"line {number}" for number in range(10)]
CHANGED = ["the first", *TEN[1:]]
LONGER = [*CHANGED, "the last"]
SCRIPT = (
    call("put", path="f", text=lines(*TEN)),
    call("put", path="f", text=lines(*CHANGED)),
    call("put", path="f", text=lines(*LONGER)),
    say("Done."),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a file of its user in it."""
    made = tmp_path / "work"
    made.mkdir()
    (made / "theirs").write_text("theirs\n")
    return made


@pytest.fixture
def store(tmp_path: Path, root: Path) -> Iterator[perdure.Store]:
    """A store with a run that has written a file three times."""
    with perdure.open(tmp_path / "store") as store:
        store.start(agent(*SCRIPT, tools=(put,), workspace=root), "Go.", run="r").wait()
        yield store


def trees(store: perdure.Store) -> list[int]:
    """Return where files were recorded: as it began, and after each deed."""
    return [each.position for each in store.events("r") if isinstance(each.body, e.CheckpointTaken)]


def test_a_way_back_is_known_before_anything_is_touched(store: perdure.Store, root: Path):
    begun, first, *_ = trees(store)
    end = store.state("r").position
    way = store.way_back("r", begun)
    assert way is not None
    assert (way.plan.created, way.plan.changed, way.plan.deleted) == ((), (), ("f",))
    later = store.way_back("r", first)
    assert later is not None
    assert (later.plan.changed, later.foreign, later.at.exact) == (("f",), (), True)
    assert store.state("r").position == end
    assert (root / "f").read_text() == lines(*LONGER)
    for position in (0, end, end + 1):
        with pytest.raises(BadPosition):
            store.way_back("r", position)


@pytest.mark.parametrize(("foreign", "left"), [("keep", "mine"), ("discard", "theirs")])
def test_what_others_changed_refuses_stays_or_goes_as_is_said(
    store: perdure.Store, root: Path, foreign: Foreign, left: str
):
    begun = trees(store)[0]
    (root / "theirs").write_text("mine\n")
    with pytest.raises(RestoreRefused, match="theirs"):
        store.rewind("r", to=begun)
    assert (root / "f").exists()
    assert "run.rewound" not in kinds(store, "r")
    store.rewind("r", to=begun, foreign=foreign)
    assert (root / "theirs").read_text() == f"{left}\n"
    assert not (root / "f").exists()


def test_the_present_is_recorded_before_it_is_touched(store: perdure.Store, root: Path):
    (root / "theirs").write_text("mine\n")
    store.rewind("r", to=trees(store)[0], foreign="discard")
    told = kinds(store, "r")
    assert told.index("workspace.changed", len(told) - 6) < told.index("run.rewound")
    left = told.index("run.rewound")
    store.rewind("r", to=left)
    assert (root / "theirs").read_text() == "mine\n"
    assert (root / "f").read_text() == lines(*LONGER)


def test_a_store_that_does_not_record_the_present_is_caught(
    store: perdure.Store, root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(GoingBack, "present", lambda *_: ())
    with pytest.raises((AssertionError, ValueError)):
        test_the_present_is_recorded_before_it_is_touched(store, root)


def test_without_files_they_stay(store: perdure.Store, root: Path):
    store.rewind("r", to=trees(store)[0], files=False)
    assert (root / "f").read_text() == lines(*LONGER)
    assert store.state("r").live.put_back is None


@pytest.mark.parametrize(
    "name", ["workspace.changed", "checkpoint.taken", "effect.started", "effect.settled"]
)
def test_one_change_is_taken_back_by_any_of_its_events_and_what_came_after_stays(
    store: perdure.Store, root: Path, name: str
):
    settled = [each.position for each in store.events("r") if isinstance(each.body, e.EffectSettled)]
    started = [each.position for each in store.events("r") if isinstance(each.body, e.EffectStarted)]
    changed = [each.position for each in store.events("r") if isinstance(each.body, e.WorkspaceChanged)]
    named = {
        "workspace.changed": changed[1],
        "checkpoint.taken": changed[1] + 1,
        "effect.started": started[1],
        "effect.settled": settled[1],
    }
    found = store.reversal("r", named[name])
    assert isinstance(found, Reversal)
    assert (found.position, found.plan.changed) == (changed[1], ("f",))
    assert (root / "f").read_text() == lines(*LONGER)
    store.take_back("r", found, by="Ada")
    assert (root / "f").read_text() == lines(*TEN, "the last")
    with pytest.raises(NoUndo, match="not there any more"):
        store.reversal("r", changed[1])


def test_what_is_taken_back_can_itself_be_gone_back_from(store: perdure.Store, root: Path):
    changed = [each.position for each in store.events("r") if isinstance(each.body, e.WorkspaceChanged)]
    before = store.state("r").position
    found = store.reversal("r", changed[1])
    assert isinstance(found, Reversal)
    store.take_back("r", found)
    store.rewind("r", to=before)
    assert (root / "f").read_text() == lines(*LONGER)


def test_a_change_that_later_ones_built_on_collides_with_them_by_position(store: perdure.Store, root: Path):
    first, second, third = [
        each.position for each in store.events("r") if isinstance(each.body, e.WorkspaceChanged)
    ]
    found = store.reversal("r", first)
    assert isinstance(found, Collided)
    assert [each.path for each in found.conflicts.collisions] == ["f"]
    assert found.later == {"f": (second, third)}
    assert (root / "f").read_text() == lines(*LONGER)
    assert "change.reverted" not in kinds(store, "r")


def test_a_position_that_changed_no_files_has_no_reversal(store: perdure.Store):
    assert store.reversal("r", 1) is None
    for position in (0, store.state("r").position + 1):
        with pytest.raises(BadPosition):
            store.reversal("r", position)


def test_nothing_is_taken_back_while_somebody_drives_the_run(tmp_path: Path, root: Path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)

    @perdure.tool(effect="workspace")
    def slow() -> str:
        """Wait."""
        begun.write_text("here")
        return go.read_text()

    script = (call("put", path="f", text="one\n"), call("slow"), say("Done."))
    with perdure.open(tmp_path / "other") as store:
        run = store.start(agent(*script, tools=(put, slow), workspace=root), "Go.", run="r")
        begun.read_text()
        (changed,) = [
            each.position for each in store.events("r") if isinstance(each.body, e.WorkspaceChanged)
        ]
        found = store.reversal("r", changed)
        assert isinstance(found, Reversal)
        with pytest.raises(Held):
            store.take_back("r", found)
        assert (root / "f").read_text() == "one\n"
        go.write_text("on")
        run.wait()


def test_each_line_leads_to_the_act_that_wrote_it(store: perdure.Store):
    begun, first, second, third = trees(store)
    blamed = store.files.blame("r", "f")
    assert [line.text for line in blamed] == LONGER
    assert [line.origin.position for line in blamed] == [second, *[first] * 9, third]
    assert [blamed[number].origin.turn for number in (0, 1, -1)] == [2, 1, 3]
    earlier = store.files.blame("r", "f", first)
    assert {line.origin.position for line in earlier} == {first}
    (theirs,) = store.files.blame("r", "theirs")
    assert (theirs.origin.by, theirs.origin.position) == ("start", begun)


def test_lines_that_were_put_back_or_are_nobodys_are_said_to_be(store: perdure.Store, root: Path):
    (root / "f").write_text(lines(*LONGER, "mine"))
    begun, first, second, *_ = trees(store)
    store.rewind("r", to=second, foreign="discard")
    assert {line.origin.position for line in store.files.blame("r", "f")} == {first, second}
    (root / "f").write_text(lines(*CHANGED, "mine"))
    store.rewind("r", to=begun, foreign="discard")
    untold = store.files.blame("r", "f", store.state("r").position - 3)
    assert untold[-1].origin.by == "unknown"


def test_files_are_read_at_any_position_and_what_is_not_there_is_said(store: perdure.Store):
    begun, first, *_ = trees(store)
    assert [path for path, _ in store.files.paths("r", begun)] == ["theirs"]
    assert b"".join(store.files.content("r", "./f", first)) == lines(*TEN).encode()
    assert [each.path for each in store.files.changes("r", begun, first)] == ["f"]
    for path, position in (("f", begun), ("nowhere", None), ("theirs/below", None)):
        with pytest.raises(BadInput):
            store.files.entry("r", path, position)
    with pytest.raises(BadInput):
        store.files.blame("r", "")


def test_a_fork_begins_with_the_files_of_its_position_in_a_directory_of_its_own(
    store: perdure.Store, root: Path, tmp_path: Path
):
    _, first, *_ = trees(store)
    store.fork("r", at=first, run="b", workspace=tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "f").read_text() == lines(*TEN)
    assert (root / "f").read_text() == lines(*LONGER)
    with pytest.raises(BadInput):
        store.fork("r", at=first, run="c", workspace=root)
    assert [row.run for row in store.runs()] == ["r", "b"]
