"""Killed at any moment of storing, moving or collecting a large blob: nothing lost, nothing left over."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.objects import open_objects
from perdure.values.errors import BlobMissing
from tests.objects.parts import asked, forms, keep, large, lies_outside, names_in, opened, until
from tests.servers.shared import database_of

KILLED = -9


class Mortal:
    """The process that forks those that die."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.objects.dying"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, **words: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(words), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.communicate()


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    process = Mortal()
    yield process
    process.end()


class Scene:
    """A store with its objects, in which somebody dies."""

    def __init__(self, tmp_path: Path) -> None:
        self.dsn = database_of(tmp_path)
        self.settings: dict[str, object] = {"url": f"file://{tmp_path}/objects"}
        self.objects = open_objects(self.settings)

    def dies(self, mortal: Mortal, deed: str, at: int, seed: int = 0, *, broken: bool = False) -> bool:
        code = mortal.order(
            dsn=self.dsn, url=self.settings["url"], deed=deed, at=at, seed=seed, broken=broken
        )
        assert code in {0, KILLED}
        return code == KILLED

    def rows_without_objects(self) -> int:
        """Return how many blobs are said to lie in the object store and don't."""
        missing = 0
        with opened(self.dsn, self.settings) as store:
            for name, form in forms(self.dsn).items():
                try:
                    store.get(name)
                except BlobMissing:
                    missing += form == 2
        return missing


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_killed_while_a_blob_is_stored(mortal: Mortal, scene: Scene):
    seed = 1
    while scene.dies(mortal, "settle", seed, seed):
        assert scene.rows_without_objects() == 0
        name, content = large(seed)
        with opened(scene.dsn, scene.settings) as store:
            store.put(name, content)
            assert store.get(name) == content
            keep(store, name)
        seed += 1
    assert seed - 1 == 8
    with opened(scene.dsn, scene.settings) as store:
        store.collect(grace_seconds=0)
        names = [large(each)[0] for each in range(1, seed)]
        assert sorted(names_in(scene.objects)) == sorted(names)
        assert [store.get(name) == large(each)[1] for each, name in enumerate(names, 1)] == [True] * len(
            names
        )
    assert asked(scene.dsn, "SELECT * FROM puts") == []


def test_killed_while_a_blob_moves(mortal: Mortal, scene: Scene):
    at = 1
    while True:
        name, content = large(100 + at)
        with opened(scene.dsn, None) as store:
            store.put(name, content)
            keep(store, name)
        if not scene.dies(mortal, "move", at):
            break
        with opened(scene.dsn, None) as store:
            if forms(scene.dsn)[name] == 3:
                assert store.get(name) == content
        with opened(scene.dsn, scene.settings) as store:
            store.flush()
            until("it moves", lambda name=name: lies_outside(scene.dsn, name))
            assert store.get(name) == content
        at += 1
    assert at - 1 == 6
    with opened(scene.dsn, scene.settings) as store:
        store.collect(grace_seconds=0)
    assert asked(scene.dsn, "SELECT * FROM frames") == []
    assert sorted(names_in(scene.objects)) == sorted(large(100 + each)[0] for each in range(1, at + 1))


def test_killed_while_garbage_is_collected(mortal: Mortal, scene: Scene):
    at, kept = 1, large(200)
    with opened(scene.dsn, scene.settings) as store:
        store.put(*kept)
        keep(store, kept[0])
    while True:
        with opened(scene.dsn, scene.settings) as store:
            store.put(*large(200 + at))
            store.put(*large(300 + at))
        if not scene.dies(mortal, "collect", at):
            break
        assert scene.rows_without_objects() == 0
        with opened(scene.dsn, scene.settings) as store:
            assert store.get(kept[0]) == kept[1]
        at += 1
    assert at - 1 >= 8
    assert names_in(scene.objects) == [kept[0]]
    assert list(forms(scene.dsn)) == [kept[0]]


def test_a_row_that_is_written_before_its_object_is_caught(mortal: Mortal, scene: Scene):
    """The same look at a broken build; no chance is in it, the moments are counted."""
    missing = 0
    at = 1
    while scene.dies(mortal, "settle", at, 400 + at, broken=True):
        missing += scene.rows_without_objects()
        at += 1
    assert missing > 0
