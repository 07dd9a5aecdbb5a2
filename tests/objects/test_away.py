"""While the object store refuses, stalls, cuts or crawls, no outcome waits for it, nothing is lost, and all arrives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.content import breaker, moving
from perdure.adapters.postgres.content import large as large_blobs
from perdure.adapters.postgres.content.large import LargeBlobs
from perdure.values.errors import ObjectsAway, ObjectsRefused
from tests.conformance.stores import opened_run
from tests.objects.parts import QUICK, asked, forms, large, lies_outside, names_in, opened, until
from tests.servers.objects import S3Server
from tests.servers.proxy import Mood, Proxy
from tests.servers.shared import database_of

HINDERED = [Mood.STALL, Mood.STALL_ANSWERS, Mood.CUT, Mood.REFUSE]


@pytest.fixture(autouse=True)
def short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bounds, shorter: what happens at them is what counts."""
    monkeypatch.setattr(large_blobs, "OBJECT_PUT_SECONDS", 0.2)
    monkeypatch.setattr(breaker, "OBJECT_PAUSE_SECONDS", (0.1, 0.3))
    monkeypatch.setattr(moving, "OBJECT_MOVE_SECONDS", 0.2)


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    return database_of(tmp_path)


@pytest.fixture
def proxy(moto_server: S3Server) -> Iterator[Proxy]:
    with Proxy(moto_server.port) as standing:
        yield standing


def through(proxy: Proxy, server: S3Server, tmp_path: Path) -> dict[str, object]:
    settings = server.bucket("perdure", tmp_path.name) | QUICK
    return settings | {"endpoint": f"http://127.0.0.1:{proxy.port}"}


@pytest.mark.parametrize("mood", HINDERED)
def test_content_waits_in_postgresql_and_arrives_later(
    mood: Mood, proxy: Proxy, moto_server: S3Server, tmp_path: Path, dsn: str
):
    settings = through(proxy, moto_server, tmp_path)
    ahead, brought = large(1), large(2)
    with opened(dsn, settings) as store:
        proxy.turn(mood)
        store.put(*ahead)
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[brought]))
        for name, content in (ahead, brought):
            assert forms(dsn)[name] == 3
            assert store.get(name) == content
            assert store.get(name, 1_048_570, 20) == content[1_048_570:1_048_590]
        proxy.turn(Mood.PASS)
        for name, content in (ahead, brought):
            until("it arrives", lambda name=name: lies_outside(dsn, name))
            assert store.get(name) == content
    assert asked(dsn, "SELECT * FROM frames") == []
    assert asked(dsn, "SELECT * FROM puts") == []
    assert sorted(names_in(open_objects(settings))) == sorted([ahead[0], brought[0]])


def test_a_slow_object_store_holds_up_none_and_gets_all(
    proxy: Proxy, moto_server: S3Server, tmp_path: Path, dsn: str
):
    name, content = large(3)
    with opened(dsn, through(proxy, moto_server, tmp_path) | {"timeout_seconds": 30.0}) as store:
        proxy.bytes_per_second = 2_000_000
        proxy.turn(Mood.SLOW)
        store.put(name, content)
        assert store.get(name) == content
        until("it arrives", lambda: lies_outside(dsn, name))
        assert store.get(name) == content


def test_one_stalled_put_does_not_make_the_next_ones_wait(
    proxy: Proxy, moto_server: S3Server, tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(breaker, "OBJECT_PAUSE_SECONDS", (3600.0, 3600.0))
    with opened(dsn, through(proxy, moto_server, tmp_path)) as store:
        proxy.turn(Mood.STALL)
        store.put(*large(4))
        assert isinstance(store.large.breaker.trouble, ObjectsAway)
        # The put was given up before it was heard of, perhaps.
        until("it was tried", lambda: proxy.accepted > 0)
        tried = proxy.accepted
        for seed in range(5, 11):
            store.put(*large(seed))
        # For the length of a pause nobody tries, the mover neither.
        assert proxy.accepted == tried
        assert sorted(forms(dsn).values()) == [3] * 7


def test_content_that_a_bucket_refuses_waits_as_well(moto_server: S3Server, tmp_path: Path, dsn: str):
    settings = moto_server.settings(f"missing-{tmp_path.name[-20:]}".replace("_", "-")) | QUICK
    name, content = large(12)
    with opened(dsn, settings) as store:
        store.put(name, content)
        assert store.get(name) == content
        until("it is refused", lambda: isinstance(store.large.breaker.trouble, ObjectsRefused))
    moto_server.bucket(str(settings["url"]).split("/")[2])
    with opened(dsn, settings) as store:
        store.flush()
        until("it arrives once there is a bucket", lambda: lies_outside(dsn, name))
        assert store.get(name) == content


def test_content_of_a_store_without_an_object_store_moves_once_it_has_one(tmp_path: Path, dsn: str):
    name, content = large(13)
    with opened(dsn, None) as store:
        store.put(name, content)
        store.put(name, content)
        assert store.get(name) == content
    with opened(dsn, {"url": f"file://{tmp_path}/objects"}) as store:
        store.flush()
        until("it moves", lambda: lies_outside(dsn, name))
        assert store.get(name) == content
    with (
        opened(dsn, None) as store,
        pytest.raises(ObjectsRefused, match=r"lies in an object store, and none was named"),
    ):
        store.get(name)


def test_a_store_whose_outcomes_wait_for_the_bucket_is_caught(
    proxy: Proxy, moto_server: S3Server, tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
):
    """The same look at a broken build, which puts and does not spill: content that was taken is not there."""

    def insists(self: LargeBlobs, there: str, content: bytes) -> bool:
        assert self.objects is not None
        return self.objects.put(there, content) or True

    monkeypatch.setattr(LargeBlobs, "put_within", insists)
    name, content = large(14)
    with opened(dsn, through(proxy, moto_server, tmp_path) | {"timeout_seconds": 0.6}) as store:
        proxy.turn(Mood.STALL)
        with pytest.raises(ObjectsAway):
            store.put(name, content)
        assert not store.has(name)
