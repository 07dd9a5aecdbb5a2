"""What open conversations hold of their bodies is bounded together, and the quietest let go first."""

import asyncio
from pathlib import Path

import pytest

from perdure.assembly.clock import SystemClock
from perdure.assembly.foreign.conversations import Conversations
from perdure.assembly.pricing import tariff_of
from perdure.assembly.store import open_store
from perdure.gateway import tracking
from perdure.gateway.tracking import Caller, Tracker
from perdure.log import events as e

MOST = 1000


def _opened(caller: Caller) -> e.ConversationOpened:
    return e.ConversationOpened(
        client="tried/1",
        api="chat",
        model="m",
        session=caller.session,
        credential=caller.credential,
        tariff=tariff_of("m", local=True),
    )


def test_the_quietest_conversations_let_go_of_their_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracking, "BODIES_KEPT_BYTES_MAX", MOST)
    store = open_store(tmp_path / "store")

    async def converse() -> None:
        tracker = Tracker(Conversations(store.books, SystemClock()))
        held: list[int] = []
        for size in (300, 500, 400, 100, 900, 50, 20):
            caller = Caller("mine", f"{size}")
            for turn in range(2):
                found = await tracker.find(caller, ("first",), lambda caller=caller: _opened(caller))
                found.talk.keep(b"x" * (size + turn))
                tracker.leave(found.talk)
                held = [len(talk.kept_body) for talk in tracker.open_talks]
                assert sum(held) <= MOST
                assert held[-1] == size + turn
        assert held == [0, 0, 0, 0, 901, 51, 21]
        await tracker.close()

    try:
        asyncio.run(converse())
    finally:
        store.close()
