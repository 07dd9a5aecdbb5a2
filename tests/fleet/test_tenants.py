"""A tenant has as many places as it is allowed, over all workers, and holds up nobody else."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import Base, bases_of
from perdure.log.carrying import moved
from perdure.log.port import NewRun
from perdure.log.tenants import TenantFull, TenantLimit
from perdure.values.errors import BadName, UnknownRun
from tests.cli.inside import Inside
from tests.fleet.conftest import AGENTS
from tests.worker.kit import Deeds, rested, told, until, workers


def made(store: Store, base: Base, *runs: str, tenant: str = "acme") -> None:
    for run in runs:
        assert store.books.create(NewRun(run, run, tenant, 1))
        assert base.placements.place(run, "nobody")


def test_workers_that_ask_at_once_do_not_share_the_last_place(dsn: str, store: Store, base: Base):
    runs = [f"run-{number}" for number in range(8)]
    made(store, base, *runs)
    base.tenants.set_limit("acme", 3, "Ada")
    start = Barrier(len(runs))
    others = [each for _ in runs for each in bases_of(dsn)]

    def take(at: int) -> TenantFull | None:
        start.wait()
        return others[at].tenants.take(runs[at])

    with ThreadPoolExecutor(len(runs)) as pool:
        answers = list(pool.map(take, range(len(runs))))
    for each in others:
        each.close()
    assert answers.count(None) == 3
    assert answers.count(TenantFull("acme", 3, 3)) == 5


def test_a_run_asks_for_its_own_place_once_more_and_has_it(store: Store, base: Base):
    made(store, base, "one", "two")
    base.tenants.set_limit("", 1, "Ada")
    assert base.tenants.take("one") is None
    assert base.tenants.take("one") is None
    assert base.tenants.take("two") == TenantFull("acme", 1, 1)
    base.tenants.set_limit("acme", 2, "Ada")
    assert base.tenants.take("two") is None
    made(store, base, "three", tenant="other")
    assert base.tenants.take("three") is None
    with pytest.raises(UnknownRun):
        base.tenants.take("nobody")
    with pytest.raises(BadName):
        base.tenants.set_limit("a b", 1, "Ada")


def test_a_run_that_was_moved_to_another_store_has_no_place(store: Store, base: Base):
    made(store, base, "here", "gone")
    store.books.acquire("gone", moved("another", "postgresql://elsewhere/x"))
    base.tenants.set_limit("acme", 1, "Ada")
    assert base.tenants.take("here") is None
    assert base.tenants.limits() == [TenantLimit("acme", 1, 0, "Ada")]


def test_a_place_that_was_never_used_is_free_again(store: Store, base: Base, monkeypatch: pytest.MonkeyPatch):
    made(store, base, "one", "two")
    base.tenants.set_limit("acme", 1, "Ada")
    assert base.tenants.take("one") is None
    monkeypatch.setattr("perdure.adapters.postgres.fleet.tenants.TENANT_PLACE_SECONDS", 0.0)
    assert base.tenants.take("two") is None


def test_a_tenant_with_many_runs_has_its_places_and_the_other_is_not_held_up(
    dsn: str, store: Store, base: Base, deeds: Deeds
):
    base.tenants.set_limit("big", 2, "Ada")
    big = [f"big-{number}" for number in range(6)]
    for run in big:
        store.submit("billing", told(("send", {"what": run, "gate": "open"})), run=run, tenant="big")
    with workers(2, dsn, deeds.path, "--concurrency", "3", agents=f"{AGENTS}:billing"):
        until(lambda: len(begun(deeds, big)) == 2, "two runs of the tenant are under way")
        for number in range(3):
            run = f"small-{number}"
            store.submit("billing", told(("send", {"what": run})), run=run, tenant="small")
            rested(store, run)
        waiting = until(lambda: [each.waits for each in base.placements.stuck()] or None, "others wait")
        assert set(waiting) == {"tenant big has 2 runs under way, and may have 2"}
        assert len(begun(deeds, big)) == 2
        limit = next(each for each in base.tenants.limits() if each.name == "big")
        assert limit == TenantLimit("big", 2, 2, "Ada")
        deeds.open("open")
        for run in big:
            rested(store, run)
    assert most_at_once(deeds.path) <= 2


def begun(deeds: Deeds, runs: list[str]) -> list[str]:
    return [run for run in runs if deeds.lines("begin", run)]


def most_at_once(path: Path) -> int:
    """Return how many deeds of the big tenant were under way at the same time."""
    now = most = 0
    for line in path.read_text().splitlines():
        kind, what, *_ = line.split()
        if what.startswith("big"):
            now += {"begin": 1, "done": -1}[kind]
            most = max(most, now)
    return most


def test_a_tenants_budget_holds_over_all_workers(dsn: str, store: Store, deeds: Deeds):
    runs = [f"thrifty-{number}" for number in range(6)]
    with workers(2, dsn, deeds.path, agents=f"{AGENTS}:thrifty"):
        for run in runs:
            steps = told(("send", {"what": f"{run}-a"}), ("send", {"what": f"{run}-b"}))
            store.submit("thrifty", steps, run=run, tenant="acme")
        store.submit("thrifty", told(("send", {"what": "other"})), run="other", tenant="other")
        for run in (*runs, "other"):
            rested(store, run)
    done = [line for line in deeds.path.read_text().splitlines() if line.startswith("done thrifty")]
    assert len(done) == 5
    assert deeds.lines("done", "other")


def test_people_set_limits_by_the_command_line(
    dsn: str,
    store: Store,
    base: Base,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    inside = Inside(tmp_path, capfd, monkeypatch)
    words = ("--store", dsn, "--by", "Ada")
    assert "4 at a time" in inside.type("worker", "tenant", "acme", "--concurrency", "4", *words).out
    assert inside.type("worker", "tenant", "--default", "--concurrency", "9", *words).code == 0
    assert {each.name: each.concurrency for each in base.tenants.limits()} == {"": 9, "acme": 4}
    assert inside.type("worker", "tenant", "acme", "--no-limit", *words).code == 0
    assert [each.name for each in base.tenants.limits()] == [""]
    assert inside.type("worker", "tenant", "--concurrency", "4", *words).code == 2
