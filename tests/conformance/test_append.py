"""``append``: a batch becomes durable whole, at the expected place, under the run's own epoch, or not at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from perdure.log.envelope import Stored
from perdure.log.port import Appended, Batch, NewRun, Remembered
from perdure.values.errors import BadInput, Broken, Conflict, Fenced, UnknownRun
from perdure.values.limits import BATCH_EVENTS_MAX
from tests.conformance.stores import SECONDS, Store, Writer, blob, claim, holder, opened_run, post


def test_positions_grow_from_one_without_gaps(store: Store):
    writer = opened_run(store)
    assert writer.append(writer.batch(3)) == Appended(3)
    assert writer.append(writer.batch(2)) == Appended(5)
    assert [stored.position for stored in store.read("march")] == [1, 2, 3, 4, 5]


def test_batches_queued_without_waiting_are_written_in_order(store: Store):
    writer = opened_run(store)
    queued = []
    for _ in range(50):
        batch = writer.batch(2)
        queued.append(store.append(batch))
        writer.position, writer.head = batch.events[-1].position, batch.events[-1].digest
    assert [answer.result(SECONDS).position for answer in queued] == list(range(2, 101, 2))
    assert len(store.read("march")) == 100


def test_an_unknown_run_is_refused(store: Store):
    with pytest.raises(UnknownRun):
        store.append(Batch("april", 0, 1, ())).result(SECONDS)


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_another_end_than_expected_is_a_conflict_and_writes_nothing(store: Store, expected: int):
    writer = opened_run(store)
    writer.append(writer.batch(2))
    batch = writer.batch(blobs=[blob(b"content")])._replace(expected=expected)
    with pytest.raises(Conflict):
        store.append(batch).result(SECONDS)
    assert len(store.read("march")) == 2
    assert not store.has(blob(b"content")[0])


def test_an_event_that_leaves_a_gap_is_a_conflict(store: Store):
    writer = opened_run(store)
    first, _, third = writer.events(3)
    with pytest.raises(Conflict):
        store.append(Batch("march", 0, writer.epoch, [first, third])).result(SECONDS)
    assert store.read("march") == []


def test_an_event_of_another_run_is_a_conflict(store: Store):
    writer, other = opened_run(store), opened_run(store, "april")
    with pytest.raises(Conflict):
        store.append(Batch("march", 0, writer.epoch, other.events())).result(SECONDS)
    assert store.read("march") == []


def test_an_event_that_does_not_continue_the_chain_is_a_conflict(store: Store):
    writer = opened_run(store)
    writer.append()
    second = writer.events()[0]
    forged = Stored(second.run, second.position, second.frame + b" ", second.digest)
    with pytest.raises(Conflict):
        store.append(Batch("march", 1, writer.epoch, [forged])).result(SECONDS)
    assert len(store.read("march")) == 1


@pytest.mark.parametrize("epoch", [0, 2])
def test_an_epoch_that_is_not_the_runs_is_fenced(store: Store, epoch: int):
    writer = opened_run(store)
    with pytest.raises(Fenced):
        store.append(writer.batch()._replace(epoch=epoch)).result(SECONDS)
    assert store.read("march") == []


def test_a_run_that_nobody_acquired_takes_no_batch(store: Store):
    assert store.create(NewRun("march", "march", "acme", 7))
    with pytest.raises(Fenced):
        store.append(Batch("march", 0, 0, ())).result(SECONDS)


def test_a_writer_that_was_taken_over_is_fenced(store: Store):
    old = opened_run(store)
    old.append()
    store.acquire("march", holder("w2"), take_over=True)
    with pytest.raises(Fenced):
        old.append()
    assert len(store.read("march")) == 1


def test_a_writer_that_released_is_fenced(store: Store):
    writer = opened_run(store)
    store.release("march", writer.epoch)
    with pytest.raises(Fenced):
        writer.append()


def test_a_refused_batch_leaves_nothing_behind(store: Store):
    writer = opened_run(store)
    store.post("march", post("p1"))
    batch = writer.batch(
        blobs=[blob(b"left behind?")], opened=[claim("k1")], consumed=["p1"], status="finished"
    )
    with pytest.raises(Conflict):
        store.append(batch._replace(expected=9)).result(SECONDS)
    assert store.claims() == []
    assert [waiting.id for waiting in store.inbox("march")] == ["p1"]
    assert store.rows("march")[0].status == "running"
    assert not store.has(blob(b"left behind?")[0])


def test_a_refused_batch_does_not_disturb_its_neighbours(store: Store):
    march, april = opened_run(store), opened_run(store, "april")
    answers = [
        store.append(march.batch()),
        store.append(march.batch()._replace(expected=7)),
        store.append(april.batch(2)),
    ]
    assert answers[0].result(SECONDS) == Appended(1)
    assert isinstance(answers[1].exception(SECONDS), Conflict)
    assert answers[2].result(SECONDS) == Appended(2)


def test_those_who_are_alone_and_those_who_are_not_write_side_by_side(store: Store):
    writers = [opened_run(store, f"run-{number}") for number in range(4)]

    def write(writer: Writer) -> None:
        for number in range(40):
            alone = (number + len(writer.run)) % 3 > 0
            batch = writer.batch(2, opened=[claim(f"{writer.run}-{number}")], alone=alone)
            assert writer.append(batch) == Appended(2 * number + 2)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, writers))
    assert all(len(store.read(writer.run)) == 80 for writer in writers)
    assert len(store.claims()) == 160


def test_someone_alone_is_refused_like_anyone(store: Store):
    writer = opened_run(store)
    with pytest.raises(Conflict):
        store.append(writer.batch(alone=True)._replace(expected=5)).result(SECONDS)
    writer.append(writer.batch(alone=True, opened=[claim("k1", "s1")]))
    refused = writer.append(writer.batch(alone=True, opened=[claim("k2", "s1")]))
    assert isinstance(refused, Remembered)
    assert len(store.read("march")) == 1


def test_a_batch_without_events_may_change_the_rest(store: Store):
    writer = opened_run(store)
    assert store.append(Batch("march", 0, writer.epoch, (), status="waiting", wake=99)).result(
        SECONDS
    ) == Appended(0)
    row = store.rows("march")[0]
    assert (row.status, row.wake) == ("waiting", 99)


def test_status_and_wake_change_together_and_only_when_told(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(status="waiting", wake=99))
    writer.append(writer.batch())
    assert store.rows("march")[0][-2:] == (99, 7)
    writer.append(writer.batch(status="running"))
    row = store.rows("march")[0]
    assert (row.status, row.wake) == ("running", None)


def test_too_many_events_are_refused(store: Store):
    writer = opened_run(store)
    event = writer.events()[0]
    with pytest.raises(BadInput):
        store.append(Batch("march", 0, 1, [event] * (BATCH_EVENTS_MAX + 1))).result(SECONDS)


def test_a_blob_under_a_wrong_name_is_refused_with_its_batch(store: Store):
    writer = opened_run(store)
    with pytest.raises(BadInput):
        writer.append(writer.batch(blobs=[(blob(b"one")[0], b"two")]))
    assert store.read("march") == []


def test_a_claim_that_nobody_opened_is_not_closed(store: Store):
    from perdure.log.port import ClaimClosed

    writer = opened_run(store)
    with pytest.raises(Broken):
        writer.append(writer.batch(closed=[ClaimClosed("k9", "succeeded")]))
    assert store.read("march") == []


def test_cancelling_the_wait_does_not_take_the_batch_back(store: Store):
    writer = opened_run(store)
    answer = store.append(writer.batch())
    answer.cancel()
    assert answer.result(SECONDS) == Appended(1)
    assert len(store.read("march")) == 1
