"""``post`` and ``inbox``: an input waits durably until an event takes it in, and is taken in once."""

import time

import pytest

from perdure.values.errors import BadInput, Conflict, UnknownRun
from perdure.values.limits import INBOX_BYTES_MAX
from tests.conformance.stores import SECONDS, Store, opened_run, post


def test_posts_wait_in_the_order_they_came(store: Store):
    opened_run(store)
    posts = [post(name, b'{"n":"%s"}' % name.encode()) for name in ("p3", "p1", "p2")]
    assert all(store.post("march", item) for item in posts)
    waiting = store.inbox("march")
    assert [(item.id, item.kind, bytes(item.body), item.at) for item in waiting] == [
        (item.id, item.kind, bytes(item.body), item.at) for item in posts
    ]


def test_the_same_id_is_posted_once(store: Store):
    opened_run(store)
    assert store.post("march", post("p1", b'{"n":1}'))
    assert not store.post("march", post("p1", b'{"n":2}'))
    assert [bytes(item.body) for item in store.inbox("march")] == [b'{"n":1}']


def test_a_holder_is_told_soon_whether_a_post_waits(store: Store):
    writer = opened_run(store)
    assert not store.has_post("march")
    store.post("march", post("p1"))
    _told(store, waits=True)
    writer.append(writer.batch(2, consumed=["p1"]))
    assert store.inbox("march") == []
    _told(store, waits=False)


def _told(store: Store, *, waits: bool) -> None:
    end, mark = time.monotonic() + SECONDS, -1
    while store.has_post("march") != waits:
        assert time.monotonic() < end
        mark = store.watch(mark, 0.05)


def test_the_same_id_may_go_to_two_runs(store: Store):
    opened_run(store)
    opened_run(store, "april")
    assert store.post("march", post("p1"))
    assert store.post("april", post("p1"))


def test_posts_leave_with_the_events_that_took_them_in(store: Store):
    writer = opened_run(store)
    for name in ("p1", "p2", "p3"):
        store.post("march", post(name))
    writer.append(writer.batch(2, consumed=["p1", "p3"]))
    assert [item.id for item in store.inbox("march")] == ["p2"]


def test_a_post_that_was_taken_in_is_not_accepted_again(store: Store):
    writer = opened_run(store)
    store.post("march", post("p1"))
    writer.append(writer.batch(consumed=["p1"]))
    assert not store.post("march", post("p1"))
    assert store.inbox("march") == []


@pytest.mark.parametrize("consumed", [["p2"], ["p1", "p1"]])
def test_a_post_that_does_not_wait_cannot_be_taken_in(store: Store, consumed: list[str]):
    writer = opened_run(store)
    store.post("march", post("p1"))
    with pytest.raises(Conflict):
        writer.append(writer.batch(consumed=consumed))
    assert store.read("march") == []
    assert [item.id for item in store.inbox("march")] == ["p1"]


def test_a_post_is_not_taken_in_twice(store: Store):
    writer = opened_run(store)
    store.post("march", post("p1"))
    writer.append(writer.batch(consumed=["p1"]))
    with pytest.raises(Conflict):
        writer.append(writer.batch(consumed=["p1"]))
    assert len(store.read("march")) == 1


def test_posting_needs_no_lease_but_a_run(store: Store):
    with pytest.raises(UnknownRun):
        store.post("april", post("p1"))


def test_a_post_that_is_too_large_is_refused(store: Store):
    opened_run(store)
    with pytest.raises(BadInput):
        store.post("march", post("p1", b"0" * (INBOX_BYTES_MAX + 1)))
