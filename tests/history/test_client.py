"""What a client of a recorded history does can be told apart afterwards."""

from io import BytesIO
from pathlib import Path

from benchmarks.scale.history.acts import Done, Send
from benchmarks.scale.history.client import Client, Errand
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.port import NewRun


def test_no_two_posts_are_the_same_so_that_a_store_knows_its_own_again(tmp_path: Path):
    store = SqliteStore(tmp_path / "store")
    try:
        store.create(NewRun("a", "a", "acme", 1))
        errand = Errand(str(tmp_path / "store"), "c0", "", ("a",), ("s1",), seed=1, seconds=1)
        client = Client(errand, store, BytesIO())
        assert [client.ask(Send("a", name)) for name in ("p1", "p2", "p1")] == [
            Done(),
            Done(),
            Done(new=False),
        ]
        first, second = store.inbox("a")
        assert first.at != second.at
    finally:
        store.close()
