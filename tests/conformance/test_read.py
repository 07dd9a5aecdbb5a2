"""``read`` and ``rows``: what was acknowledged is there, byte for byte, in order."""

import pytest

from perdure.log.envelope import unseal
from perdure.log.events import MessageReceived
from perdure.log.port import NewRun
from perdure.values.errors import UnknownRun
from tests.conformance.stores import Store, holder, opened_run


def test_what_was_appended_is_read_byte_for_byte(store: Store):
    writer = opened_run(store)
    batch = writer.batch(3, text="Grüße, 世界 \U0001f9fe")
    writer.append(batch)
    assert list(store.read("march")) == list(batch.events)
    body = unseal(store.read("march")[2]).body
    assert isinstance(body, MessageReceived)
    assert body.text.text == "Grüße, 世界 \U0001f9fe"


def test_reading_goes_on_after_a_position_and_stops_at_the_limit(store: Store):
    writer = opened_run(store)
    writer.append(writer.batch(10))
    assert [stored.position for stored in store.read("march", 4, 3)] == [5, 6, 7]
    assert [stored.position for stored in store.read("march", 8)] == [9, 10]
    assert store.read("march", 10) == []
    assert store.read("march", 99) == []


def test_a_run_without_events_reads_as_nothing(store: Store):
    store.create(NewRun("march", "march", "acme", 7))
    assert store.read("march") == []


def test_an_unknown_run_cannot_be_read(store: Store):
    with pytest.raises(UnknownRun):
        store.read("april")
    with pytest.raises(UnknownRun):
        store.inbox("april")


def test_runs_do_not_mix(store: Store):
    march, april = opened_run(store), opened_run(store, "april")
    for _ in range(5):
        march.append(march.batch(2))
        april.append(april.batch(1))
    assert {stored.run for stored in store.read("march")} == {"march"}
    assert len(store.read("march")) == 10
    assert len(store.read("april")) == 5


def test_rows_show_runs_in_the_order_they_were_made(store: Store):
    for name in ("zebra", "ant", "mole"):
        opened_run(store, name)
    assert [row.run for row in store.rows()] == ["zebra", "ant", "mole"]
    assert [row.run for row in store.rows(newest=2)] == ["ant", "mole"]
    assert len(store.rows(newest=3)) == len(store.rows(newest=9)) == 3
    assert not store.rows(newest=0)
    assert store.rows("nobody") == []


def test_a_row_shows_the_head_and_the_holder(store: Store):
    writer = opened_run(store)
    batch = writer.batch(2)
    writer.append(batch)
    (row,) = store.rows("march")
    assert (row.position, row.head, row.epoch) == (2, batch.events[-1].digest, 1)
    assert (row.lineage, row.tenant, row.parent, row.forked_at) == ("lineage-of-march", "acme", None, 0)
    assert (row.status, row.wake, row.created) == ("running", None, 7)
    assert row.holder == holder("w1")
    store.release("march", 1)
    assert store.rows("march")[0].holder is None
