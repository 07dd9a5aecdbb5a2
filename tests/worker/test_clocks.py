"""A worker whose clock is far from the database's drives nothing, says so, and goes on when it is right."""

import time
from pathlib import Path

import pytest

from perdure.assembly.store import Store
from perdure.log.metering import FleetSeen, StandingSeen
from perdure.worker import surveying
from perdure.worker.surveying import Survey
from tests.worker.kit import Deeds, Living, rested, told, until
from tests.worker.test_figures import answered, figure

HOUR = 3_600_000_000_000
AGENTS = "tests.worker.wrong_time"


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    path = tmp_path / "clock"
    path.write_text("0")
    return path


def step(clock: Path, by: int) -> None:
    new = clock.with_suffix(".new")
    new.write_text(str(by))
    new.replace(clock)


class RightClock:
    """A database that is asked once, and knows what time it is."""

    def standing(self) -> StandingSeen:
        return StandingSeen(clock_ns=time.time_ns())

    def fleet(self) -> FleetSeen:
        raise NotImplementedError


def test_a_step_is_noticed_without_another_look(monkeypatch: pytest.MonkeyPatch):
    """Until the next look, timers would be due by it."""
    monkeypatch.setattr(surveying, "WATCH_STANDING_SECONDS", 3600.0)
    survey = Survey({"": RightClock()}, dict, tell=lambda _event, **_words: None, outdated=lambda: None)
    survey.begin()
    try:
        right = time.time_ns
        assert survey.astray == ""
        with monkeypatch.context() as stepped:
            stepped.setattr(time, "time_ns", lambda: right() + HOUR)
            assert "3600 s ahead of the database's" in survey.astray
            stepped.setattr(time, "time_ns", lambda: right() - HOUR)
            assert "behind the database's" in survey.astray
        assert survey.astray == ""
    finally:
        survey.close()


def test_a_worker_that_starts_with_a_wrong_clock_says_which_and_ends(dsn: str, deeds: Deeds, clock: Path):
    step(clock, HOUR)
    with Living(dsn, deeds.path, agents=AGENTS, env={"PERDURE_TEST_CLOCK": str(clock)}) as worker:
        assert worker.ended() == 2
    said = "".join(str(each.get("line", "")) for each in worker.said)
    assert "s ahead of the database's" in said
    assert "P634" in said


def test_a_worker_whose_clock_is_stepped_begins_nothing_until_it_is_right(
    dsn: str, store: Store, deeds: Deeds, clock: Path
):
    env = {"PERDURE_TEST_CLOCK": str(clock)}
    with Living(dsn, deeds.path, "--listen", "127.0.0.1:0", agents=AGENTS, env=env).serving() as worker:
        store.submit("doer", told(("wait", {"seconds": 1800}), ("send", {"what": "early"})), run="nap")
        until(
            lambda: store.books.rows("nap")[0].holder is None and store.state("nap").live.timers, "it waits"
        )
        step(clock, HOUR)
        assert "ahead" in str(worker.heard("worker.astray")["why"])
        until(lambda: answered(worker, "readyz")[0] == 503, "it is not ready")
        assert answered(worker, "healthz")[0] == 200
        assert figure(worker, "perdure_clock_skew_seconds") > 3500
        store.submit("doer", told(("send", {"what": "ink"})), run="asked")
        until(lambda: answered(worker, "readyz")[0] == 503, "it stays so")
        assert store.books.rows("asked")[0].epoch == 0
        step(clock, 0)
        rested(store, "asked")
        assert deeds.lines("begin", "early") == []


def test_a_build_that_never_looks_at_the_clock_fires_early(dsn: str, store: Store, deeds: Deeds, clock: Path):
    env = {"PERDURE_TEST_CLOCK": str(clock), "PERDURE_TEST_BLIND": "yes"}
    with Living(dsn, deeds.path, agents=AGENTS, env=env).serving():
        store.submit("doer", told(("wait", {"seconds": 1800}), ("send", {"what": "early"})), run="nap")
        until(
            lambda: store.books.rows("nap")[0].holder is None and store.state("nap").live.timers, "it waits"
        )
        step(clock, HOUR)
        deeds.begun("early")
