"""A worker goes by the database's clock; one whose own is far from it drives nothing, says so, and goes on when it is right."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.assembly.store import Store
from perdure.log.metering import FleetSeen, StandingSeen
from perdure.worker import clocks, surveying
from perdure.worker.clocks import DRIFT, FleetClock
from perdure.worker.surveying import Survey
from tests.worker.kit import Deeds, Living, rested, told, until
from tests.worker.test_figures import answered, figure

SECOND = 1_000_000_000
MINUTE = 50 * SECOND
"""nearly: what a worker's clock may be off"""
HOUR = 3600 * SECOND
LATE_SECONDS = 30
"""what a busy machine may take for a turn"""
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


def due_of(store: Store, run: str) -> float:
    """Have a run wait for half an hour; return how far that is off, in seconds, by the database's clock."""
    asked = time.time()
    store.submit("doer", told(("wait", {"seconds": 1800})), run=run)
    until(lambda: store.state(run).live.timers, "it waits")
    (due,) = store.state(run).live.timers.values()
    return due.due / 1e9 - asked - 1800


class RightClock:
    """A database that is asked once, and knows what time it is."""

    def standing(self) -> StandingSeen:
        return StandingSeen(clock_ns=time.time_ns())

    def fleet(self) -> FleetSeen:
        raise NotImplementedError


def surveyed(base: RightClock, clock: FleetClock) -> Survey:
    return Survey({"": base}, dict, tell=lambda _event, **_words: None, outdated=lambda: None, clock=clock)


def test_a_step_is_noticed_without_another_look(monkeypatch: pytest.MonkeyPatch):
    """Until the next look, timers would be due by it."""
    monkeypatch.setattr(surveying, "WATCH_STANDING_SECONDS", 3600.0)
    survey = surveyed(RightClock(), FleetClock())
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


def test_what_a_worker_waits_for_is_due_by_the_database_s_clock_whatever_its_own_says(
    dsn: str, store: Store, deeds: Deeds, clock: Path
):
    """Another worker fires it: begun by a clock that is behind, a wait would be over before it is begun."""
    step(clock, -MINUTE)
    with Living(dsn, deeds.path, agents=AGENTS, env={"PERDURE_TEST_CLOCK": str(clock)}).serving():
        assert -1 < due_of(store, "behind") < LATE_SECONDS
        step(clock, MINUTE)
        assert -1 < due_of(store, "ahead") < LATE_SECONDS


def test_a_build_that_goes_by_its_own_clock_waits_too_short(
    dsn: str, store: Store, deeds: Deeds, clock: Path
):
    step(clock, -MINUTE)
    env = {"PERDURE_TEST_CLOCK": str(clock), "PERDURE_TEST_OWN": "yes"}
    with Living(dsn, deeds.path, agents=AGENTS, env=env).serving():
        assert due_of(store, "behind") < -LATE_SECONDS


class Looked(NamedTuple):
    """A look at the database: when, how long question and answer took, and how far the server has drifted, of what it may."""

    after: float
    there: float
    back: float
    drift: float


SECONDS = st.floats(0, 5)
LOOKS = st.lists(st.builds(Looked, SECONDS, SECONDS, SECONDS, st.floats(-1, 1)), min_size=1, max_size=20)


def errors_of(clock: FleetClock, looks: list[Looked], bound: Callable[[float, float], float]) -> None:
    """Play the looks; after each the clock is off by no more than ``bound`` of its error and the time since, for any look."""
    now, server = 1000.0, 5_000_000.0
    said = server
    bounds: list[tuple[float, float]] = []
    with pytest.MonkeyPatch.context() as time_of:
        time_of.setattr(clocks, "passed", lambda: now)
        for look in looks:
            for part, asks in ((look.after, False), (look.there, True), (look.back, False)):
                now += part
                server += part * (1 + look.drift * DRIFT)
                if asks:
                    said = server
            clock.told(round(said * 1e9), asked=now - look.there - look.back, answered=now)
            bounds.append(((look.there + look.back) / 2, now))
            least = min(bound(error, now - at + error) for error, at in bounds)
            assert abs(clock.now() / 1e9 - server) <= least + 1e-6


def within_the_least_uncertain(error: float, since: float) -> float:
    return error + 2 * since * DRIFT


@given(LOOKS)
def test_the_clock_of_a_fleet_is_as_right_as_its_best_look(looks: list[Looked]):
    errors_of(FleetClock(), looks, within_the_least_uncertain)


def test_a_clock_that_takes_the_newest_look_whatever_it_took_is_caught():
    class Newest(FleetClock):
        def told(self, said_ns: int, *, asked: float, answered: float) -> None:
            self._best = None
            super().told(said_ns, asked=asked, answered=answered)

    with pytest.raises(AssertionError):
        errors_of(Newest(), [Looked(0, 0, 0, 0), Looked(0, 5, 0, 0)], within_the_least_uncertain)


def test_a_database_that_moves_to_another_server_takes_the_fleet_s_time_with_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(clocks, "passed", lambda: 100.0)
    clock = FleetClock()
    clock.told(50 * SECOND, asked=99.9, answered=100.0)
    clock.told(80 * SECOND, asked=99.0, answered=100.0)
    assert clock.now() == round(80.5 * SECOND)
