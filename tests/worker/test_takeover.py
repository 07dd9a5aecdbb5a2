"""Processes that are killed, stopped, cut off or told to end: their runs go on elsewhere, and nothing is done twice."""

import os
import signal
import subprocess
import sys
import uuid
from contextlib import ExitStack

import pytest

from perdure.adapters.holders import this_holder
from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of, begun_here
from perdure.log.events import NoteMade
from tests.worker.agents import DEEDS
from tests.worker.kit import AGENTS, ROOT, Deeds, Living, kinds, rested, told, until

QUICK = ("--takeover-seconds", "2")


def test_a_killed_worker_s_run_goes_on_and_what_it_did_is_not_done_again(
    dsn: str, store: Store, deeds: Deeds
):
    with Living(dsn, deeds.path) as one:
        one.serving()
        store.submit(
            "doer", told(("order", {"what": "ink", "gate": "ink-gate"}), ("send", {"what": "pen"})), run="r"
        )
        deeds.begun("ink")
        one.signal(signal.SIGKILL)
        one.ended()
        with Living(dsn, deeds.path) as two:
            two.serving()
            deeds.open("ink-gate")
            two.heard("worker.ended", ended=one.name)
            rested(store, "r")
    assert len(deeds.lines("done", "ink")) == len(deeds.lines("done", "pen")) == 1
    assert len(deeds.lines("begin", "ink")) == 2
    assert kinds(store, "r").count("lease.acquired") == 2


def test_a_stopped_worker_that_wakes_after_a_takeover_writes_nothing_and_ends(
    dsn: str, store: Store, deeds: Deeds
):
    # Who judges quickly begins when the other is stopped: no pause of this machine makes them judge each other.
    with Living(dsn, deeds.path) as holder, ExitStack() as later:
        holder.serving()
        store.submit("doer", told(("send", {"what": "tile", "gate": "tile-gate"})), run="r")
        deeds.begun("tile")
        holder.signal(signal.SIGSTOP)
        other = later.enter_context(Living(dsn, deeds.path, *QUICK))
        other.heard("worker.silent", silent=holder.name)
        other.heard("run.taken", run="r")
        state = rested(store, "r", "waiting")
        assert state.wait == "doubt"
        before = store.books.rows("r")[0]
        deeds.open("tile-gate")
        holder.signal(signal.SIGCONT)
        assert holder.ended() == 75
        holder.heard("worker.judged")
        other.heard("worker.ended", ended=holder.name)
        until(lambda: not store.books.inbox("r"), "nothing waits")
        events = [event for event in store.events("r") if event.position > before.position]
        assert all(event.epoch > before.epoch - 1 for event in events)
        assert not [event for event in events if event.kind == "effect.settled"]
        (effect,) = store.state("r").world.open.values()
        store.settle("r", effect.key, "succeeded", by="test")
        rested(store, "r")
    assert len(deeds.lines("done", "tile")) <= 1


def test_a_dead_host_s_deed_stays_in_doubt_until_somebody_says_that_it_is_fenced(
    dsn: str, store: Store, deeds: Deeds
):
    with Living(dsn, deeds.path, *QUICK, agents="tests.worker.elsewhere") as far:
        far.serving()
        store.submit("doer", told(("order", {"what": "seed", "gate": "seed-gate"})), run="r")
        deeds.begun("seed")
        far.signal(signal.SIGKILL)
        far.ended()
    deeds.open("seed-gate")
    with Living(dsn, deeds.path, *QUICK) as near:
        near.serving().heard("worker.silent", silent=far.name)
        near.heard("run.taken", run="r")
        until(lambda: "effect.reconciled" in kinds(store, "r"), "it is looked for")
        state = store.state("r")
        assert [effect.phase for effect in state.world.open.values()] == ["doubted"]
        assert not deeds.lines("done", "seed")
        host = far.name.rsplit("/", 2)[0]
        command = ["worker", "fence", host, "--by", "Ada", "--store", dsn]
        subprocess.run([sys.executable, "-m", "perdure.cli", *command], cwd=ROOT, env=_env(), check=True)
        rested(store, "r")
    assert len(deeds.lines("done", "seed")) == 1
    (base,) = bases_of(dsn)
    fenced = {each.name: each.proof for each in base.registry.processes(ended=True)}
    base.close()
    assert fenced[far.name] == "fenced, says Ada"
    notes = [event.body for event in store.events("r") if isinstance(event.body, NoteMade)]
    assert [note.by for note in notes] == ["Ada"]


def test_a_dead_host_s_child_is_taken_over_with_its_parent(dsn: str, store: Store, deeds: Deeds):
    errand = told(("peek", {"what": "well", "gate": "well-gate"}))
    with Living(dsn, deeds.path, *QUICK, agents="tests.worker.elsewhere") as far:
        far.serving()
        store.submit("boss", told(("doer", {"task": errand})), run="parent")
        deeds.begun("well")
        far.signal(signal.SIGKILL)
        far.ended()
    deeds.open("well-gate")
    with Living(dsn, deeds.path, *QUICK) as near:
        near.serving().heard("worker.silent", silent=far.name)
        near.heard("run.taken", run="parent")
        rested(store, "parent")
    (child,) = [row.run for row in store.runs() if row.run != "parent"]
    assert store.state(child).status == "finished"
    assert kinds(store, child).count("lease.acquired") == 2
    assert len(deeds.lines("begin", "well")) == 2


@pytest.mark.parametrize("agents", [AGENTS, "tests.worker.slow_to_place"], ids=["at once", "late"])
def test_a_child_that_another_process_holds_leads_its_parent_on_once_it_is_let_go(
    dsn: str, store: Store, deeds: Deeds, agents: str
):
    with Living(dsn, deeds.path, agents=agents) as one:
        one.serving()
        question = told(("ask_person", {"question": "which?"}))
        store.submit("boss", told(("doer", {"task": question})), run="parent")
        waits = rested(store, "parent", "waiting").wait_text
        (child,) = [row.run for row in store.runs() if row.run != "parent"]
        (base,) = bases_of(dsn)
        base.registry.enter(begun_here(address="", version="0", engine="none", agents={}, concurrency=1))
        lease = store.books.acquire(child, this_holder(uuid.uuid4().hex))
        store.message("parent", "hurry")
        until(lambda: "holds it under epoch" in rested(store, "parent", "waiting").wait_text, "it is held")
        store.books.release(child, lease.epoch)
        # Late: what its worker says of the child it says only now.
        deeds.open("placing-gate")
        until(lambda: rested(store, "parent", "waiting").wait_text == waits, "its parent has asked again")
        driven = kinds(store, "parent").count("lease.acquired")
        store.message(child, "the red one")
        rested(store, "parent")
        base.close()
    assert driven in (3, 4)


def test_a_worker_that_is_told_to_end_finishes_its_deed_and_gives_its_run_back(
    dsn: str, store: Store, deeds: Deeds
):
    with Living(dsn, deeds.path, "--drain-seconds", "60") as one:
        one.serving()
        steps = (("send", {"what": "jar", "gate": "jar-gate"}), ("send", {"what": "lid"}))
        store.submit("doer", told(*steps), run="r")
        deeds.begun("jar")
        one.signal(signal.SIGTERM)
        one.heard("worker.drains")
        deeds.open("jar-gate")
        assert one.ended() == 0
        row = store.books.rows("r")[0]
        assert row.holder is None
        assert not deeds.lines("begin", "lid")
        with Living(dsn, deeds.path) as two:
            two.serving()
            rested(store, "r")
    assert len(deeds.lines("done", "jar")) == len(deeds.lines("done", "lid")) == 1
    assert "effect.doubted" not in kinds(store, "r")


@pytest.mark.soak
def test_a_second_signal_does_not_wait_for_what_is_under_way(dsn: str, store: Store, deeds: Deeds):
    with Living(dsn, deeds.path, "--drain-seconds", "600") as one:
        one.serving()
        store.submit("doer", told(("send", {"what": "jar", "gate": "never"})), run="r")
        deeds.begun("jar")
        one.signal(signal.SIGTERM)
        one.heard("worker.drains")
        one.signal(signal.SIGTERM)
        assert one.ended() == 4
    with Living(dsn, deeds.path) as two:
        two.serving()
        assert rested(store, "r", "waiting").wait == "doubt"


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_run_that_somebody_who_is_no_worker_died_with_goes_on_with_workers(
    dsn: str, store: Store, deeds: Deeds
):
    store.submit(
        "doer",
        told(("ask_person", {"question": "go?"}), ("peek", {"what": "it", "gate": "it-gate"})),
        run="r",
    )
    with Living(dsn, deeds.path) as one:
        one.serving()
        rested(store, "r", "waiting")
        one.signal(signal.SIGTERM)
        assert one.ended() == 0
    resuming = [sys.executable, "-c", _RESUME, dsn]
    with subprocess.Popen(resuming, cwd=ROOT, env={**_env(), DEEDS: str(deeds.path)}) as stranger:
        assert deeds.begun("it") == stranger.pid
        stranger.kill()
    deeds.open("it-gate")
    with Living(dsn, deeds.path) as two:
        two.serving()
        rested(store, "r")


_RESUME = """
import sys
import perdure
from tests.worker.agents import doer
from tests.worker.test_driving import posted

with perdure.open(sys.argv[1]) as store:
    posted(store, "r", "yes")
    store.resume(doer, "r").wait()
"""
