"""Garbage goes, and nothing that anybody can still reach goes with it."""

from pathlib import Path

import msgspec
import pytest

from perdure.adapters.sqlite.store import SqliteStore
from perdure.log import events as e
from perdure.log.naming import TREE_FIELDS
from perdure.log.port import ClaimClosed, Post
from tests.conformance.stores import blob, claim, forked_run, opened_run
from tests.store.trees import (
    LARGE,
    Tree,
    a_release_that_misses_something,
    collected,
    files,
    five_checkpoints,
    here,
    let_go,
    must_be_whole,
    say,
    taken,
)


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


def test_every_field_that_names_a_tree_is_known_as_one():
    words = {"tree", "image", "before", "after", "saved"}
    due = {
        body: tuple(
            field.name for field in msgspec.structs.fields(body) if field.name in words and field.type is str
        )
        for body in e.KINDS.values()
    }
    assert {body: fields for body, fields in due.items() if fields} == TREE_FIELDS


# -- what is let go --------------------------------------------------------------------------------------


def test_files_that_were_let_go_go_but_for_what_is_kept_or_came_later(place: Path):
    with SqliteStore(place) as store:
        writer, trees = five_checkpoints(store)
        let_go(writer, 4, (2, trees[1]))
        collected(place)
        assert here(place) == {*trees[1].blobs, *trees[3].blobs, *trees[4].blobs}
        assert collected(place).taken.blobs == 0


@pytest.mark.parametrize("needs", ["fork", "fork of a fork", "pin"])
def test_a_release_that_misses_a_fork_or_a_pin_does_not_count(place: Path, needs: str):
    a_release_that_misses_something(place, needs)


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
