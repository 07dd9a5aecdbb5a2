"""Eight workers that want the same run: one drives it at a time, and nobody stops anybody."""

from collections.abc import Mapping

from perdure.assembly.store import Store
from tests.worker.kit import Deeds, kinds, rested, told, workers

WORKERS = 8
RESTS = 5


def test_eight_workers_on_one_run_do_each_thing_once_and_fence_nobody(dsn: str, store: Store, deeds: Deeds):
    steps: list[tuple[str, Mapping[str, object]]] = []
    for number in range(RESTS):
        # It rests after each deed, and all eight see it come due.
        steps.append(("send", {"what": f"part-{number}"}))
        steps.append(("wait", {"seconds": 0.2}))
    with workers(WORKERS, dsn, deeds.path, "--concurrency", "2") as all_of_them:
        store.submit("doer", told(*steps), run="r")
        for _ in range(RESTS):
            store.people.message("r", "hurry")
        rested(store, "r")
        said = [each for worker in all_of_them for each in worker.said]
    assert {
        len(deeds.lines(kind, f"part-{number}")) for kind in ("begin", "done") for number in range(RESTS)
    } == {1}
    assert "effect.doubted" not in kinds(store, "r")
    assert not [each for each in said if each.get("code") == "P401"]
    assert not [each for each in said if each["event"] in ("run.taken", "run.failed", "run.parked")]
