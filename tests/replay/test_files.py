"""Which files belong to a position, and which versions lie on a run's path, on streams written by hand."""

from collections.abc import Sequence

import pytest

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.evolve import fold
from perdure.projection.state import State
from perdure.replay.files import FilesAt, files_at
from perdure.replay.versions import Version, versions

OPENED = e.RunOpened("a", "def", "con", "r", "default", 2, root="/srv/project")


def tree(name: str) -> str:
    return name.encode().hex()


def began(key: str, effect: str = "workspace") -> e.EffectStarted:
    return e.EffectStarted(key, key, "put", effect, key, 1, 1, "args")


def settled(key: str) -> e.EffectSettled:
    return e.EffectSettled(key, "succeeded")


def taken(name: str, image: str = "") -> e.CheckpointTaken:
    return e.CheckpointTaken(tree(name), 1, 1, image=image)


def changed(before: str, after: str, key: str | None = None) -> e.WorkspaceChanged:
    return e.WorkspaceChanged(tree(before), tree(after), (), key)


def stream(*bodies: e.Body) -> list[Event]:
    """Return these events at positions 1, 2, 3 and so on, a microsecond apart."""
    return [Event("r", place, place * 1000, 1, place, body) for place, body in enumerate(bodies, 1)]


def found(events: Sequence[Event], position: int) -> FilesAt:
    """Return the files of a position, as whoever reads that far and looks ahead finds them."""
    state = fold(State(), (each for each in events if each.position <= position))
    return files_at(state, (each for each in events if each.position > position))


DEED = stream(
    OPENED,  # 1
    taken("a"),  # 2
    began("k1"),  # 3
    settled("k1"),  # 4
    e.ModelRequested(2, 1, 3),  # 5
    changed("a", "b", "k1"),  # 6
    taken("b"),  # 7
    began("k2"),  # 8
)


@pytest.mark.parametrize(
    ("position", "name", "recorded", "exact"),
    [
        (1, "a", 2, True),  # nothing was recorded yet; what was first is what stood there
        (2, "a", 2, True),
        (3, "a", 2, True),  # the deed has begun: before it, since it can only be done again from there
        (4, "b", 7, True),  # it is done, and nobody has looked yet
        (5, "b", 7, True),
        (6, "b", 7, True),
        (7, "b", 7, True),
        (8, "b", 7, True),
    ],
)
def test_each_position_has_the_files_that_a_deed_left_or_began_with(
    position: int, name: str, recorded: int, exact: bool
):
    assert found(DEED, position) == FilesAt(tree(name), "", recorded, exact)


def test_where_nobody_looked_after_a_deed_its_files_are_not_exact():
    events = stream(OPENED, taken("a"), began("k1"), settled("k1"), began("k2"))
    assert found(events, 4) == FilesAt(tree("a"), "", 2, exact=False)
    assert found(events, 5) == FilesAt(tree("a"), "", 2, exact=False)
    assert found(events[:4], 4) == FilesAt(tree("a"), "", 2, exact=False)


def test_a_read_ends_nothing_that_was_recorded():
    events = stream(OPENED, taken("a"), began("k1"), settled("k1"), began("k2", "read"), taken("b"))
    assert found(events, 4) == FilesAt(tree("b"), "", 6, exact=True)


def test_what_was_looked_at_and_had_not_changed_counts_with_its_image():
    events = stream(
        OPENED, taken("a", "i"), e.ModelRequested(1, 1, 1), e.CheckpointSkipped(tree("a2"), "L2", "i")
    )
    assert found(events, 3) == FilesAt(tree("a2"), "i", 4, exact=True)


REWOUND = stream(
    OPENED,  # 1
    taken("a"),  # 2
    began("k1"),  # 3
    settled("k1"),  # 4
    changed("a", "b", "k1"),  # 5
    taken("b"),  # 6
    e.RunRewound(2, "Ada", tree=tree("a")),  # 7
    e.CheckpointRestored(tree("a"), "", saved=tree("b2")),  # 8
    began("k2"),  # 9
    settled("k2"),  # 10
    changed("a", "c", "k2"),  # 11
    taken("c"),  # 12
)


@pytest.mark.parametrize(
    ("position", "name", "recorded"),
    [
        (6, "b", 6),
        (7, "a", 7),  # the files are on their way back
        (8, "a", 8),
        (10, "c", 12),
        (12, "c", 12),
    ],
)
def test_after_a_rewind_positions_have_the_files_of_their_path(position: int, name: str, recorded: int):
    assert found(REWOUND, position) == FilesAt(tree(name), "", recorded, exact=True)


def test_what_a_rewind_found_is_what_stood_at_the_end_of_the_path_that_it_left():
    events = stream(
        OPENED,
        taken("a"),
        began("k1"),
        settled("k1"),
        e.RunRewound(2, "Ada", tree=tree("a")),
        e.CheckpointRestored(tree("a"), "", saved=tree("b")),
    )
    assert found(events, 4) == FilesAt(tree("b"), "", 6, exact=True)


def test_a_fork_begins_with_the_files_that_it_was_given():
    events = stream(
        OPENED, taken("a"), e.RunForked("p", 2, "default", 2, root="/b", tree=tree("a"), image="i")
    )
    assert found(events, 3) == FilesAt(tree("a"), "i", 3, exact=True)
    # What the fork records later says nothing of its parent's files.
    later = stream(
        OPENED, taken("a"), began("k1"), settled("k1"), e.RunForked("p", 4, "default", 2), taken("b")
    )
    assert found(later, 4).tree == tree("a")


def test_versions_follow_the_path_and_leave_out_what_was_rewound():
    assert versions(REWOUND[:6]) == (Version(tree("a"), 2), Version(tree("b"), 6, 5, "k1"))
    assert versions(REWOUND) == (
        Version(tree("a"), 2),
        Version(tree("a"), 8),
        Version(tree("c"), 12, 11, "k2"),
    )


def test_a_change_by_several_has_no_key_and_a_recording_without_a_change_is_none():
    events = stream(OPENED, taken("a"), changed("a", "b"), taken("b"), taken("b"))
    assert versions(events) == (Version(tree("a"), 2), Version(tree("b"), 4, 3), Version(tree("b"), 5))


AGAIN = stream(
    *(each.body for each in REWOUND[:8]),
    e.RunRewound(6, "Ada", tree=tree("b")),
    e.CheckpointRestored(tree("b"), "", saved=tree("a")),
)


def test_after_a_rewind_was_rewound_versions_lead_to_the_turns_that_made_them_again():
    assert versions(AGAIN) == (
        Version(tree("a"), 2),
        Version(tree("b"), 6, 5, "k1"),
        Version(tree("b"), 10),
    )


def test_what_was_recorded_only_after_the_position_gone_back_to_is_on_the_path():
    events = stream(
        OPENED,
        taken("a"),
        began("k1"),
        settled("k1"),
        e.ModelRequested(2, 1, 3),  # 5: gone back to, and its files are recorded at 7
        changed("a", "b", "k1"),
        taken("b"),
        changed("b", "c"),
        taken("c"),
        e.RunRewound(5, "Ada", tree=tree("b")),
        e.CheckpointRestored(tree("b"), "", saved=tree("c")),
    )
    assert versions(events)[:-1] == (Version(tree("a"), 2), Version(tree("b"), 7, 6, "k1"))


def test_where_files_stayed_their_versions_do():
    events = stream(OPENED, taken("a"), changed("a", "b", "k1"), taken("b"), e.RunRewound(2, "Ada"))
    assert [each.position for each in versions(events)] == [2, 4]
