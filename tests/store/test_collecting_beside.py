"""Collectors beside recording processes, for real, and killed in the middle."""

from pathlib import Path

import pytest

from perdure.adapters.sqlite.fence import Fence
from perdure.adapters.sqlite.store import SqliteStore
from tests.store.beside import ATTEMPTS_MAX, kept, loses_content, recorded_beside_dying_collectors
from tests.store.trees import files, here


@pytest.mark.parametrize("grace", [0, 600], ids=["that don't wait", "that wait"])
def test_recording_processes_lose_nothing_to_collectors_that_are_killed(place: Path, grace: int):
    SqliteStore(place).close()
    taken = recorded_beside_dying_collectors(str(place), grace, seconds=2)
    with SqliteStore(place) as store:
        reached = kept(store)
        found = store.collect()
    assert taken + found.taken.blobs > 0
    assert not found.in_use
    assert here(place) == reached
    assert len(files(place)) == found.reached.files


def test_a_recorder_that_does_not_look_for_sweeps_loses_content(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Fence, "check", lambda _fence, _batch: None)
    SqliteStore(place).close()
    assert any(
        loses_content(str(place), f"run-{attempt}", lambda: SqliteStore(place))
        for attempt in range(ATTEMPTS_MAX)
    )
