"""Deeds in the workspace that end badly, and what a person does there meanwhile."""

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

import perdure
from perdure import coding_tools
from perdure.assembly.files import lifetime
from perdure.assembly.files.lifetime import Lifetime, WriterLife, lived
from perdure.assembly.files.shelter import ladder_of
from perdure.assembly.files.site import scratch_of
from perdure.checkpoint.inspection import Window
from perdure.intention.reply import Reply
from perdure.log import events as e
from perdure.testing.scripted import call, say
from perdure.values.limits import DYING_NS, SENDS_MAX
from perdure.wire.prompt import Prompt
from tests.assembly.kit import agent


def test_a_deed_in_the_workspace_that_always_fails_is_given_up_and_leaves_nothing(tmp_path: Path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "kept").write_text("as it was")

    @perdure.tool(effect="workspace")
    async def build() -> str:
        """Build."""
        (root / "kept").write_text("half")
        (root / "part").write_text("half")
        raise OSError(28, "No space left on device")

    coder = agent(call("build"), say("it can't be built here"), tools=[build], workspace=root)
    with perdure.open(tmp_path / "store") as store:
        outcome = store.start(coder, "go", run="r").wait(50)
        assert outcome == perdure.Finished("r", "it can't be built here")
        bodies = [event.body for event in store.events("r")]
        assert store.verify("r").ok
        assert store.replay("r").difference is None
    assert sum(isinstance(body, e.EffectStarted) for body in bodies) == SENDS_MAX
    settled = [body for body in bodies if isinstance(body, e.EffectSettled)]
    assert [(body.outcome, "No space left" in body.error) for body in settled] == [("failed", True)]
    assert [(path.name, path.read_text()) for path in root.iterdir()] == [("kept", "as it was")]


def dies(work: perdure.Agent, home: Path) -> None:
    """Drive ``work`` in a process of its own, which kills itself; return when its death is written down."""
    child = os.fork()
    if child == 0:
        try:
            with perdure.open(home / "store") as store:
                store.start(work, "go", run="r").wait(50)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    lives = scratch_of(home / "store") / "r" / "lives"
    while not (ends := list(lives.glob("*-end"))):
        os.sched_yield()
    # What is changed in the tick of the file system's clock in which the end was told counts as before it.
    clock = home / "clock"
    clock.touch()
    while clock.stat().st_mtime_ns <= max(end.stat().st_mtime_ns for end in ends):
        clock.touch()


def edited(root: Path) -> None:
    """A person works in the directory after the death."""
    (root / "theirs").write_text("a person's")
    (root / "kept").write_text("a person's")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which nothing outlives a death."""
    monkeypatch.setattr(lifetime, "DYING_NS", 0)
    made = tmp_path / "project"
    made.mkdir()
    for name in ("kept", "half"):
        (made / name).write_text("as it was")
    return made


def test_what_a_person_saved_after_a_crash_in_a_deed_stays_when_the_deed_is_put_back(root: Path):
    home = root.parent

    @perdure.tool(effect="workspace")
    async def build() -> str:
        """Build."""
        with (root / "half").open("a") as file:
            file.write(", and more")
        if not (home / "died").exists():
            (home / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "built"

    coder = agent(call("build"), say("done"), tools=[build], workspace=root)
    dies(coder, home)
    edited(root)
    with perdure.open(home / "store") as store:
        assert store.resume(coder, "r").wait(50) == perdure.Finished("r", "done")
        assert store.verify("r").ok
    found = {path.name: path.read_text() for path in root.iterdir()}
    assert found == {"half": "as it was, and more", "kept": "a person's", "theirs": "a person's"}


def test_what_a_person_saved_after_services_died_with_their_writer_stays(root: Path):
    home = root.parent
    scratch = home / "probe"
    scratch.mkdir()
    if not ladder_of(root, scratch).rung("sandbox").ok:
        pytest.skip("services need a sandbox")

    def says(_: Prompt) -> Reply:
        if not (home / "died").exists():
            (home / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return say("done")

    serves = "echo begun >half; echo begun >from; exec sleep 600"
    looked = call("shell", command="until [ -e from ]; do sleep 0.01; done")
    begins = call("shell", action="start", service="s", command=serves)
    coder = agent(begins, looked, says, tools=coding_tools(confined=True), workspace=root)
    dies(coder, home)
    edited(root)
    with perdure.open(home / "store") as store:
        assert store.resume(coder, "r").wait(50) == perdure.Finished("r", "done")
        assert any(isinstance(each.body, e.RunRewound) for each in store.events("r"))
    found = {path.name: path.read_text() for path in root.iterdir()}
    assert found == {"from": "begun\n", "half": "begun\n", "kept": "a person's", "theirs": "a person's"}


def test_a_window_without_an_end_holds_only_while_its_processes_lived():
    second = 1_000_000_000

    def window(key: str, begins: int, ends: int = 0) -> Window:
        return Window(key, begins * second, ends * second)

    always, begun, now, over = window("", 0), window("k", 25), window("n", 50), window("o", 12, 13)
    lives = tuple(
        WriterLife(begins * second, ends * second) for begins, ends in ((10, 20), (24, 30), (40, 45))
    )
    since = 48 * second
    assert lived([over, now], lives, since) == (over, now)
    assert lived([always], (), since) == (always,)
    assert lived([always], lives, since) == (
        Window("", 0, 20 * second + DYING_NS),
        Window("", 24 * second, 30 * second + DYING_NS),
        Window("", 40 * second, 45 * second + DYING_NS),
    )
    assert lived([begun], lives, since) == (
        Window("k", 25 * second, 30 * second + DYING_NS),
        Window("k", 40 * second, 45 * second + DYING_NS),
    )


def test_a_window_that_began_in_the_tick_of_its_processs_death_ends_with_it():
    # The file system's clock ticks more coarsely than the one that beginnings are read from.
    died = WriterLife(10, 20_000_000)
    begun = Window("k", 20_000_500, 0)
    assert lived([begun], (died,), 90_000_000) == (Window("k", 20_000_500, 20_000_000 + DYING_NS),)


def test_what_a_person_saves_while_a_command_runs_is_nobodys_tools_where_its_changes_are_held_back(
    root: Path,
):
    home = root.parent
    scratch = home / "probe"
    scratch.mkdir()
    if not ladder_of(root, scratch).rung("overlay").ok:
        pytest.skip("only an overlay tells a command's changes from others")

    class Editing:
        def event(self, kind: str, position: int, words: str) -> None:
            del position, words
            if kind == "effect.started":
                (root / "theirs").write_text("a person's")

        def text(self, piece: str) -> None:
            del piece

    command = call("shell", command="echo >half; echo >new")
    coder = agent(command, say("done"), tools=coding_tools(confined=True), workspace=root)
    with perdure.open(home / "store") as store:
        assert store.start(coder, "go", run="r", progress=Editing()).wait(50) == perdure.Finished("r", "done")
        changed = [each.body for each in store.events("r") if isinstance(each.body, e.WorkspaceChanged)]
        by = {each.path: each.by for body in changed for each in body.paths}
        assert by == {"half": "tool", "new": "tool", "theirs": "unknown"}
        way = store.way_back("r", 7)
    assert way is not None
    assert way.foreign == ("theirs",)


def test_a_life_ends_although_a_process_was_forked_off_from_it(tmp_path: Path):
    life = Lifetime(tmp_path / "lives")
    waits, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        os.read(waits, 1)
        os._exit(0)
    os.close(waits)
    life.over()
    assert list((tmp_path / "lives").glob("*-end"))
    os.close(held)
    os.waitpid(child, 0)
    later = Lifetime(tmp_path / "lives")
    assert [each.begins < each.ends for each in later.before] == [True]
    later.over()


def test_a_deed_that_was_broken_off_by_the_runs_end_is_put_back_before_it_counts_as_not_done(tmp_path: Path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "kept").write_text("as it was")
    started = threading.Event()

    @perdure.tool(effect="workspace")
    async def build() -> str:
        """Build."""
        (root / "kept").write_text("half")
        started.set()
        await asyncio.sleep(600)
        return "built"

    coder = agent(call("build"), say("built"), tools=[build], workspace=root)
    with perdure.open(tmp_path / "store") as store:
        run = store.start(coder, "go", run="r")
        assert started.wait(30)
        run.cancel("enough")
        assert isinstance(run.wait(50), perdure.Failed)
        receipts = [each.outcome for each in store.state("r").world.receipts.values()]
        assert store.replay("r").difference is None
    assert receipts == ["failed"]
    assert (root / "kept").read_text() == "as it was"
