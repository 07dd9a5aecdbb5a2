"""The feed of a store in one file, through the front door and the command line."""

import json
from pathlib import Path

import pytest

import perdure
from perdure.adapters.sqlite.store import SqliteStore
from perdure.assembly.stores.feeding import pages
from perdure.log.feed import FedBatch
from perdure.values.errors import BadInput, CursorElsewhere
from tests.cli.inside import Inside
from tests.conformance.stores import Writer, forked_run, opened_run


def wrote(writer: Writer, count: int) -> None:
    writer.append(writer.batch(count))


@pytest.fixture
def inside(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    return Inside(tmp_path, capfd, monkeypatch)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_batches_of_all_runs_come_in_the_order_of_their_commits(place: Path):
    with SqliteStore(place) as store:
        one, two = opened_run(store, "one"), opened_run(store, "two")
        wrote(one, 2)
        wrote(two, 1)
        wrote(one, 1)
        page = store.feed().page()
    assert [entry for entry in page.entries if entry.run == "one"][-1].last == one.position
    assert page.entries[-1] == FedBatch("one", one.position, one.position)
    assert page.entries[-2] == FedBatch("two", two.position, two.position)


def test_a_fork_gives_out_its_own_events_only(place: Path):
    with SqliteStore(place) as store:
        one = opened_run(store, "one")
        wrote(one, 3)
        cursor = store.feed().page().cursor
        fork = forked_run(store, "one", 2, "other")
        wrote(fork, 1)
        assert store.feed().page(cursor).entries == (FedBatch("other", 3, 3),)


def test_who_follows_is_given_what_is_written_later(place: Path):
    with SqliteStore(place) as store:
        one = opened_run(store, "one")
        wrote(one, 1)
        following = pages(store, follow=True)
        assert next(following).entries == (FedBatch("one", 1, 1),)
        assert next(following).entries == ()
        wrote(one, 1)
        assert next(page.entries for page in following if page.entries) == (FedBatch("one", 2, 2),)


def test_a_reader_with_a_name_goes_on_where_it_was_when_the_store_is_opened_again(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store, "one")
        wrote(writer, 3)
        feed = store.feed()
        page = feed.page(feed.reader("mailer"), 2)
        assert feed.acknowledge("mailer", page.cursor)
        assert not feed.acknowledge("mailer", page.cursor)
        assert feed.cursors()[0].lag_entries == writer.position - 2
    with SqliteStore(place) as store:
        feed = store.feed()
        assert feed.reader("mailer") == page.cursor
        assert feed.page(feed.reader("mailer")).entries == (FedBatch("one", 3, writer.position),)
        assert feed.forget("mailer")
        assert not feed.forget("mailer")
        assert list(feed.cursors()) == []


def test_a_cursor_of_another_store_is_refused(place: Path, tmp_path: Path):
    with SqliteStore(place) as store, SqliteStore(tmp_path / "other") as other:
        wrote(opened_run(store, "one"), 1)
        wrote(opened_run(other, "two"), 1)
        cursor = store.feed().page().cursor
        with pytest.raises(CursorElsewhere):
            other.feed().page(cursor)
        with pytest.raises(CursorElsewhere):
            other.feed().acknowledge("mailer", cursor)
        with pytest.raises(BadInput):
            store.feed().page("nonsense")


def test_the_front_door_remembers_a_reader_that_asked_for_the_next_page(place: Path):
    with SqliteStore(place) as made:
        wrote(opened_run(made, "one"), 4)
    with perdure.open(place) as store:
        everything = [entry for page in store.feed() for entry in page.entries]
        assert everything == [FedBatch("one", 1, made_events(store))]
        for page in store.feed(reader="mailer"):
            if page.entries:
                break  # it dies before it has done with them
        again = [entry for page in store.feed(reader="mailer") for entry in page.entries]
        assert again == everything
        assert [entry for page in store.feed(reader="mailer") for entry in page.entries] == []


def made_events(store: perdure.Store) -> int:
    return store.runs()[0].position


def test_the_command_line_prints_batches_and_says_where_to_go_on(inside: Inside, place: Path):
    with SqliteStore(place) as made:
        writer = opened_run(made, "one")
        wrote(writer, 2)
        lines = printed(inside, "feed", "--store", str(place), "--json")
        assert lines[0] == {"run": "one", "first": 1, "last": writer.position}
        cursor = lines[1]["cursor"]
        assert (
            "run" not in printed(inside, "feed", "--store", str(place), "--after", str(cursor), "--json")[0]
        )
        wrote(writer, 1)
        lines = printed(inside, "feed", "--store", str(place), "--after", str(cursor), "--json")
        assert lines[0] == {"run": "one", "first": writer.position, "last": writer.position}


def test_the_command_line_lists_and_forgets_readers(inside: Inside, place: Path):
    with SqliteStore(place) as made:
        wrote(opened_run(made, "one"), 2)
    words = ("--store", str(place))
    assert "one" in inside.type("feed", "--reader", "mailer", *words).out
    assert "mailer" in inside.type("feed", "--readers", *words).out
    assert inside.type("feed", "--forget", "mailer", *words).code == 0
    assert inside.type("feed", "--forget", "mailer", *words).code == 2
    assert inside.type("feed", "--prune", "--readers", *words).code == 2
    assert inside.type("feed", "--prune", *words).code == 0


def printed(inside: Inside, *words: str) -> list[dict[str, object]]:
    shown = inside.type(*words)
    assert shown.code == 0, shown.err
    return [json.loads(line) for line in shown.out.splitlines()]
