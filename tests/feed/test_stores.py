"""The feed of real stores: written by several at once, and spread over several databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import perdure
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.sqlite.store import SqliteStore
from perdure.assembly.stores.feeding_parts import PartedFeed
from perdure.log.feed import FedBatch, FeedStore
from perdure.values.errors import BadInput
from tests.conformance.stores import opened_run
from tests.servers.postgres import Server


def test_what_several_processes_of_a_store_append_at_once_is_given_out_once_and_in_order(server: Server):
    dsn = server.database("several")
    with PostgresStore(dsn) as one, PostgresStore(dsn) as two:

        def append(store: PostgresStore, run: str) -> int:
            writer = opened_run(store, run)
            for _ in range(20):
                writer.append(writer.batch(2))
            return writer.position

        with ThreadPoolExecutor(8) as pool:
            made = {f"run-{at}": pool.submit(append, (one, two)[at % 2], f"run-{at}") for at in range(8)}
            ends = {run: future.result(60) for run, future in made.items()}
        seen: dict[str, int] = {}
        feed = one.feed()
        cursor = None
        while (page := feed.page(cursor, 7)).entries:
            for run, first, last in page.entries:
                assert first == seen.get(run, 0) + 1
                seen[run] = last
            cursor = page.cursor
        assert seen == ends
    with perdure.open(dsn) as store:
        assert sum(len(page.entries) for page in store.feed(reader="mirror")) == sum(ends.values()) // 2
        assert [page.entries for page in store.feed(reader="mirror")] == [()]


def parted(*stores: SqliteStore, missing: Callable[[], dict[str, str]] = dict) -> PartedFeed:
    parts: dict[str, FeedStore] = {f"s{number}": each.feed() for number, each in enumerate(stores)}
    return PartedFeed(lambda: {name: feed for name, feed in parts.items() if name not in missing()}, missing)


def test_the_feed_of_shards_gives_all_of_each_and_knows_its_place_in_each(tmp_path: Path):
    with SqliteStore(tmp_path / "a") as a, SqliteStore(tmp_path / "b") as b:
        one, two = opened_run(a, "one"), opened_run(b, "two")
        one.append(one.batch(2))
        two.append(two.batch(1))
        feed = parted(a, b)
        page = feed.page(feed.reader("mirror"))
        assert set(page.entries) == {FedBatch("one", 1, 2), FedBatch("two", 1, 1)}
        assert feed.acknowledge("mirror", page.cursor)
        assert not feed.acknowledge("mirror", page.cursor)
        two.append(two.batch(1))
        assert feed.page(feed.reader("mirror")).entries == (FedBatch("two", 2, 2),)
        assert [(each.name, each.lag_entries) for each in feed.cursors()] == [("mirror", 1)]
        assert feed.prune(0) == 0
        assert feed.forget("mirror")
        with pytest.raises(BadInput):
            feed.page("nonsense")


def test_a_shard_that_is_away_is_said_and_not_skipped(tmp_path: Path):
    away: dict[str, str] = {}
    with SqliteStore(tmp_path / "a") as a, SqliteStore(tmp_path / "b") as b:
        one, two = opened_run(a, "one"), opened_run(b, "two")
        feed = parted(a, b, missing=lambda: dict(away))
        for each in (one, two):
            each.append(each.batch(1))
        away["s1"] = "no answer"
        first = feed.page(None)
        assert first.entries == (FedBatch("one", 1, 1),)
        assert first.stalled_by is not None
        assert first.stalled_by.name == "s1"
        away.clear()
        assert feed.page(first.cursor).entries == (FedBatch("two", 1, 1),)
