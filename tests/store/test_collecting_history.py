"""After any history of runs, forks, rewinds and releases, a collection takes what nothing reaches, and only that."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.adapters.sqlite import collecting
from perdure.adapters.sqlite.marking import Marking
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.port import Post
from perdure.values.errors import BlobMissing
from tests.conformance.stores import Store, Writer, forked_run, opened_run
from tests.store.trees import Tree, a_release_that_misses_something, collected, here, needed, say, taken

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

    def __init__(self, store: Store, collect: Callable[[], object]) -> None:
        self.store = store
        self.collect = collect
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
                self.collect()
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

    def release(self, writer: Writer, first: int) -> None:
        """Let go what position ``first`` and later ones don't need."""
        run = writer.run
        before = max((at for at, trees in self.trees[run].items() if at <= first and trees), default=0)
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
        history = History(store, lambda: collected(place))
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
        a_release_that_misses_something(place, "fork")


def test_what_an_event_needs_is_told_from_what_it_does_not(place: Path):
    tree, other = Tree(1), Tree(2)
    with SqliteStore(place) as store:
        writer = opened_run(store)
        tree.put(store)
        say(writer, taken(tree.name))
        assert set(needed(store, taken(tree.name))) == set(tree.blobs)
        with pytest.raises(BlobMissing):
            list(needed(store, taken(other.name)))
