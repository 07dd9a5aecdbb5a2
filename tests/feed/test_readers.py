"""Readers with a name lose nothing: what they have done with moves forward only, and nothing past it is forgotten."""

import pytest

from benchmarks.scale.feed import feed_of
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import BadInput, CursorElsewhere, CursorForgotten
from tests.feed.conftest import under_way, wrote


def test_a_reader_that_dies_before_it_acknowledges_gets_the_same_again(db: Database):
    feed = feed_of(db)
    for first in (1, 2, 3):
        wrote(db, 1, first)
    page = feed.page(feed.reader("mailer"), 2)
    assert feed.page(feed.reader("mailer"), 2).entries == page.entries
    assert feed.acknowledge("mailer", page.cursor)
    assert [entry.first for entry in feed.page(feed.reader("mailer")).entries] == [3]


def test_acknowledging_twice_or_late_moves_nothing_back(db: Database):
    feed = feed_of(db)
    for first in (1, 2, 3):
        wrote(db, 1, first)
    early, late = feed.page(None, 1).cursor, feed.page(None, 3).cursor
    assert feed.acknowledge("mailer", late)
    assert not feed.acknowledge("mailer", late)
    assert not feed.acknowledge("mailer", early)
    assert feed.reader("mailer") == late


def test_readers_are_listed_with_how_far_they_are_behind(db: Database):
    feed = feed_of(db)
    feed.reader("slow")
    for first in (1, 2, 3):
        wrote(db, 1, first)
    feed.acknowledge("quick", feed.page().cursor)
    slow, quick = feed.cursors()
    assert (slow.name, slow.lag_entries) == ("slow", 3)
    assert slow.lag_seconds > 0
    assert (quick.name, quick.lag_entries, quick.lag_seconds) == ("quick", 0, 0.0)


def test_nothing_that_a_reader_has_not_done_with_is_forgotten(db: Database):
    feed = feed_of(db)
    feed.reader("slow")
    for first in (1, 2, 3):
        wrote(db, 1, first)
    assert feed.prune(0) == 0
    feed.acknowledge("slow", feed.page(None, 2).cursor)
    assert feed.prune(0) == 2
    assert [entry.first for entry in feed.page(feed.reader("slow")).entries] == [3]
    assert feed.forget("slow")
    assert not feed.forget("slow")
    assert feed.prune(0) == 1


def test_what_is_young_is_kept_whoever_has_read_it(db: Database):
    feed = feed_of(db)
    wrote(db, 1, 1)
    feed.acknowledge("mailer", feed.page().cursor)
    assert feed.prune(3600) == 0
    assert len(feed.page().entries) == 1


def test_what_could_still_be_preceded_is_not_forgotten(db: Database, dsn: str):
    feed = feed_of(db)
    with under_way(dsn, 1, 1) as slow:
        wrote(db, 2, 1)
        assert feed.prune(0) == 0
        slow.commit()
    assert [entry.run for entry in feed.page().entries] == ["run-1", "run-2"]


def test_a_reader_without_a_name_is_told_what_it_missed(db: Database):
    feed = feed_of(db)
    wrote(db, 1, 1)
    old = feed.page().cursor
    wrote(db, 1, 2)
    wrote(db, 1, 3)
    assert feed.prune(0) == 3
    wrote(db, 1, 4)
    with pytest.raises(CursorForgotten):
        feed.page(old)
    assert [entry.first for entry in feed.page().entries] == [4]
    assert [entry.first for entry in feed.page(feed.reader("new")).entries] == [4]


def test_a_cursor_at_the_very_end_of_what_was_forgotten_goes_on(db: Database):
    feed = feed_of(db)
    wrote(db, 1, 1)
    cursor = feed.page().cursor
    assert feed.prune(0) == 1
    wrote(db, 1, 2)
    assert [entry.first for entry in feed.page(cursor).entries] == [2]


def test_after_a_store_is_released_cursors_from_before_are_refused_and_names_go_on(db: Database):
    feed = feed_of(db)
    db.execute("INSERT INTO store (id) VALUES ('x')")
    wrote(db, 1, 1)
    cursor = feed.page().cursor
    feed.acknowledge("mailer", cursor)
    db.execute("UPDATE store SET released = 'Ada'")
    wrote(db, 1, 2)
    with pytest.raises(CursorElsewhere):
        feed.page(cursor)
    with pytest.raises(CursorElsewhere):
        feed.acknowledge("mailer", cursor)
    assert [entry.first for entry in feed.page(feed.reader("mailer")).entries] == [2]


def test_tables_that_come_from_a_cluster_which_had_counted_further_give_everything_again(db: Database):
    feed = feed_of(db)
    db.execute("INSERT INTO store (id) VALUES ('x')")
    wrote(db, 2, 1)
    wrote(db, 1, 1)
    feed.reader("mailer")
    db.execute("UPDATE feed SET xid = (xid::text::bigint + 4000000000)::text::xid8")
    db.execute("UPDATE feed_cursors SET xid = '4100000000'")
    assert feed.page().entries == ()
    db.execute("UPDATE store SET released = 'Ada'")
    wrote(db, 3, 1)
    heard = [entry.run for entry in feed.page(feed.reader("mailer")).entries]
    assert heard == ["run-1", "run-2", "run-3"]


def test_a_cursor_beyond_all_transactions_is_of_another_store(db: Database):
    feed = feed_of(db)
    with pytest.raises(CursorElsewhere):
        feed.page("1.4000000000.1.1")
    with pytest.raises(CursorElsewhere):
        feed.acknowledge("mailer", "1.4000000000.1.1")


@pytest.mark.parametrize(
    "cursor", ["", "1", "a.b.c.d", "1.2.3", "1.2.3.4.5", "1.-2.3.4", "1.99999999999999999999.3.4"]
)
def test_what_is_no_cursor_is_refused(db: Database, cursor: str):
    with pytest.raises(BadInput):
        feed_of(db).page(cursor)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101])
def test_what_is_no_name_is_refused(db: Database, name: str):
    with pytest.raises(BadInput):
        feed_of(db).reader(name)
