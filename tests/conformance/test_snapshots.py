"""Snapshots: caches that are found when they are there, and missed without harm."""

from perdure.log.port import NewRun
from tests.conformance.stores import Store, forked_run, opened_run


def test_the_newest_snapshot_not_past_the_position_is_found(store: Store):
    writer = opened_run(store)
    for position in (2, 4, 6):
        writer.append(writer.batch(2))
        store.save("march", position, b"at %d" % position, [])
    writer.append()
    assert store.latest("march", 99) == (6, b"at 6")
    assert store.latest("march", 5) == (4, b"at 4")
    assert store.latest("march", 2) == (2, b"at 2")
    assert store.latest("march", 1) is None


def test_a_run_without_snapshots_has_none(store: Store):
    store.create(NewRun("march", "march", "acme", 7))
    assert store.latest("march", 99) is None


def test_chunks_are_shared_between_snapshots_and_runs(store: Store):
    march, april = opened_run(store), opened_run(store, "april")
    shared = ("ab" * 32, b"pages" * 100)
    store.save("march", 1, b"one", [shared, ("not a digest", b"other")])
    store.save("april", 1, b"two", [shared])
    march.append()
    april.append()
    assert store.chunk(shared[0]) == shared[1]
    assert store.chunk("not a digest") == b"other"
    assert store.chunk("cd" * 32) is None


def test_a_snapshot_saved_again_replaces_the_first(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(3))
    store.save("march", 3, b"old", [])
    store.save("march", 3, b"new", [])
    writer.append()
    assert store.latest("march", 3) == (3, b"new")


def test_a_fork_uses_its_parents_snapshots_up_to_the_fork(store: Store):
    writer = opened_run(store)
    for position in (2, 4, 6):
        writer.append(writer.batch(2))
        store.save("march", position, b"march %d" % position, [])
    writer.append()
    fork = forked_run(store, "march", 5, "fork")
    assert store.latest("fork", 99) == (4, b"march 4")
    assert store.latest("fork", 3) == (2, b"march 2")
    fork.append(fork.batch(2))
    store.save("fork", 7, b"fork 7", [])
    fork.append()
    assert store.latest("fork", 99) == (7, b"fork 7")
    assert store.latest("fork", 6) == (4, b"march 4")
    assert store.latest("march", 99) == (6, b"march 6")
