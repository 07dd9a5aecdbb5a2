"""A run that fails whenever it is driven is parked after bounded tries, with its reason, and others go on."""

import signal

import psycopg
import pytest

from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of
from perdure.driver.books import text_of
from perdure.log import events as e
from perdure.log.placing import Placed
from tests.worker.kit import Deeds, Living, rested, told, until, workers


def stuck(dsn: str) -> list[Placed]:
    (base,) = bases_of(dsn)
    try:
        return list(base.placements.stuck())
    finally:
        base.close()


def notes(store: Store, run: str) -> list[str]:
    bodies = [event.body for event in store.events(run)]
    return [text_of(store.books, body.text) or "" for body in bodies if isinstance(body, e.NoteMade)]


def test_a_run_that_fails_each_time_is_parked_with_its_reason_until_a_person_says_so(
    dsn: str, store: Store, deeds: Deeds
):
    with workers(1, dsn, deeds.path, agents="tests.worker.hasty") as (worker,):
        # Neither sign can be stored in PostgreSQL as it is.
        ill = told(("fail", {"until": "well", "say": "bad \x00 \ud800"}), ("send", {"what": "pill"}))
        store.submit("doer", ill, run="ill")
        worker.heard("run.parked", run="ill")
        store.submit("doer", told(("send", {"what": "milk"})), run="well")
        rested(store, "well")
        (parked,) = stuck(dsn)
        assert parked.run == "ill"
        assert "3 tries failed, the last one with RuntimeError: this agent is ill" in parked.parked
        until(lambda: any("parked this run" in note for note in notes(store, "ill")), "its log is told")
        deeds.open("well")
        store.unpark("ill", by="Ada")
        rested(store, "ill")
    assert not stuck(dsn)
    assert len(deeds.lines("done", "pill")) == 1
    assert "workers may drive this run again" in notes(store, "ill")


@pytest.mark.soak
def test_a_run_that_ends_its_process_each_time_is_parked_and_its_neighbours_are_not(
    dsn: str, store: Store, deeds: Deeds
):
    store.submit("doer", told(("crash", {"times": 99})), run="poison")
    for number in range(4):
        store.submit(
            "doer", told(("wait", {"seconds": 2}), ("send", {"what": f"n{number}"})), run=f"n{number}"
        )
    lives = 0
    while not stuck(dsn):
        with Living(dsn, deeds.path, agents="tests.worker.hasty") as worker:
            worker.serving()
            until(lambda: worker.process.poll() is not None or stuck(dsn), "it ends, or gives the run up")
        lives += 1
        assert lives < 20
    with workers(1, dsn, deeds.path):
        for number in range(4):
            rested(store, f"n{number}")
    (parked,) = stuck(dsn)
    assert parked.run == "poison"
    assert "processes ended while they drove it" in parked.parked


def test_a_run_that_waits_beside_a_suspect_is_not_counted_for_it_and_keeps_no_place_from_others(
    dsn: str, store: Store, deeds: Deeds
):
    """Runs whose process was killed are driven one by one: whose fault the next death is, is known then."""
    with workers(1, dsn, deeds.path, "--concurrency", "2") as (worker,):
        for run in "ab":
            store.submit("doer", told(("peek", {"what": run, "gate": "shut"})), run=run)
        deeds.begun("a")
        deeds.begun("b")
        worker.signal(signal.SIGKILL)
        worker.ended()
    with workers(1, dsn, deeds.path, "--concurrency", "2"):
        first = until(
            lambda: next((run for run in "ab" if len(deeds.lines("begin", run)) > 1), ""), "one begins"
        )
        other = "b" if first == "a" else "a"
        # It waited for as long as it may, gave its place back, and is asked for again.
        until(lambda: is_asked_for_later(dsn, other), "the other is put off")
        store.submit("doer", told(("send", {"what": "milk"})), run="well")
        rested(store, "well")
        assert (tries(dsn, first), tries(dsn, other)) == (2, 1)
        deeds.open("shut")
        rested(store, "a")
        rested(store, "b")


def is_asked_for_later(dsn: str, run: str) -> bool:
    with psycopg.connect(dsn, options="-c search_path=perdure_queue") as db:
        asked = db.execute("SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %s", (f"{run}@",))
        return asked.fetchone() is not None


def tries(dsn: str, run: str) -> int:
    (base,) = bases_of(dsn)
    try:
        placed = base.placements.look(run)
    finally:
        base.close()
    assert placed is not None
    return placed.tries
