"""The files of a foreign client, recorded as of each of its requests."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.assembly.agents.ports import OpenedWorkspace, place_of
from perdure.assembly.files.site import Site
from perdure.assembly.foreign import sessions
from perdure.assembly.foreign.answering import Asked
from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.contract import Law
from perdure.log import events as e
from perdure.log.port import BlobStore
from perdure.orchestrator import wanted
from perdure.projection.workspace import look_for
from tests.sessions.ground import Bank, played, session, sound

OPENED = e.ConversationOpened(client="test/1", api="messages", model="m")


class Held:
    """A workspace whose looks are not told of while they are held."""

    def __init__(self, place: OpenedWorkspace) -> None:
        self._place: OpenedWorkspace = place
        self.free: asyncio.Event = asyncio.Event()
        self.free.set()
        self.looked: asyncio.Event = asyncio.Event()

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Look, and tell once that is free."""
        found = await self._place.record(known, image, windows)
        self.looked.set()
        await self.free.wait()
        return found

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        """Put back."""
        return await self._place.restore(tree, image, keep, windows, seen)

    def hurry(self) -> None:
        """Hurry."""
        self._place.hurry()

    async def close(self) -> None:
        """Close."""
        await self._place.close()


async def across_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Write a file after a look and before the request that it is told behind; return the trees around that."""
    root = tmp_path / "work"
    root.mkdir()
    held: list[Held] = []

    def opened_held(site: Site, store: BlobStore, law: Law) -> OpenedWorkspace:
        held.append(Held(place_of(site, store, law)))
        return held[0]

    monkeypatch.setattr(sessions, "place_of", opened_held)
    async with session(tmp_path / "store", Bank(), root=root) as opened:
        await opened.attached("test/1")
        await opened.tell(OPENED, e.RequestForwarded(number=1))
        assert await opened.recorded(30)
        before = opened.state.live.tree
        held[0].free.clear()
        held[0].looked.clear()
        await opened.call(Asked("1", "bank__send", {"invoice": "INV-1"}), patience=0)
        await held[0].looked.wait()
        (root / "written").write_text("after the look")
        await opened.tell(e.RequestForwarded(number=2))
        held[0].free.set()
        assert await opened.recorded(30)
        return before, opened.state.live.tree


def test_a_look_that_began_before_a_request_does_not_answer_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before, after = played(across_a_look(tmp_path, monkeypatch))
    assert before != after
    sound(tmp_path / "store")


def test_the_look_that_a_run_begins_with_does_not_answer_for_its_first_request(tmp_path: Path):
    """Its result may be taken in after the request, however soon it is ended."""

    async def story() -> list[bool]:
        async with session(tmp_path / "store", Bank()) as opened:
            of = look_for(opened.state)
            await opened.attached("test/1")
            await opened.tell(OPENED, e.RequestForwarded(number=1))
            fresh: list[bool] = []
            for each in (of, look_for(opened.state)):
                await opened.tell(e.CheckpointSkipped("", of=each))
                fresh.append(opened.state.live.fresh)
            return fresh

    assert played(story()) == [False, True]


def test_a_look_that_says_for_what_it_was_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wanted, "Checkpoint", lambda since, _of=0: _Checkpoint(since))
    before, after = played(across_a_look(tmp_path, monkeypatch))
    assert before == after


_Checkpoint = wanted.Checkpoint


@pytest.mark.parametrize("changes", [True, False], ids=["with a change", "without one"])
def test_the_workspace_is_recorded_as_of_a_request(tmp_path: Path, changes: bool):
    root = tmp_path / "work"
    root.mkdir()
    (root / "file").write_text("one")

    async def story() -> tuple[bool, str, str]:
        async with session(tmp_path / "store", Bank(), root=root) as opened:
            assert await opened.recorded(30)
            first = opened.state.live.tree
            if changes:
                (root / "file").write_text("two")
            await opened.attached("test/1")
            opened_as = e.ConversationOpened(client="test/1", api="messages", model="m")
            await opened.tell(opened_as, e.RequestForwarded(number=1))
            assert not opened.state.live.fresh
            return await opened.recorded(30), first, opened.state.live.tree

    recorded, first, second = played(story())
    assert recorded
    assert (first != second) is changes
    sound(tmp_path / "store")
