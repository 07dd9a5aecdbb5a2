"""A real cache of keys and values: what the local model's server gives is what the ledger expects.

A request is given what stands in front as it was sent before, to the token, and at most the tokens of the reply before
it but the last, which the server has as well: it wrote them. So no tolerance is needed there. Where a page leaves, the ledger
puts its beginning between two counts of the server, and is short of it by no more than the reply that called for it: of
that it sees the arguments, and not what the template writes around them.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.context.local import FOX, LIBRARY, Played, observed, roomy, serving, uncached
from perdure.adapters.models.local import local_weights
from perdure.log import events as e
from perdure.page.ledger import Billed
from perdure.values.errors import BadInput
from tests.gateway.running import told
from tests.gateway.talking import bodies, checked_runs

pytestmark = [pytest.mark.local_model, pytest.mark.timeout(400)]

FRAME_TOKENS = 8
"""What the template puts between a reply and the result behind it."""


@pytest.fixture(scope="module")
def upstream() -> Generator[str]:
    try:
        local_weights()
    except BadInput as absent:
        pytest.skip(f"{absent}: {absent.hint}")
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def watched(upstream: str, place: Path) -> Played:
    return observed(upstream, place)


@pytest.fixture(scope="module")
def kept_small(upstream: str, place: Path) -> Played:
    return roomy(upstream, place)


def unexpected(played: Played) -> list[Billed]:
    """Return the requests that were given other than expected, but for those with a move and unknown ones.

    The first finds what other conversations left in the cache: they begin alike.
    """
    found: list[Billed] = []
    reply = 0
    for row, answer in zip(played.book.rows, played.answers, strict=True):
        more = row.read_tokens - row.expected_tokens
        known = row.number > 1 and row.expected_tokens >= 0 and not row.evicted
        # Within one exchange each reply was sent again behind what it answered, as the server has it.
        inside = row.output_tokens - answer.output_tokens
        if known and not 0 <= more <= max(reply - 1, 0) + inside:
            found.append(row)
        reply = answer.output_tokens
    return found


def test_what_the_server_gives_is_what_the_ledger_expects(watched: Played):
    assert unexpected(watched) == []
    rows = watched.book.rows
    assert [row.status for row in rows] == ["answered"] * 4
    assert [row.expected_tokens for row in rows] == [0, *(row.window_tokens for row in rows[:-1])]
    assert [row.read_tokens for row in rows] == [answer.cached_tokens for answer in watched.answers]
    shown = told("cost", watched.run, store=watched.store)["requests"]
    assert isinstance(shown, list)
    assert [(each["expected_tokens"], each["read_tokens"]) for each in shown] == [
        (row.expected_tokens, row.read_tokens) for row in rows
    ]


def test_a_ledger_that_is_wrong_by_a_call_is_seen(watched: Played):
    rows = tuple(row._replace(expected_tokens=row.expected_tokens + 40) for row in watched.book.rows)
    assert unexpected(watched._replace(book=watched.book._replace(rows=rows))) != []
    rows = tuple(row._replace(expected_tokens=row.expected_tokens - 40) for row in watched.book.rows)
    assert unexpected(watched._replace(book=watched.book._replace(rows=rows))) != []


def test_where_the_server_caches_the_mode_for_those_that_do_not_moves_nothing(upstream: str, place: Path):
    played = uncached(upstream, place)
    assert unexpected(played) == []
    assert played.book.moves == ()
    assert min(answer.cached_tokens for answer in played.answers[1:]) > 400


def test_a_move_breaks_the_prefix_where_the_ledger_says(kept_small: Played):
    (moved,) = [row for row in kept_small.book.rows if row.evicted]
    assert moved.broken_by == "perdure"
    assert moved.evicted == 2
    before, first, call = (
        kept_small.book.rows[moved.number - 2],
        kept_small.book.rows[0],
        kept_small.answers[0],
    )
    assert moved.read_tokens < before.window_tokens // 2
    # The foremost page that left came with the second request, behind the reply to the first.
    begins = first.window_tokens + call.output_tokens
    assert begins <= moved.read_tokens <= begins + FRAME_TOKENS
    assert 0 <= moved.read_tokens - moved.expected_tokens <= call.output_tokens + FRAME_TOKENS
    assert unexpected(kept_small) == []


def test_after_a_kill_the_same_bytes_go_on_so_that_the_server_still_has_them(kept_small: Played):
    last, behind = kept_small.answers[7], kept_small.answers[8]
    assert behind.cached_tokens >= last.input_tokens
    assert {row.number for row in kept_small.book.rows if row.expected_tokens < 0} <= {8, 9}


def test_the_model_asks_for_a_page_and_gets_it_byte_for_byte(kept_small: Played):
    (events,) = checked_runs(kept_small.store).values()
    (fault,) = bodies(events, e.PageFaulted)
    assert (fault.page, fault.size) == (kept_small.first_moved, len(LIBRARY[FOX]))
    (asked,) = [row for row in kept_small.book.rows if row.faults]
    assert asked.calls == 2
    assert len(bodies(events, e.RecallHidden)) == 1
    answer = kept_small.answers[asked.number - 1]
    assert answer.calls == ()
    # What it got stands in the window from then on, and in the server's cache.
    following = kept_small.book.rows[asked.number]
    assert following.read_tokens >= following.expected_tokens == answer.input_tokens
