"""``create``: a run begins empty, or as the prefix of another, which it shares and never copies."""

import pytest

from perdure.log.envelope import chain
from perdure.log.port import NewRun
from perdure.values.errors import BadPosition, UnknownRun
from tests.conformance.stores import Store, forked_run, opened_run


def test_a_name_is_taken_once(store: Store):
    assert store.create(NewRun("march", "march", "acme", 7))
    assert not store.create(NewRun("march", "other", "other", 8))
    assert store.rows("march")[0].lineage == "march"


def test_a_fork_reads_as_its_parents_prefix(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    forked_run(store, "march", 3, "fork")
    assert store.read("fork") == store.read("march", 0, 3)
    (row,) = store.rows("fork")
    assert (row.parent, row.forked_at, row.position) == ("march", 3, 3)
    assert row.head == store.read("march")[2].digest


def test_a_fork_goes_on_from_the_position_and_digest_it_left_at(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    fork = forked_run(store, "march", 3, "fork")
    fork.append(fork.batch(2, text="elsewhere"))
    events = store.read("fork")
    assert [(stored.run, stored.position) for stored in events] == [
        ("march", 1),
        ("march", 2),
        ("march", 3),
        ("fork", 4),
        ("fork", 5),
    ]
    assert events[3].digest == chain(events[2].digest, events[3].frame)


def test_parent_and_fork_go_their_own_ways(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(3))
    fork = forked_run(store, "march", 3, "fork")
    fork.append(fork.batch(1, text="fork"))
    writer.append(writer.batch(2, text="parent"))
    assert store.read("fork", 3) == fork_only(store, "fork")
    assert len(store.read("march")) == 5
    assert len(store.read("fork")) == 4


def fork_only(store: Store, run: str) -> list[object]:
    return [stored for stored in store.read(run) if stored.run == run]


def test_forks_of_forks_read_through_all_their_ancestors(store: Store):
    writer = opened_run(store, "a")
    writer.append(writer.batch(4))
    b = forked_run(store, "a", 3, "b")
    b.append(b.batch(4))
    c = forked_run(store, "b", 5, "c")
    c.append(c.batch(2))
    early = forked_run(store, "c", 2, "early")
    early.append()
    assert [stored.run for stored in store.read("c")] == ["a", "a", "a", "b", "b", "c", "c"]
    assert [stored.position for stored in store.read("c")] == [1, 2, 3, 4, 5, 6, 7]
    assert [stored.run for stored in store.read("early")] == ["a", "a", "early"]
    assert [stored.position for stored in store.read("c", 2, 3)] == [3, 4, 5]
    assert [stored.position for stored in store.read("c", 4)] == [5, 6, 7]


@pytest.mark.parametrize("at", [0, -1, 6])
def test_a_fork_begins_at_a_position_that_its_parent_has(store: Store, at: int):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    with pytest.raises(BadPosition):
        store.create(NewRun("fork", "march", "acme", 8, "march", at))
    assert store.rows("fork") == []


def test_a_fork_may_begin_at_the_very_end_and_in_the_shared_prefix(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(5))
    forked_run(store, "march", 5, "late")
    forked_run(store, "late", 1, "early")
    assert len(store.read("late")) == 5
    assert len(store.read("early")) == 1


def test_a_fork_of_nothing_is_refused(store: Store):
    with pytest.raises(UnknownRun):
        store.create(NewRun("fork", "march", "acme", 8, "march", 1))
    with pytest.raises(BadPosition):
        store.create(NewRun("fork", "march", "acme", 8, None, 3))


def test_a_fork_has_epochs_of_its_own(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(2))
    fork = forked_run(store, "march", 1, "fork")
    assert fork.epoch == 1
    writer.append()
    fork.append()
    assert (store.rows("march")[0].position, store.rows("fork")[0].position) == (3, 2)


def test_the_runs_of_one_lineage_are_listed_without_the_others(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(2))
    opened_run(store, "april", token="w2")
    forked_run(store, "march", 1, "fork")
    assert [row.run for row in store.rows(lineage="lineage-of-march")] == ["march", "fork"]
    assert [row.run for row in store.rows(lineage="lineage-of-april")] == ["april"]
    assert list(store.rows(lineage="march")) == []
