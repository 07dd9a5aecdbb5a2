"""An edit changes what it spans, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values.errors import Broken
from perdure.wire.bodies.splicing import Edit, splice


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, list[Edit]]:
    """Bodies with edits that don't overlap, in any order."""
    body = draw(st.binary(max_size=30))
    places = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pairs = zip(places[::2], places[1::2], strict=False)
    edits = [Edit(start, end, draw(st.binary(max_size=4))) for start, end in pairs]
    return body, edits


@given(edited())
def test_what_no_edit_spans_stands_as_it_stood(drawn: tuple[bytes, list[Edit]]):
    body, edits = drawn
    made, at, rest = splice(body, edits), 0, 0
    for edit in edits:
        kept = body[at : edit.start]
        assert made[rest : rest + len(kept)] == kept
        assert made[rest + len(kept) :].startswith(edit.put)
        at, rest = edit.end, rest + len(kept) + len(edit.put)
    assert made[rest:] == body[at:]


def test_edits_may_come_in_any_order_and_those_at_one_place_stay_in_theirs():
    edits = [Edit(3, 4, b"X"), Edit(0, 1, b""), Edit(2, 2, b"1"), Edit(2, 2, b"2"), Edit(2, 3, b"-")]
    assert splice(b"abcde", edits) == b"b12-Xe"


def test_no_edits_are_the_same_bytes():
    body = b'{"a": 1}'
    assert splice(body, iter(())) is body


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(0, 3, b""), Edit(2, 4, b"")],
        [Edit(0, 3, b""), Edit(1, 1, b"x")],
        [Edit(3, 9, b"")],
        [Edit(-1, 1, b"")],
        [Edit(3, 2, b"")],
    ],
)
def test_edits_that_overlap_or_lie_outside_stop_their_caller(edits: list[Edit]):
    with pytest.raises(Broken):
        splice(b"abcde", edits)
