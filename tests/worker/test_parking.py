"""A run that fails whenever it is driven is parked after bounded tries, with its reason, and others go on."""

import pytest

from perdure.assembly.fleet import bases_of
from perdure.assembly.store import Store
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
        store.submit("doer", told(("fail", {"until": "well"}), ("send", {"what": "pill"})), run="ill")
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
