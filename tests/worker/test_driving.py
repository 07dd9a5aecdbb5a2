"""Runs that are given to workers are driven, whatever becomes of the notices and jobs that say so."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

import perdure
from perdure.assembly.store import Store
from perdure.assembly.submitting import placements_of
from perdure.log import events as e
from perdure.log.port import Post
from perdure.orchestrator.draft import content_of
from perdure.values.errors import BadInput, RunExists
from tests.worker.kit import ROOT, Deeds, Living, kinds, rested, told, until, workers

QUEUE = "-c search_path=perdure_queue"


def posted(store: Store, run: str, text: str) -> None:
    """Put a message into the inbox and call nobody."""
    said = e.MessageReceived(f"said-{text}", "user", content_of(text)[0])
    store.books.post(run, Post(said.id, "message.received", msgspec.Raw(msgspec.json.encode(said)), 1))


@contextmanager
def queue(dsn: str) -> Generator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True, options=QUEUE) as db:
        yield db


def test_a_task_is_driven_to_its_end(calm: Store, calm_deeds: Deeds):
    run = calm.submit("doer", told(("send", {"what": "paper"}), ("order", {"what": "ink"})), run="letter")
    state = rested(calm, run.name)
    assert run.outcome == perdure.Finished("letter", "all is done")
    assert len(calm_deeds.lines("done", "paper")) == len(calm_deeds.lines("done", "ink")) == 1
    assert state.world.turns == 3
    with pytest.raises(RunExists):
        calm.submit("doer", told(), run="letter")


def test_a_person_who_answers_wakes_the_run(calm: Store):
    calm.submit("doer", told(("ask_person", {"question": "how many?"})), run="asks")
    assert rested(calm, "asks", "waiting").wait == "person"
    state = calm.message("asks", "three")
    assert rested(calm, "asks").status == "finished"
    assert state.position > 0


def test_a_post_of_which_nobody_told_is_found(calm: Store):
    calm.submit("doer", told(("ask_person", {"question": "how many?"})), run="unheard")
    rested(calm, "unheard", "waiting")
    posted(calm, "unheard", "four")
    rested(calm, "unheard")


def test_a_run_that_waits_for_long_gives_its_place_up_and_is_woken_by_its_timer(calm: Store):
    calm.submit("doer", told(("wait", {"seconds": 3600})), run="sleeper")
    calm.submit("doer", told(("wait", {"seconds": 1}), ("send", {"what": "tea"})), run="napper")
    until(lambda: "timer.set" in kinds(calm, "sleeper"), "the timer is set")
    until(lambda: calm.books.rows("sleeper")[0].holder is None, "the run is at rest")
    assert calm.books.rows("sleeper")[0].status == "running"
    rested(calm, "napper")
    placements = placements_of(calm.books, "sleeper")
    assert placements is not None
    until(lambda: (placed := placements.look("sleeper")) and placed.wake, "its time is kept")


def test_jobs_that_come_twice_and_late_drive_a_run_once(calm: Store, calm_dsn: str, calm_deeds: Deeds):
    calm.submit("doer", told(("send", {"what": "tile", "gate": "tile-gate"})), run="twice")
    calm_deeds.begun("tile")
    with queue(calm_dsn) as db:
        for number in range(6):
            args = Jsonb({"run": "twice", "agent": "doer"})
            db.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock) VALUES ('doer', 'look', %s, %s)",
                (args, f"again-{number}"),
            )
        until(
            lambda: db.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (1,),
            "the others have been looked at",
        )
    calm_deeds.open("tile-gate")
    rested(calm, "twice")
    assert kinds(calm, "twice").count("lease.acquired") == 1
    assert len(calm_deeds.lines("done", "tile")) == 1


def test_a_child_that_waits_for_a_person_leads_its_parent_on(calm: Store):
    calm.submit("boss", told(("doer", {"task": told(("ask_person", {"question": "which?"}))})), run="parent")
    state = rested(calm, "parent", "waiting")
    assert state.wait == "child"
    child = next(effect.child for effect in state.world.open.values())
    calm.message(child, "the red one")
    rested(calm, "parent")
    assert calm.state(child).status == "finished"


def test_the_command_line_gives_tasks_and_shows_workers(
    calm: Store, calm_dsn: str, calm_workers: list[Living]
):
    def said(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "perdure.cli", *words, "--store", calm_dsn, "--json"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert said("submit", "doer", told(), "--run", "by-hand") == {
        "run": "by-hand",
        "agent": "doer",
        "tenant": "default",
        "workers": True,
    }
    rested(calm, "by-hand")
    listed = said("worker", "ls")
    assert {each["process"] for each in listed["workers"]} == {each.name for each in calm_workers}
    assert {each["state"] for each in listed["workers"]} == {"serves"}


def test_probes_are_answered(calm_workers: list[Living]):
    address = calm_workers[0].heard("worker.serving")["probes"]
    for path, word in (("healthz", "alive"), ("readyz", "ready"), ("metrics", "perdure_worker_driving")):
        with urllib.request.urlopen(f"http://{address}/{path}") as answer:
            assert answer.status == 200
            assert word in answer.read().decode()


def test_a_directory_of_one_machine_has_no_workers(tmp_path: Path):
    with perdure.open(tmp_path / "state") as store, pytest.raises(BadInput, match="one machine"):
        store.submit("doer", "x")


def hears(dsn: str) -> bool:
    with psycopg.connect(dsn) as db:
        listening = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
            " AND application_name = 'perdure worker calls' AND query LIKE 'LISTEN%'"
        )
        return db.execute(listening).fetchone() is not None


def swept(dsn: str, store: Store, deeds: Deeds, agents: str, seconds: float) -> bool:
    """Tell whether a worker finds what was posted behind everybody's back."""
    with workers(1, dsn, deeds.path, agents=agents):
        if agents == "tests.worker.unswept":
            # Who sweeps makes good for what is called before it hears.
            until(lambda: hears(dsn), "a worker hears of calls")
        store.submit("doer", told(("ask_person", {"question": "how many?"})), run="asks")
        rested(store, "asks", "waiting")
        posted(store, "asks", "five")
        with suppress(AssertionError):
            return until(lambda: store.state("asks").status == "finished", "it is found", seconds)
        return False


def test_a_build_that_never_sweeps_is_caught(dsn: str, store: Store, deeds: Deeds):
    assert not swept(dsn, store, deeds, "tests.worker.unswept", 3.0)


@pytest.mark.soak
def test_a_worker_that_hears_no_notice_finds_all_by_its_sweep(dsn: str, store: Store, deeds: Deeds):
    assert swept(dsn, store, deeds, "tests.worker.deaf", 60.0)
