"""A rolling upgrade: two formats of the tables and two versions of an agent live at once, and no run is stranded."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import psycopg

from perdure.adapters.postgres.schema.migrating import migrations
from perdure.assembly.agents.versions import pinned
from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of
from tests.worker.kit import ROOT, Deeds, Living, rested, told, until

LAST = migrations()[-1].number
BESIDE, ALONE = f"9901:{LAST:04}", "9901:9901"
"""Steps: one that today's build may work beside, and one that it may not."""
ROUNDS_MAX = 40
AGENTS = "tests.worker.newer:billing"


def build(step: str, version: str, *broken: str) -> dict[str, str]:
    """The surroundings of a worker of that build, with that version of its agent."""
    return {"PERDURE_TEST_STEP": step, "BILLING": version, **dict.fromkeys(broken, "yes")}


def worker(dsn: str, deeds: Deeds, env: dict[str, str]) -> Living:
    return Living(dsn, deeds.path, "--listen", "127.0.0.1:0", agents=AGENTS, env=env)


def migrating(dsn: str, step: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.worker.newer", "store", "migrate", "--store", dsn, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PERDURE_TEST_STEP": step},
        capture_output=True,
        text=True,
        check=False,
    )


def migrated(dsn: str, step: str, *words: str) -> None:
    done = migrating(dsn, step, *words)
    assert done.returncode == 0, done.stderr
    assert "9901_newer" in done.stdout


def asks(what: str, gate: str = "") -> str:
    return told(("ask_person", {"question": "how many?"}), ("send", {"what": what, "gate": gate}))


def strayed(store: Store, began: dict[str, str]) -> Sequence[str]:
    """Runs that have another version of their agent than they were begun with, though nobody allowed it."""
    return [run for run, version in began.items() if pinned(store.books, run) != version]


def formats(dsn: str) -> set[int]:
    (base,) = bases_of(dsn)
    try:
        return {each.format for each in base.registry.processes()}
    finally:
        base.close()


def begun_until_both(store: Store) -> dict[str, str]:
    """Begin runs until workers of both versions have taken some; return which has what."""
    began: dict[str, str] = {}
    for number in range(ROUNDS_MAX):
        run = f"both-{number}"
        store.submit("billing", asks(run), run=run)
        rested(store, run, "waiting")
        began[run] = str(pinned(store.books, run))
        if set(began.values()) == {"1", "2"}:
            return began
    raise AssertionError(f"{ROUNDS_MAX} runs, all of one version")


def test_two_formats_and_two_versions_live_and_no_run_is_stranded(dsn: str, store: Store, deeds: Deeds):
    with ExitStack() as fleet:
        old = fleet.enter_context(worker(dsn, deeds, build("", "1"))).serving()
        store.submit("billing", told(("send", {"what": "under-way", "gate": "later"})), run="under-way")
        store.submit("billing", asks("patient"), run="patient")
        rested(store, "patient", "waiting")
        deeds.begun("under-way")
        # The tables change beneath a worker that is in the middle of a deed.
        migrated(dsn, BESIDE)
        new = fleet.enter_context(worker(dsn, deeds, build(BESIDE, "2"))).serving()
        assert formats(dsn) == {LAST, 9901}
        began = begun_until_both(store) | {"under-way": "1", "patient": "1"}
        deeds.open("later")
        rested(store, "under-way")
        for run in began.keys() - {"under-way", "patient"}:
            store.message(run, "two")
        for run in began.keys() - {"patient"}:
            rested(store, run)
        assert strayed(store, began) == []
        # The old build goes; who has its version of the agent in the new build takes over what still waits.
        old.process.terminate()
        assert old.ended() == 0
        fleet.enter_context(worker(dsn, deeds, build(BESIDE, "1"))).serving()
        store.message("patient", "three")
        rested(store, "patient")
        assert strayed(store, began) == []
        assert all(len(deeds.lines("done", run)) == 1 for run in began)
        assert new.process.poll() is None


def test_an_old_build_ends_in_order_beside_tables_that_it_can_not_work_with(
    dsn: str, store: Store, deeds: Deeds
):
    with worker(dsn, deeds, build("", "1")) as old:
        old.serving()
        store.submit("billing", told(("send", {"what": "deed", "gate": "later"})), run="deed")
        deeds.begun("deed")
        refused = migrating(dsn, ALONE)
        assert refused.returncode == 2
        assert old.name in refused.stderr
        assert "--regardless" in refused.stderr
        assert not [said for said in old.said if said["event"] == "worker.outdated"]
        migrated(dsn, ALONE, "--regardless")
        assert "9901_newer" in str(old.heard("worker.outdated")["why"])
        old.heard("worker.drains")
        deeds.open("later")
        assert old.ended() == 0
        with worker(dsn, deeds, build("", "1")) as again:
            assert again.ended() == 4
            assert any("P405" in str(each.get("line")) for each in again.said)
        with worker(dsn, deeds, build(ALONE, "1")) as new:
            new.serving()
            until(lambda: status(dsn, "deed") == "finished", "the run goes on where the new build has it")
    assert len(deeds.lines("done", "deed")) == 1


def test_a_build_that_never_looks_at_the_tables_goes_on_beside_them_and_is_caught(
    dsn: str, store: Store, deeds: Deeds
):
    with worker(dsn, deeds, build("", "1", "PERDURE_TEST_BLIND")) as old:
        old.serving()
        migrated(dsn, ALONE, "--regardless")
        store.submit("billing", told(("send", {"what": "blind"})), run="blind")
        deeds.begun("blind")
        assert all(each["event"] != "worker.outdated" for each in old.said)


def begun_by_the_first_version(dsn: str, store: Store, deeds: Deeds, run: str) -> None:
    with worker(dsn, deeds, build("", "1")) as old:
        old.serving()
        store.submit("billing", asks(run), run=run)
        rested(store, run, "waiting")
        old.process.terminate()
        assert old.ended() == 0


def test_who_looked_before_a_run_had_a_version_does_not_change_it(dsn: str, store: Store, deeds: Deeds):
    begun_by_the_first_version(dsn, store, deeds, "bill")
    with worker(dsn, deeds, build("", "2", "PERDURE_TEST_HASTY")) as hasty:
        hasty.serving()
        store.message("bill", "two")
        why = str(hasty.heard("run.waits", run="bill")["why"])
        assert "needs agent billing version 1, and here it is 2" in why
        assert strayed(store, {"bill": "1"}) == []
    with worker(dsn, deeds, build("", "1")) as right:
        right.serving()
        rested(store, "bill")
    assert strayed(store, {"bill": "1"}) == []


def test_a_build_that_drives_runs_of_every_version_is_caught(dsn: str, store: Store, deeds: Deeds):
    begun_by_the_first_version(dsn, store, deeds, "bill")
    with worker(dsn, deeds, build("", "2", "PERDURE_TEST_CARELESS")) as careless:
        careless.serving()
        store.message("bill", "two")
        rested(store, "bill")
    assert strayed(store, {"bill": "1"}) == ["bill"]


def status(dsn: str, run: str) -> str:
    """As the table says: this process's build can't open the store any more."""
    with psycopg.connect(dsn) as db:
        row = db.execute("SELECT status FROM perdure.runs WHERE name = %s", (run,)).fetchone()
    return "" if row is None else str(row[0])
