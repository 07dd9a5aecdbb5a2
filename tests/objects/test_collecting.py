"""Garbage of a store in PostgreSQL: what is reached stays, the rest goes with its objects, beside running writers."""

import tempfile
import threading
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from perdure.adapters.objects import open_objects
from perdure.adapters.objects.bucket import Bucket
from perdure.adapters.objects.settings import settings_of
from perdure.adapters.postgres.content import collecting
from perdure.adapters.postgres.content.collecting import Collector
from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.content.marking import Marking
from perdure.adapters.postgres.store import PostgresStore
from perdure.log import events as e
from perdure.log.port import Appended, Batch, NewRun, Post
from perdure.values.errors import BlobMissing, Busy, Suspended
from tests.conformance.stores import SECONDS, blob, opened_run
from tests.objects.parts import asked, forms, keep, large, names_in, opened, until
from tests.servers.shared import database_of
from tests.store.test_collecting_history import STEPS, History, Step
from tests.store.trees import LARGE, Tree, must_be_whole, say, sealed, taken


class Place:
    """A database and the directory of its objects."""

    def __init__(self, directory: Path) -> None:
        self.dsn = database_of(directory)
        self.settings: dict[str, object] = {"url": f"file://{directory}/objects"}
        self.objects = open_objects(self.settings)

    def store(self) -> PostgresStore:
        return opened(self.dsn, self.settings)

    def here(self) -> set[str]:
        return set(forms(self.dsn))

    def collected(self, grace: float = 0) -> int:
        """Collect as another process would; return how many blobs went."""
        with self.store() as other:
            return other.collect(grace_seconds=grace).taken.blobs


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# -- what goes and what stays ----------------------------------------------------------------------------


def after_any_history(place: Place, steps: list[Step]) -> None:
    with place.store() as store:
        history = History(store, place.collected)
        for step in steps:
            history.play(step)
        say(history.writers[0], e.TimerFired("t"))
        place.collected()
        must, may = history.reached()
        left = place.here()
        assert must <= left
        assert left <= must | may


@given(STEPS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_after_any_history_what_is_reached_is_here_and_the_rest_is_gone(steps: list[Step]):
    with tempfile.TemporaryDirectory() as directory:
        after_any_history(Place(Path(directory)), steps)


@pytest.mark.soak
@pytest.mark.timeout(900)
@given(STEPS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_after_hundreds_of_histories_what_is_reached_is_here_and_the_rest_is_gone(steps: list[Step]):
    with tempfile.TemporaryDirectory() as directory:
        after_any_history(Place(Path(directory)), steps)


class PostsForgotten(Marking):
    """Nobody looks into the inbox."""

    def _scan_posts(self) -> None: ...


class RootsOnly(Marking):
    """Trees aren't followed."""

    def _follow(self, root: bytes, *, lenient: bool) -> None:
        del lenient
        self._reach([root])
        self._db.execute("INSERT INTO pg_temp.followed VALUES (%s, 0) ON CONFLICT DO NOTHING", (root,))


class NewsForgotten(Marking):
    """What was written since the first look isn't looked at."""

    def _scan_news(self) -> None: ...


class NothingGoes(Marking):
    """Everything counts as reached."""

    def advance(self) -> None:
        super().advance()
        self._db.execute(
            "INSERT INTO pg_temp.reached SELECT digest FROM perdure.blobs ON CONFLICT DO NOTHING"
        )


FOUND: dict[type[Marking], list[Step]] = {
    PostsForgotten: [("post", 0, 1)],
    RootsOnly: [("take", 0, 1)],
    NothingGoes: [("orphan", 0, 1)],
}


@pytest.mark.parametrize("broken", FOUND, ids=lambda broken: broken.__name__)
def test_a_broken_collector_is_caught_by_a_short_history(
    broken: type[Marking], place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "Marking", broken)
    with pytest.raises(AssertionError):
        after_any_history(place, FOUND[broken])


def test_large_garbage_goes_with_its_object_and_what_waits_here_with_its_pieces(place: Place):
    kept, outside, waits = large(1), large(2), large(3)
    with place.store() as store:
        for each in (kept, outside):
            store.put(*each)
        keep(store, kept[0])
    with opened(place.dsn, None) as without:
        without.put(*waits)
        found = without.collect(grace_seconds=0, trial=True)
        assert (found.reached.files, found.taken.blobs, found.taken.files) == (1, 2, 1)
        assert found.taken.bytes > 4_000_000
        assert len(names_in(place.objects)) == 2
        # Without the object store its rows go, and its objects when somebody comes who has it.
        assert without.collect(grace_seconds=0).taken == found.taken
    assert asked(place.dsn, "SELECT 1 FROM frames") == []
    place.collected()
    assert names_in(place.objects) == [kept[0]]
    assert asked(place.dsn, "SELECT 1 FROM puts") == []


def test_objects_that_nobody_knows_go_and_those_of_other_stores_stay(place: Place):
    with place.store() as store:
        store.put(*large(1))
        keep(store, large(1)[0])
        (own,) = names_in(place.objects)
        mine = asked(place.dsn, "SELECT id FROM store")[0][0]
        place.objects.put(f"{mine}/ab/{'ab' * 32}-0123456789abcdef", b"stray")
        place.objects.put(f"{mine}/ab/no name of ours", b"stray")
        place.objects.put(f"{uuid4().hex}/ab/{'ab' * 32}-0123456789abcdef", b"another's")
        found = store.collect(grace_seconds=600)
        assert (found.strays.files, found.strays.file_bytes) == (2, 10)
        assert sorted(names_in(place.objects)) == sorted([own, "ab" * 32])


# -- beside writers --------------------------------------------------------------------------------------


def named_after_collections(place: Place) -> None:
    """A recording that is under way while garbage is collected is named afterwards, and whole."""
    tree = Tree(1, large=True)
    with place.store() as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        for _ in range(2):
            assert place.collected(grace=3600) == 0
        say(writer, taken(tree.name))
        must_be_whole(store)
        assert place.collected() == 0
        must_be_whole(store)


def test_what_is_put_and_not_named_yet_waits(place: Place):
    named_after_collections(place)


def test_a_collector_without_grace_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch):
    right = Collector.__init__

    def hasty(self: Collector, *words: object, grace_seconds: float) -> None:
        del grace_seconds
        right(self, *words, grace_seconds=0)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Collector, "__init__", hasty)
    with pytest.raises(AssertionError):
        named_after_collections(place)


def test_what_is_condemned_counts_as_gone_until_it_is_put_again(place: Place):
    tree = Tree(1, large=True)
    with place.store() as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        assert all(map(store.has, tree.blobs))
        place.collected(grace=3600)
        assert not any(map(store.has, tree.blobs))
        assert all(store.get(name) == content for name, content in tree.blobs.items())
        tree.put(store)
        say(writer, taken(tree.name))
        assert all(map(store.has, tree.blobs))
        place.collected()
        must_be_whole(store)


@pytest.mark.parametrize("content", [b"said at length", LARGE[1]], ids=["row", "object"])
def test_a_blob_that_comes_again_with_a_batch_is_there_although_its_row_was_condemned(
    place: Place, content: bytes
):
    text = blob(content)
    with place.store() as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[text]))
        place.collected(grace=3600)
        say(writer, e.MessageReceived("m", "ann", e.Content(14, None, text[0])), blobs=[text])
        place.collected()
        assert store.get(text[0]) == text[1]


def slept_through_a_collection(place: Place) -> None:
    """A writer that was stopped for longer than anybody waits can't name what is gone."""
    tree = Tree(1, large=True)
    with place.store() as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        place.collected()
        assert not place.here()
        batch = Batch("march", writer.position, writer.epoch, sealed(writer, taken(tree.name)))
        with pytest.raises(BlobMissing, match="march at 2: it names content that was collected"):
            store.append(batch).result(SECONDS)
        body = msgspec.json.encode(e.RunRewound(1, "ann", tree=tree.name))
        with pytest.raises(BlobMissing, match="the post"):
            store.post("march", Post("p", "run.rewound", msgspec.Raw(body), 5))
        tree.put(store)
        assert store.append(batch).result(SECONDS) == Appended(2)
        must_be_whole(store)


def test_a_writer_that_slept_through_a_collection_is_refused_and_records_anew(place: Place):
    slept_through_a_collection(place)


def test_a_writer_that_does_not_look_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Fence, "watches", lambda _fence, _swept: False)
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        slept_through_a_collection(place)


def named_in_a_transaction_under_way(place: Place, patience: float = 0.2) -> bool:
    """A transaction names a blob, and commits only when the collector has counted its sweep, or has ended.

    Who waits for it has still not collected after ``patience`` seconds. Return whether the blob is still here.
    """
    name, content = blob(b"said at length")
    with place.store() as store:
        store.create(NewRun("march", "march", "acme", 7))
        store.put(name, content)
        store.flush()
        swept = asked(place.dsn, "SELECT swept FROM store")
        body = msgspec.json.encode(e.MessageReceived("m", "ann", e.Content(14, None, name)))
        with psycopg.connect(place.dsn, options="-c search_path=perdure") as db:
            db.execute(
                "INSERT INTO inbox (run, id, kind, body, at) SELECT number, 'p', 'message.received', %s, 1 FROM runs",
                (body,),
            )
            collector = threading.Thread(target=place.collected)
            collector.start()
            until(
                "the collector counts",
                lambda: not collector.is_alive() or asked(place.dsn, "SELECT swept FROM store") != swept,
            )
            collector.join(patience)
            db.commit()
        collector.join()
        return store.has(name)


def test_a_collector_waits_for_transactions_that_began_before_it_counted(place: Place):
    assert named_in_a_transaction_under_way(place)


def test_a_collector_that_does_not_wait_for_them_is_caught(place: Place, monkeypatch: pytest.MonkeyPatch):
    def hasty(_collector: Collector, db: psycopg.Connection[tuple[object, ...]]) -> None:
        db.execute("UPDATE store SET swept = swept + 1")

    monkeypatch.setattr(Collector, "_announce", hasty)
    assert not named_in_a_transaction_under_way(place, SECONDS)


def test_a_collector_that_forgets_what_came_meanwhile_is_caught(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    assert named_while_collecting(place, 5)
    monkeypatch.setattr(collecting, "Marking", NewsForgotten)
    assert not named_while_collecting(place, 1005)


def named_while_collecting(place: Place, seed: int) -> bool:
    """An event is written between the collector's first look and its sweep; return whether what it names is here."""
    tree = Tree(seed)
    with place.store() as store:
        writer = opened_run(store, f"run-{seed}")
        tree.put(store)
        store.flush()
        condemned = threading.Event()

        def tell(what: str, _done: int, _total: int) -> None:
            if what == "trees" and not condemned.is_set():
                condemned.set()
                say(writer, taken(tree.name))

        first = Tree(seed + 1)
        first.put(store)
        say(writer, taken(first.name))
        with place.store() as other:
            other.collect(tell=tell, grace_seconds=0)
        return place.here() >= set(tree.blobs)


class Held(Bucket):
    """An object store whose next put waits for a word."""

    def __init__(self, settings: dict[str, object]) -> None:
        super().__init__(*settings_of(settings))
        self.came, self.goes = threading.Event(), threading.Event()

    def put(self, name: str, content: bytes) -> bool:
        self.came.set()
        assert self.goes.wait(SECONDS)
        return super().put(name, content)


def test_an_object_that_was_given_up_while_it_was_put_is_kept_here_instead(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("perdure.adapters.postgres.content.large.OBJECT_PUT_SECONDS", float(SECONDS))
    held = Held(place.settings)
    name, content = large(7)
    with PostgresStore(place.dsn, objects=held) as store:
        thread = threading.Thread(target=store.put, args=(name, content))
        thread.start()
        assert held.came.wait(SECONDS)
        place.collected()
        assert asked(place.dsn, "SELECT 1 FROM puts") == []
        held.goes.set()
        thread.join()
        assert store.get(name) == content
        keep(store, name)
        place.collected()
        assert store.get(name) == content
    assert names_in(place.objects).count(name) <= 1


# -- who may not collect ---------------------------------------------------------------------------------


def test_one_collects_at_a_time(place: Place):
    with place.store() as store, psycopg.connect(place.dsn) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (collecting.COLLECTING,))
        with pytest.raises(Busy, match="another process collects"):
            store.collect()


def test_a_copy_collects_nothing_before_a_person_says_that_it_counts(place: Place):
    with place.store() as store:
        store.put(*large(1))
        asked(place.dsn, "UPDATE store SET suspended = 'restored from a backup'")
        with pytest.raises(Suspended, match="restored from a backup"):
            store.collect(grace_seconds=0)
    assert len(names_in(place.objects)) == 1


def test_a_transaction_that_never_ends_is_named_and_nothing_goes(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "HORIZON_SECONDS", 0.1)
    with place.store() as store, psycopg.connect(place.dsn) as other:
        store.put(*large(1))
        other.execute("SELECT pg_current_xact_id()")
        with pytest.raises(Busy, match="doesn't end") as caught:
            store.collect(grace_seconds=0)
        assert "pg_stat_activity" in caught.value.hint
    assert place.here() == {large(1)[0]}
