"""What people see of runs that workers drive, and what they say to them, reaches workers."""

import json
from pathlib import Path

import psycopg
import pytest

import perdure
from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of, begun_here
from perdure.assembly.submitting import hand_over, placed_of, placements_of
from perdure.log.port import NewRun
from perdure.values.errors import Moved
from tests.cli.inside import Inside
from tests.worker.agents import DEEDS, doer
from tests.worker.kit import AGENTS, Deeds, kinds, rested, told


def _line(said: str, run: str) -> str:
    return next(line for line in said.splitlines() if line.startswith(run))


def test_runs_that_no_worker_has_begun_or_may_drive_are_shown_with_the_reason(
    dsn: str, store: Store, terminal: Inside
):
    store.submit("doer", told(), run="fresh")
    store.submit("doer", told(), run="ill")
    placements = placements_of(store.books, "ill")
    assert placements is not None
    placements.park("ill", "it fell ill")
    runs = json.loads(terminal.type("ls", "--store", dsn, "--json").out)["runs"]
    assert {each["run"]: each["workers"]["parked"] for each in runs} == {"fresh": "", "ill": "it fell ill"}
    said = terminal.type("ls", "--store", dsn).out
    assert "submitted" in _line(said, "fresh")
    assert "a worker that has doer" in _line(said, "fresh")
    assert "parked" in _line(said, "ill")
    assert "it fell ill" in _line(said, "ill")
    assert "fresh" not in terminal.type("ls", "--status", "parked", "--store", dsn).out
    said = terminal.type("show", "ill", "--store", dsn).out
    assert "it fell ill" in said
    assert "perdure worker unpark ill" in said
    assert "a worker that has doer" in terminal.type("show", "fresh", "--store", dsn).out
    assert json.loads(terminal.type("show", "fresh", "--store", dsn, "--json").out)["status"] == "submitted"


def test_a_person_s_resume_is_an_errand_of_workers_and_so_are_forks(
    calm: Store, calm_dsn: str, terminal: Inside
):
    calm.submit("doer", told(("ask_person", {"question": "which?"})), run="kettle")
    state = rested(calm, "kettle", "waiting")
    made = terminal.type(
        "fork", "kettle", "--at", str(state.position), "--run", "kettle-b", "--store", calm_dsn
    )
    assert made.code == 0
    assert placed_of(calm.books, "kettle-b") is None
    said = terminal.type("resume", "kettle-b", "--store", calm_dsn, "--json")
    assert (said.code, said.json["run"], said.json["workers"]["agent"]) == (0, "kettle-b", "doer")
    rested(calm, "kettle-b", "waiting")
    for run in ("kettle", "kettle-b"):
        said = terminal.type("message", run, "green", "--resume", "--store", calm_dsn)
        assert said.code == 0
        assert "workers that have doer" in said.out
        rested(calm, run)


def test_a_lone_worker_that_was_killed_is_shown_as_silent_and_has_no_agents(
    dsn: str, store: Store, terminal: Inside
):
    assert store.runs() == ()
    (base,) = bases_of(dsn)
    base.registry.enter(
        begun_here(address="", version="0", engine="none", agents={"doer": "1"}, concurrency=1)
    )
    base.close()
    assert terminal.type("submit", "doer", told(), "--run", "r", "--store", dsn, "--json").json["workers"]
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("UPDATE perdure.processes SET seen = seen - interval '60 seconds'")
    (seen,) = json.loads(terminal.type("worker", "ls", "--store", dsn, "--json").out)["workers"]
    assert seen["state"] == "silent"
    assert (
        "no worker that runs now has the agent" in terminal.type("submit", "doer", told(), "--store", dsn).out
    )
    refused = terminal.type("worker", "unpark", "r", "--store", dsn)
    assert (refused.code, "r is not parked" in refused.err) == (2, True)
    refused = terminal.type("worker", "--agents", "nosuchmodule", "--store", dsn)
    assert (refused.code, "PYTHONPATH" in refused.err) == (2, True)


def test_who_resumes_a_submitted_run_before_any_worker_begins_it_with_the_agent_that_it_was_given_to(
    dsn: str, store: Store, terminal: Inside, deeds: Deeds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(DEEDS, str(deeds.path))
    store.submit("doer", told(("send", {"what": "ink"})), run="fresh")
    command = ("resume", "fresh", "--store", dsn, "--agent")
    refused = terminal.type(*command, f"{AGENTS}:boss")
    assert (refused.code, "submitted to the agent 'doer'" in refused.err) == (2, True)
    said = terminal.type(*command, f"{AGENTS}:doer")
    assert (said.code, said.out.strip()) == (0, "all is done")
    assert len(deeds.lines("done", "ink")) == 1
    assert store.books.create(NewRun("cut-off", "cut-off", "default", 1))
    lost = terminal.type("resume", "cut-off", "--store", dsn, "--agent", f"{AGENTS}:doer")
    assert lost.code == 2
    assert "has not begun" in lost.err
    assert "perdure submit" in lost.err


def test_whoever_drives_a_run_of_workers_has_them_look_at_it_afterwards(store: Store):
    asks = told(("ask_person", {"question": "which?"}))
    store.start(doer, asks, run="slow").wait(60)
    hand_over(store.books, "slow", "doer")
    placements = placements_of(store.books, "slow")
    assert placements is not None
    placements.rest("slow", wake=None)
    store.resume(doer, "slow").wait(60)
    placed = placements.look("slow")
    assert placed is not None
    assert placed.wake == 0


def test_copied_runs_go_on_with_workers_where_workers_drove_them_or_a_person_says_so(
    dsn: str, store: Store, calm: Store, calm_dsn: str, calm_deeds: Deeds, terminal: Inside, tmp_path: Path
):
    store.submit("doer", told(("send", {"what": "cup"})), run="moved-cup")
    said = terminal.type("store", "copy", dsn, calm_dsn, "--json")
    assert json.loads(said.out)["on_workers"] == ["moved-cup"]
    rested(calm, "moved-cup")
    assert len(calm_deeds.lines("done", "cup")) == 1
    left = placed_of(store.books, "moved-cup")
    assert left is not None
    assert left.wake is None
    here = tmp_path / "state"
    with perdure.open(here) as alone:
        alone.start(doer, told(("ask_person", {"question": "which?"})), run="moved-pot").wait(60)
        alone.message("moved-pot", "black")
    refused = terminal.type("store", "copy", str(here), str(tmp_path / "other"), "--on-workers")
    assert refused.code == 2
    said = terminal.type("store", "copy", str(here), calm_dsn, "--on-workers", "--json")
    assert json.loads(said.out)["on_workers"] == ["moved-pot"]
    rested(calm, "moved-pot")
    assert "lease.acquired" in kinds(calm, "moved-pot")


def test_runs_of_workers_are_taken_back_where_no_worker_has_begun_and_refused_where_one_has(
    calm: Store, calm_dsn: str, calm_deeds: Deeds, terminal: Inside, tmp_path: Path
):
    here = tmp_path / "state"
    back = ("store", "copy", str(here), calm_dsn, "--back")
    with perdure.open(here) as alone:
        alone.start(doer, told(("ask_person", {"question": "which?"})), run="jar").wait(60)
    assert terminal.type("store", "copy", str(here), calm_dsn).code == 0
    # No worker was given it: it comes back, and goes out again.
    assert terminal.type(*back).code == 0
    steps = told(("ask_person", {"question": "which?"}), ("peek", {"what": "jar", "gate": "jar-gate"}))
    with perdure.open(here) as alone:
        alone.resume(doer, "jar").wait(60)
        assert alone.state("jar").status == "waiting"
        alone.start(doer, steps, run="jug").wait(60)
        alone.message("jug", "the blue one")
    said = terminal.type("store", "copy", str(here), calm_dsn, "--on-workers", "--json")
    assert sorted(json.loads(said.out)["on_workers"]) == ["jar", "jug"]
    calm_deeds.begun("jar")
    refused = terminal.type(*back)
    assert refused.code != 0
    assert "stores exchanged" in refused.err
    with perdure.open(here) as alone, pytest.raises(Moved):
        alone.resume(doer, "jug").wait(60)
    calm_deeds.open("jar-gate")
    rested(calm, "jug")
    refused = terminal.type(*back)
    assert refused.code == 2
    assert "went on in" in refused.err
    # All of it went on being driven by workers: also what could have been taken back.
    calm.message("jar", "green")
    rested(calm, "jar")
    assert len(calm_deeds.lines("begin", "jar")) == 1
