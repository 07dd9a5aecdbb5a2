"""Garbage goes, and nothing that anybody can still reach or is about to name goes with it."""

import fcntl
import os
import random
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.adapters.sqlite import collecting
from perdure.adapters.sqlite.fence import Fence
from perdure.adapters.sqlite.heaps import Collected
from perdure.adapters.sqlite.layout import Setup
from perdure.adapters.sqlite.marking import Marking
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.envelope import Event, Frame, Stored, chain, seal
from perdure.log.port import Appended, Batch, ClaimClosed, Post
from perdure.testing.lossy_disk import Journal, LossyDisk
from perdure.values.errors import BlobMissing, StoreDamaged, StoreFailed, StoreNewer
from tests.conformance.stores import SECONDS, Writer, blob, claim, forked_run, opened_run
from tests.store.trees import Tree, must_be_whole, needed, say, sealed, taken

LARGE = blob(random.Random(1).randbytes(1_500_000))


def collected(place: Path, *, grace: float = 0, trial: bool = False) -> Collected:
    """Collect as another process would."""
    with SqliteStore(place) as other:
        return other.collect(grace_seconds=grace, trial=trial)


def here(place: Path) -> set[str]:
    """Return the names of all blobs that are here, condemned or not."""
    db = apsw.Connection(str(place / "log.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {row[0].hex() for row in db.execute("SELECT digest FROM blobs")}
    finally:
        db.close()


def files(place: Path) -> list[Path]:
    return sorted((place / "blobs").rglob("*.zst*"))


# -- what stays ------------------------------------------------------------------------------------------


def test_everything_that_an_event_a_fork_a_claim_or_a_waiting_post_reaches_stays(place: Path):
    trees = [Tree(seed) for seed in range(8)]
    text, result, image = blob(b"said at length"), blob(b"result"), Tree(20, large=True)
    with SqliteStore(place) as store:
        march = opened_run(store)
        for tree in (*trees, image):
            tree.put(store)
        say(march, e.MessageReceived("m", "ann", e.Content(14, None, text[0])), blobs=[text])
        say(march, taken(trees[0].name, image.name))
        say(march, e.WorkspaceChanged(trees[1].name, trees[2].name, full=text[0]), taken(trees[2].name))
        say(march, e.CheckpointSkipped(trees[3].name), e.CheckpointRestored(trees[4].name, "why"))
        say(march, e.RunRewound(2, "ann", tree=trees[5].name))
        forked_run(store, "march", 3, "fork")
        march.append(march.batch(opened=[claim("k")], blobs=[result]))
        march.append(march.batch(closed=[ClaimClosed("k", "succeeded", e.Content(6, None, result[0]))]))
        body = msgspec.json.encode(e.RunRewound(2, "ann", tree=trees[6].name))
        store.post("march", Post("p", "run.rewound", msgspec.Raw(body), 5))
        before = here(place)
        found = collected(place)
        kept = {text[0], result[0], *image.blobs}.union(*(tree.blobs for tree in trees[:7]))
        assert here(place) == kept
        assert found.taken.blobs == len(before) - len(kept)
        assert found.reached.blobs == len(kept)
        must_be_whole(store)
        assert all(store.get(name) == content for name, content in image.blobs.items())


def test_what_nothing_reaches_goes_with_its_file(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[blob(b"nobody names this"), LARGE]))
        assert len(files(place)) == 1
    found = collected(place, grace=3600)
    assert (found.taken.blobs, found.taken.files, found.in_use) == (2, 1, False)
    assert found.taken.file_bytes > 1_000_000
    assert here(place) == set()
    assert files(place) == []


def test_a_trial_says_the_same_and_takes_nothing(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[blob(b"nobody names this"), LARGE]))
    before = here(place)
    tried = collected(place, trial=True)
    assert here(place) == before
    assert len(files(place)) == 1
    done = collected(place)
    assert tried == msgspec.structs.replace(done, trial=True)


def test_a_directory_whose_very_bytes_are_also_a_files_content_is_followed(place: Path):
    tree = Tree(3)
    inner = next(content for content in list(tree.blobs.values())[::-1][1:])
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        # An agent reads an object and says it word for word: the blob is reached as text first.
        name, _ = blob(inner)
        say(writer, e.MessageReceived("m", "ann", e.Content(len(inner), None, name)), taken(tree.name))
        collected(place)
        must_be_whole(store)


# -- what is let go --------------------------------------------------------------------------------------


def let_go(writer: Writer, before: int, *kept: tuple[int, Tree]) -> int:
    body = e.CheckpointReleased(
        before, "ann", tuple(at for at, _ in kept), tuple(tree.name for _, tree in kept)
    )
    return say(writer, body)


def five_checkpoints(store: SqliteStore) -> tuple[Writer, list[Tree]]:
    trees = [Tree(seed, large=True) for seed in range(5)]
    writer = opened_run(store)
    for tree in trees:
        tree.put(store)
        say(writer, taken(tree.name))
    return writer, trees


def test_files_that_were_let_go_go_but_for_what_is_kept_or_came_later(place: Path):
    with SqliteStore(place) as store:
        writer, trees = five_checkpoints(store)
        let_go(writer, 4, (2, trees[1]))
        collected(place)
        assert here(place) == {*trees[1].blobs, *trees[3].blobs, *trees[4].blobs}
        assert collected(place).taken.blobs == 0


@pytest.mark.parametrize("needs", ["fork", "fork of a fork", "pin"])
def test_a_release_that_misses_a_fork_or_a_pin_does_not_count(place: Path, needs: str):
    with SqliteStore(place) as store:
        writer, trees = five_checkpoints(store)
        if needs == "pin":
            say(writer, e.CheckpointPinned(2, "ann"))
        let_go(writer, 4)
        if needs != "pin":
            forked_run(store, "march", 2 if needs == "fork" else 5, "fork")
        if needs == "fork of a fork":
            forked_run(store, "fork", 2, "second")
        collected(place)
        assert all(store.has(name) for tree in trees for name in tree.blobs)


def test_a_fork_of_what_is_gone_already_does_not_end_collecting(place: Path):
    with SqliteStore(place) as store:
        writer, trees = five_checkpoints(store)
        let_go(writer, 4)
        collected(place)
        forked_run(store, "march", 2, "fork")
        store.put(*blob(b"garbage"))
        say(writer, e.TimerFired("t"))
        assert collected(place).taken.blobs == 1
        assert all(store.has(name) for tree in trees[3:] for name in tree.blobs)


def test_a_pin_that_was_taken_back_keeps_nothing(place: Path):
    with SqliteStore(place) as store:
        writer, trees = five_checkpoints(store)
        say(writer, e.CheckpointPinned(2, "ann"), e.CheckpointPinned(2, "ann", pinned=False))
        let_go(writer, 5)
        collected(place)
        assert here(place) == set(trees[4].blobs)


# -- beside writers --------------------------------------------------------------------------------------


def named_after_collections(place: Path) -> None:
    """A recording that is under way while garbage is collected is named afterwards, and whole."""
    tree = Tree(1, large=True)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        for _ in range(2):
            found = collected(place, grace=3600)
            assert (found.unreached.blobs, found.taken.blobs, found.in_use) == (len(tree.blobs), 0, True)
        say(writer, taken(tree.name))
        must_be_whole(store)
        assert collected(place).taken.blobs == 0


def test_what_is_put_and_not_named_yet_waits_while_its_store_is_open(place: Path):
    named_after_collections(place)


def test_a_collector_that_does_not_look_who_uses_the_store_is_caught(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "in_use", lambda _path: False)
    with pytest.raises(AssertionError):
        named_after_collections(place)


def test_an_open_reader_counts_as_use_and_a_closed_one_does_not(place: Path):
    with SqliteStore(place) as store:
        store.put(*blob(b"garbage"))
        opened_run(store)
    with SqliteStore(place, create=False):
        assert collected(place, grace=3600).in_use
    assert not collected(place, grace=3600).in_use


def test_what_is_condemned_counts_as_gone_until_it_is_put_again(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        assert all(map(store.has, tree.blobs))
        collected(place, grace=3600)
        assert not any(map(store.has, tree.blobs))
        assert all(store.get(name) == content for name, content in tree.blobs.items())
        tree.put(store)
        say(writer, taken(tree.name))
        assert all(map(store.has, tree.blobs))
        collected(place)
        must_be_whole(store)


def test_a_blob_that_comes_again_with_a_batch_is_there_although_its_row_was_condemned(place: Path):
    text = blob(b"said at length")
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[text]))
        collected(place, grace=3600)
        say(writer, e.MessageReceived("m", "ann", e.Content(14, None, text[0])), blobs=[text])
        collected(place)
        assert store.get(text[0]) == text[1]


def slept_through_a_collection(place: Path) -> None:
    """A writer that was stopped for longer than anybody waits can't name what is gone."""
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, e.TimerFired("t"))
        collected(place, grace=0)
        assert not here(place)
        batch = Batch("march", writer.position, writer.epoch, sealed(writer, taken(tree.name)))
        with pytest.raises(BlobMissing, match="march at 2: it names content that was collected"):
            store.append(batch).result(SECONDS)
        body = msgspec.json.encode(e.RunRewound(1, "ann", tree=tree.name))
        with pytest.raises(BlobMissing, match="the post"):
            store.post("march", Post("p", "run.rewound", msgspec.Raw(body), 5))
        tree.put(store)
        assert store.append(batch).result(SECONDS) == Appended(2)
        must_be_whole(store)


def test_a_writer_that_slept_through_a_collection_is_refused_and_records_anew(place: Path):
    slept_through_a_collection(place)


def test_a_writer_that_does_not_look_is_caught(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Fence, "check", lambda _fence, _batch: None)
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        slept_through_a_collection(place)


@contextmanager
def held_up(place: Path, write: Callable[[], object]) -> Generator[apsw.Connection]:
    """Within this, ``write`` has packed its blobs and waits for the write lock, which the test has."""
    db = apsw.Connection(str(place / "log.db"))
    db.execute("BEGIN IMMEDIATE")
    thread = threading.Thread(target=write)
    thread.start()
    turnstile = os.open(place / "log.db-turn", os.O_RDWR)
    waits = False
    while not waits:
        try:
            fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        except BlockingIOError:
            waits = True
    os.close(turnstile)
    yield db
    db.execute("COMMIT")
    thread.join(SECONDS)
    db.close()


@pytest.mark.parametrize("content", [b"small", LARGE[1]], ids=["row", "file"])
def test_a_batch_brings_its_blobs_although_they_were_swept_while_it_waited_for_the_lock(
    place: Path, content: bytes
):
    text = blob(content)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[text]))
        batch = writer.batch(blobs=[text])
        with held_up(place, lambda: store.append(batch).result(SECONDS)) as db:
            db.execute("DELETE FROM blobs")
            db.execute("INSERT INTO settings VALUES ('swept', 1)")
            for file in files(place):
                file.unlink()
        assert store.get(*text[:1]) == content


def test_a_large_blob_whose_file_was_taken_for_a_stray_is_written_again(place: Path):
    with SqliteStore(place) as store:
        opened_run(store)
        with held_up(place, lambda: store.put(*LARGE)):
            (file,) = files(place)
            file.unlink()
        assert store.get(LARGE[0]) == LARGE[1]


# -- damage ----------------------------------------------------------------------------------------------


def test_a_tree_that_can_not_be_followed_ends_the_collection_before_anything_goes(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
        writer.append(writer.batch(blobs=[blob(b"garbage")]))
    db = apsw.Connection(str(place / "log.db"))
    db.execute("DELETE FROM blobs WHERE digest = ?", (bytes.fromhex(tree.name),))
    db.close()
    before = here(place)
    with pytest.raises(BlobMissing):
        collected(place)
    with pytest.raises(BlobMissing):
        collected(place, trial=True)
    assert here(place) == before


def test_a_damaged_event_makes_no_garbage_of_what_it_named(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
    db = apsw.Connection(str(place / "log.db"))
    broken = tree.name[:-1] + ("0" if tree.name[-1] != "0" else "1")
    db.execute("UPDATE events SET frame = CAST(replace(frame, ?, ?) AS BLOB)", (tree.name, broken))
    db.close()
    before = here(place)
    with pytest.raises(StoreDamaged, match="march at 1"):
        collected(place)
    assert here(place) == before


def test_events_of_a_newer_perdure_are_left_to_it(place: Path):
    tree = Tree(1)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        known = seal(Event("march", 1, 1, 1, 1, taken(tree.name)), bytes(32))
        frame = msgspec.json.decode(known.frame, type=Frame)
        newer = msgspec.json.encode(
            msgspec.structs.replace(frame, kind="checkpoint.folded", body=msgspec.Raw(b'{"trees":[]}'))
        )
        writer.append(Batch("march", 0, 1, [Stored("march", 1, newer, chain(bytes(32), newer))]))
    before = here(place)
    with pytest.raises(StoreNewer):
        collected(place)
    assert here(place) == before


def test_files_that_a_crash_left_go_and_those_that_are_being_written_stay(place: Path):
    with SqliteStore(place) as store:
        writer = opened_run(store)
        writer.append(writer.batch(blobs=[LARGE]))
        say(writer, e.MessageReceived("m", "ann", e.Content(1, None, LARGE[0])))
        (file,) = files(place)
        stray = file.with_name(f"{'ab' * 32}.zst")
        unfinished = file.with_name(f"{'ab' * 32}.zst.1.2.new")
        for left in (stray, unfinished):
            left.write_bytes(b"left")
        os.utime(unfinished, (1, 1))
        young = file.with_name(f"{'cd' * 32}.zst.1.2.new")
        young.write_bytes(b"being written")
        found = collected(place, grace=3600)
        assert (found.strays.files, found.strays.file_bytes) == (2, 8)
        assert files(place) == sorted((file, young))
        assert store.get(LARGE[0]) == LARGE[1]


@pytest.mark.parametrize("write", range(0, 12, 2))
def test_a_disk_that_fills_up_under_a_collection_costs_nothing_that_is_reached(place: Path, write: int):
    journal = Journal()
    tree = Tree(1, large=True)
    with LossyDisk(f"filling-{id(journal)}", journal) as disk:
        setup = Setup(vfs=disk.name)
        with SqliteStore(place, setup=setup) as store:
            writer = opened_run(store)
            tree.put(store)
            say(writer, taken(tree.name))
            for number in range(300):
                store.put(*blob(b"garbage %d" % number * 50))
            say(writer, e.TimerFired("t"))
        left = [write]

        def fails(file: str) -> bool:
            left[0] -= file.endswith("-wal")
            return left[0] < 0

        journal.write_fails = fails
        with pytest.raises(StoreFailed), SqliteStore(place, setup=setup) as store:
            store.collect()
        journal.write_fails = lambda _file: False
        with SqliteStore(place, setup=setup) as store:
            must_be_whole(store)
            store.collect()
            must_be_whole(store)
        assert here(place) == set(tree.blobs)


def test_a_backup_made_beside_collections_is_whole(place: Path, tmp_path: Path):
    with SqliteStore(place) as store:
        writer, _ = five_checkpoints(store)
        let_go(writer, 4)
        stop = threading.Event()

        def collect() -> None:
            while not stop.is_set():
                collected(place)

        thread = threading.Thread(target=collect)
        thread.start()
        for number in range(6):
            garbage = blob(random.Random(number).randbytes(1_200_000))
            store.put(*garbage)
            store.backup(tmp_path / f"copy-{number}")
        stop.set()
        thread.join(SECONDS)
    for number in range(6):
        with SqliteStore(tmp_path / f"copy-{number}") as copy:
            assert copy.collect(trial=True).reached.blobs > 0


# -- any history -----------------------------------------------------------------------------------------

Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "take",
                "take",
                "change",
                "orphan",
                "half",
                "fork",
                "rewind",
                "release",
                "pin",
                "post",
                "collect",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 30),
    ),
    max_size=25,
)


class History:
    """Runs of one store with a plain model beside them: which trees each own position names."""

    def __init__(self, place: Path, store: SqliteStore) -> None:
        self.place = place
        self.store = store
        self.writers: list[Writer] = [opened_run(store, "r0")]
        self.begins = {"r0": 0}
        self.parents: dict[str, tuple[str, int]] = {}
        self.trees: dict[str, dict[int, set[str]]] = {"r0": {}}
        self.released: dict[str, tuple[int, set[int], set[int]]] = {}
        self.pins: dict[str, set[int]] = {"r0": set()}
        self.posted: set[str] = set()
        self.contents: dict[str, Tree] = {}

    def play(self, step: Step) -> None:
        what, which, number = step
        writer = self.writers[which % len(self.writers)]
        run = writer.run
        own = range(self.begins[run] + 1, writer.position + 1)
        match what:
            case "take":
                self.say(writer, taken(self.put(number)), {self.put(number)})
            case "change":
                before, after = self.put(number), self.put(number + 1)
                self.say(writer, e.WorkspaceChanged(before, after), {before, after})
            case "orphan":
                self.put(number)
            case "half":
                tree = self.tree(number)
                for name, content in list(tree.blobs.items())[: number % len(tree.blobs)]:
                    self.store.put(name, content)
            case "fork" if writer.position and len(self.writers) < 5:
                self.fork(writer, 1 + number % writer.position)
            case "rewind" if own:
                at = own[number % len(own)]
                named = self.last_tree(run, at)
                # What was let go can't be named any more: the driver refuses that before it comes here.
                if named and at >= self.released.get(run, (0,))[0]:
                    self.say(writer, e.RunRewound(at, "ann", tree=named), {named})
            case "pin" if own:
                at = own[number % len(own)]
                self.say(writer, e.CheckpointPinned(at, "ann"), set())
                self.pins[run].add(at)
            case "post":
                name = self.put(number)
                body = msgspec.json.encode(e.RunRewound(1, "ann", tree=name))
                if self.store.post(run, Post(f"p{number}", "run.rewound", msgspec.Raw(body), 5)):
                    self.posted.add(name)
            case "release" if own:
                self.release(writer, own[number % len(own)])
            case "collect":
                collected(self.place)
            case _:
                pass

    def tree(self, seed: int) -> Tree:
        tree = Tree(seed)
        self.contents[tree.name] = tree
        return tree

    def put(self, seed: int) -> str:
        tree = self.tree(seed)
        tree.put(self.store)
        return tree.name

    def say(self, writer: Writer, body: e.Body, named: set[str]) -> None:
        self.trees[writer.run][say(writer, body)] = named

    def fork(self, writer: Writer, at: int) -> None:
        name = f"r{len(self.writers)}"
        self.writers.append(forked_run(self.store, writer.run, at, name, token=name))
        self.parents[name] = (writer.run, at)
        self.begins[name] = at
        self.trees[name], self.pins[name] = {}, set()

    def last_tree(self, run: str, at: int) -> str:
        named = [min(trees) for position, trees in self.trees[run].items() if position <= at and trees]
        return named[-1] if named else ""

    def points(self, run: str) -> set[int]:
        found: set[int] = set()
        for fork in self.parents:
            below, upto = fork, 1 << 60
            while below in self.parents:
                below, at = self.parents[below]
                upto = min(upto, at)
                if below == run and upto > self.begins[run]:
                    found.add(upto)
        return found

    def release(self, writer: Writer, before: int) -> None:
        run = writer.run
        if before <= self.released.get(run, (0,))[0]:
            return
        kept = {at for at in self.points(run) | self.pins[run] if at < before}
        trees = {self.last_tree(run, at) for at in kept} - {""}
        trees = {tree for tree in trees if self.store.has(tree)}
        self.say(writer, e.CheckpointReleased(before, "ann", tuple(kept), tuple(trees)), trees)
        self.released[run] = (before, kept, {at for at in self.pins[run] if at < before})

    def reached(self) -> tuple[set[str], set[str]]:
        """Return the blobs that must be here, and those that may be."""
        roots, doubtful = set(self.posted), set[str]()
        for run, positions in self.trees.items():
            before, kept, pins = self.released.get(run, (0, set[int](), set[int]()))
            counts = {at for at in self.points(run) | pins if at < before} <= kept
            for position, trees in positions.items():
                if position >= before:
                    roots |= trees
                elif not counts:
                    doubtful |= trees
        return self.below(roots), self.below(doubtful)

    def below(self, roots: set[str]) -> set[str]:
        return {name for root in roots for name in self.contents[root].blobs}


def after_any_history(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory, SqliteStore(Path(directory) / "store") as store:
        place = Path(directory) / "store"
        history = History(place, store)
        for step in steps:
            history.play(step)
        say(history.writers[0], e.TimerFired("t"))
        collected(place)
        must, may = history.reached()
        left = here(place)
        assert must <= left
        assert left <= must | may


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_after_any_history_what_is_reached_is_here_and_the_rest_is_gone(steps: list[Step]):
    after_any_history(steps)


class ForksForgotten(Marking):
    """A release counts, whatever forks and pins need."""

    def _weigh_releases(self) -> None:
        rows = [(run, release.before, 1) for run, release in self._releases.items()]
        self._db.executemany("INSERT OR REPLACE INTO temp.released VALUES (?, ?, ?)", rows)


class PostsForgotten(Marking):
    """Nobody looks into the inbox."""

    def _named_beside(self) -> Iterator[bytes]:
        return iter(())


class RootsOnly(Marking):
    """Trees aren't followed."""

    def _follow(self, root: bytes, *, lenient: bool) -> None:
        del lenient
        self._reach([root])
        self._db.execute("INSERT OR IGNORE INTO temp.followed VALUES (?, 0)", (root,))


class NothingGoes(Marking):
    """Everything counts as reached."""

    def advance(self) -> None:
        super().advance()
        self._db.execute("INSERT OR IGNORE INTO temp.reached SELECT digest FROM blobs")


FOUND: dict[type[Marking], list[Step]] = {
    PostsForgotten: [("post", 0, 1)],
    RootsOnly: [("take", 0, 1)],
    NothingGoes: [("orphan", 0, 1)],
}


@pytest.mark.parametrize("broken", FOUND, ids=lambda broken: broken.__name__)
def test_a_broken_collector_is_caught_by_a_short_history(
    broken: type[Marking], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collecting, "Marking", broken)
    with pytest.raises(AssertionError):
        after_any_history(FOUND[broken])


def test_a_collector_that_forgets_forks_is_caught(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(collecting, "Marking", ForksForgotten)
    with pytest.raises(AssertionError):
        test_a_release_that_misses_a_fork_or_a_pin_does_not_count(place, "fork")


def test_what_an_event_needs_is_told_from_what_it_does_not(place: Path):
    tree, other = Tree(1), Tree(2)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
        assert set(needed(store, taken(tree.name))) == set(tree.blobs)
        with pytest.raises(BlobMissing):
            list(needed(store, taken(other.name)))
