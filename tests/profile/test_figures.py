"""Figures of a small session, every one of them computed by hand."""

import pytest

from perdure.log.events import Usage
from perdure.page.caching import Rates
from perdure.profile.figures import Breakdown, Share, together
from perdure.profile.measuring import figures
from perdure.profile.trace import Exchange, Kind, Need, Segment, Trace

RATES = Rates(input=10_000_000, output=50_000_000, read=1_000_000, write=12_500_000, write_long=20_000_000)
"""10, 50, 1, 12.5 and 20 dollars for a million tokens: 10, 50, 1, 12.5 and 20 millionths for each."""

SECOND = 1_000_000_000
FIVE = 300 * SECOND


def rates(model: str) -> Rates:
    return RATES if model == "m" else Rates()


def part(kind: Kind, tokens: int, name: str, tool: str = "", call: str = "", path: str = "") -> Segment:
    return Segment(kind, tokens, tokens * 4, name, tool, path, call, path=path)


def request(
    at: int, last: int, read: int, written: int, plain: int, out: int = 0, *, first: int = 0
) -> Exchange:
    usage = Usage(read + written + plain, out, read, written)
    return Exchange(at * SECOND, first, last, usage, written, 0, "m", FIVE)


A = ("Read", "read a", "/a")
SESSION = Trace(
    "s",
    "claude-code",
    (
        part("system", 1_000, "sys"),
        part("user", 100, "u1"),
        part("call", 20, "c1"),
        part("result", 2_000, "r1", *A),
        part("call", 30, "c2"),
        part("result", 500, "r2", tool="Bash", call="ls"),
        part("call", 20, "c3"),
        part("result", 2_000, "r3", *A),
    ),
    (
        request(0, 2, 0, 1_000, 100, 20),
        request(10, 4, 1_000, 2_100, 20, 30),
        request(20, 6, 3_100, 500, 50, 20),
        request(1_000, 8, 0, 5_000, 670, 10),
    ),
    (Need(3, 2, "strict"),),
)
"""The third reply reads /a again; the fourth request comes after a quarter of an hour, and finds the cache cold."""


@pytest.fixture
def found() -> Breakdown:
    return figures(SESSION, rates)


def test_tokens_by_kind(found: Breakdown):
    sent = {kind: share.sent for kind, share in found.kinds.items()}
    assert sent == {
        "system": 4 * 1_000,
        "user": 4 * 100,
        "call": 3 * 20 + 2 * 30 + 20,
        "result": 3 * 2_000 + 2 * 500 + 2_000,
    }
    assert sum(sent.values()) == found.input == 1_100 + 3_120 + 3_650 + 5_670
    assert {tool: share.sent for tool, share in found.tools.items()} == {"Read": 8_000, "Bash": 1_000}


def test_money_by_place(found: Breakdown):
    """Read at 1, written at 12.5, the rest at 10: what stands in front is what was read."""
    assert found.kinds["system"].microusd == 12_500 + 1_000 + 1_000 + 12_500
    assert found.kinds["user"].microusd == 1_000 + 1_250 + 100 + 1_250
    # the first result: 1,980 written and 20 plain; 1,980 read and 20 written; all written. The last: 1,330 and 670
    first = (1_980 * 12.5 + 20 * 10) + (1_980 + 20 * 12.5) + 2_000 * 12.5
    assert found.tools["Read"].microusd == first + (1_330 * 12.5 + 670 * 10)
    total = sum(share.microusd for share in found.kinds.values())
    plain = 100 * 10 + 20 * 10 + 50 * 10 + 670 * 10
    assert total == plain + (1_000 + 2_100 + 500 + 5_000) * 12.5 + 4_100
    assert found.output_microusd == 80 * 50


def test_stale_by_three_definitions(found: Breakdown):
    # r1 is needed by the third reply, so only its fourth sending was for nothing; r2 is never needed after the third
    assert found.stale["unneeded"].sent == 2_000 + 500
    # r3 is newer than r1 from the fourth request on
    assert found.stale["superseded"].sent == 2_000
    assert found.stale["old"] == Share()


def test_old_counts_the_turns_of_the_person():
    turns = [part("user", 10, f"u{number}") for number in range(7)]
    segments = (turns[0], part("result", 1_000, "r", tool="Bash"), part("result", 100, "short"), *turns[1:])
    asks = tuple(request(number, 3 + number, 0, 0, 1_110 + 10 * number) for number in range(7))
    found = figures(Trace("s", "codex", segments, asks, ()), rates)
    # it came with the first request; the turns after are in the second to seventh: from the sixth on it is old
    assert found.stale["old"].sent == 2 * 1_000


def test_files_read_again(found: Breakdown):
    assert (found.rereads.reads, found.rereads.again, found.rereads.same) == (2, 1, 0)
    assert found.rereads.tokens == 2_000
    assert found.needed == {"strict": 1, "any": 1}


def test_cold_windows(found: Breakdown):
    (cold,) = found.cold.values()
    assert list(found.cold) == ["idle"]
    # of the 3,650 tokens of the request before nothing was read
    assert (cold.count, cold.tokens, cold.microusd) == (1, 3_650, round(3_650 * 11.5))
    assert found.cached == pytest.approx(4_100 / 13_540)
    assert found.curve[3].cold
    assert not found.curve[2].cold


def test_a_cache_that_was_lost_in_time_is_not_called_idle():
    quick = SESSION._replace(requests=(*SESSION.requests[:3], SESSION.requests[3]._replace(at=30 * SECOND)))
    assert list(figures(quick, rates).cold) == ["lost"]


def test_duplicates_are_words_that_stood_there_already():
    again = SESSION._replace(segments=(*SESSION.segments[:7], SESSION.segments[3]))
    assert figures(again, rates).duplicates.sent == 2_000
    assert figures(SESSION, rates).duplicates == Share()


def test_what_is_copied_into_a_new_stretch_is_fresh_once():
    segments = (*SESSION.segments, *SESSION.segments[:4])
    later = request(1_010, 12, 3_000, 0, 120, first=8)
    found = figures(SESSION._replace(segments=segments, requests=(*SESSION.requests, later)), rates)
    assert found.kinds["system"].fresh == 1_000
    assert found.kinds["system"].sent == 5_000
    assert found.tools["Read"].count == 2


def test_money_is_what_was_recorded_where_it_was():
    """A book with steps in its prices makes a request dearer than its rates: the shares follow."""
    paid = tuple(each._replace(usage=Usage(*_counts(each.usage), 100_000)) for each in SESSION.requests)
    found = figures(SESSION._replace(requests=paid), rates)
    total = sum(share.microusd for share in found.kinds.values()) + found.output_microusd
    assert total == pytest.approx(400_000, abs=len(found.kinds))


def _counts(usage: Usage) -> tuple[int, int, int, int]:
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens


def test_an_unknown_model_costs_nothing_and_is_counted():
    free = SESSION._replace(requests=tuple(each._replace(model="x") for each in SESSION.requests))
    found = figures(free, rates)
    assert (found.unpriced, found.microusd, found.output_microusd) == (4, 0, 0)
    assert found.input == 13_540


def test_two_sessions_are_the_sum_of_both(found: Breakdown):
    both = together("both", (found, found))
    assert (both.sessions, both.requests, both.input, both.peak) == (2, 8, 2 * found.input, found.peak)
    assert both.kinds["result"].sent == 2 * found.kinds["result"].sent
    assert both.cold["idle"].tokens == 2 * 3_650
    assert both.needed == {"strict": 2, "any": 2}
    assert together("none", ()).requests == 0


def test_a_long_session_keeps_a_short_curve_with_its_peak_and_its_marks():
    asks = tuple(request(number, 1, 0, 0, 1_000) for number in range(1_000))
    found = figures(Trace("s", "codex", (part("user", 1_000, "u"),), asks, (), (), (777,)), rates)
    assert len(found.curve) <= 160
    assert any(point.compacted for point in found.curve)
