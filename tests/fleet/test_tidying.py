"""Workers forget what is old in the feed."""

import asyncio
from contextlib import suppress
from typing import cast

import psycopg
import pytest

from perdure.assembly.store import Store
from perdure.worker.tidying import tidy
from tests.conformance.stores import Store as Opened
from tests.conformance.stores import opened_run


def test_what_is_old_and_was_read_is_forgotten_by_itself(
    dsn: str, store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.worker.tidying.FEED_PRUNE_SECONDS", 0.01)
    writer = opened_run(cast("Opened", store.books), "old")
    writer.append(writer.batch(1))
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("UPDATE perdure.feed SET at = at - interval '8 days'")
        writer.append(writer.batch(1))

        async def until_one() -> None:
            tidying = asyncio.create_task(tidy(store.books))
            for _ in range(1000):
                if db.execute("SELECT count(*) FROM perdure.feed").fetchone() == (1,):
                    break
                await asyncio.sleep(0.01)
            tidying.cancel()
            with suppress(asyncio.CancelledError):
                await tidying

        asyncio.run(until_one())
    assert [entry.first for page in store.feed() for entry in page.entries] == [2]
