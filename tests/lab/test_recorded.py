"""What befell recorded sessions is found; append-only reproduces what the providers counted."""

import pytest

from benchmarks.context.corpora import TRANSCRIPTS, corpora
from benchmarks.context.figures import replay
from perdure.log.events import Usage
from perdure.page.caching import MINUTE_NS
from perdure.profile.policies import AppendOnly, OneRule
from perdure.profile.route import Route, route
from perdure.profile.settling import SLACK_TOKENS, settled
from perdure.profile.simulate import play
from perdure.profile.trace import Exchange, Segment, Trace
from perdure.profile.witness import witnessed
from tests.lab.stories import CLAUDE, Story


def counted(story: Story, reads: dict[int, int]) -> Route:
    """The story with usage as the rules predict it, but for the readings given by request."""
    path = story.route(CLAUDE)
    served = play(path, AppendOnly(), "none").served
    requests = [
        request._replace(
            usage=Usage(
                request.usage.input_tokens,
                100,
                reads.get(number, served[number].read),
                request.usage.input_tokens - reads.get(number, served[number].read),
            )
        )
        for number, request in enumerate(story.requests)
    ]
    trace = path.trace._replace(requests=tuple(requests))
    return route(trace, lambda _: CLAUDE)


def plain(requests: int = 6) -> Story:
    story = Story()
    for _ in range(requests):
        story.put("user", 3000)
        story.ask()
    return story


def test_what_the_rules_predict_is_no_event():
    found = witnessed(counted(plain(), {}))
    assert found.befallen == ()
    assert (found.read, found.written) == (found.read_replayed, found.written_replayed)


@pytest.mark.parametrize(
    ("number", "read", "why"),
    [(0, 6000, "start"), (3, 6000, "lost"), (3, 0, "lost"), (3, 12_100, "older")],
)
def test_what_befell_the_cache_is_found_and_reproduced(number: int, read: int, why: str):
    found = witnessed(counted(plain(), {number: read}))
    assert [(each.request, each.why) for each in found.befallen] == [(number, why)]
    assert found.read_replayed == pytest.approx(found.read, rel=0.002)
    assert found.read_by_rules != found.read


def test_a_cache_that_others_keep_warm_is_found():
    story = plain(3)
    story.put("user", 3000)
    story.ask(pause=10 * MINUTE_NS)
    assert [each.why for each in witnessed(counted(story, {3: 6000})).befallen] == ["shared"]
    assert [each.why for each in witnessed(counted(story, {3: 15_000})).befallen] == ["warm"]


def test_a_loss_befalls_every_policy():
    story = plain(3)
    page = story.result(9000)
    story.ask()
    story.put("user", 100)
    story.ask()
    story.put("user", 100)
    story.ask()
    path = witnessed(counted(story, {5: 6000})).route
    moved = play(path, OneRule("used", 500), "strict")
    assert page in path.folios
    assert moved.served[5].read <= 6000 < moved.served[4].read


def test_a_client_that_takes_something_out_begins_a_stretch_with_less():
    words = [
        Segment("system", 5000, 0, "s"),
        Segment("user", 100, 300, "u"),
        Segment("thinking", 900, 2700, "t"),
    ]
    words += [Segment("said", 50, 150, "a"), Segment("user", 100, 300, "v")]
    requests = (
        Exchange(1, 0, 2, Usage(5100, 950)),
        Exchange(2, 0, 5, Usage(5250, 10, 5100, 150)),
    )
    found = settled(Trace("x", "claude-code", tuple(words), requests, ()))
    second = found.requests[1]
    stretch = found.segments[second.first : second.last]
    assert second.first != found.requests[0].first
    assert sum(segment.tokens for segment in stretch) == 5250
    assert [segment.tokens for segment in stretch if segment.kind == "thinking"] == [0]


@pytest.fixture(scope="module")
def known():
    if not TRANSCRIPTS.is_dir():
        pytest.skip(f"there are no recorded sessions in {TRANSCRIPTS}")
    return corpora()


def test_append_only_reproduces_what_was_counted_within_three_hundredths(known):
    assert replay(known.sessions).error <= 0.03
    for corpus in {session.corpus for session in known.sessions}:
        assert replay([session for session in known.sessions if session.corpus == corpus]).error <= 0.03


def test_the_rules_alone_predict_nine_requests_of_ten(known):
    found = replay(known.sessions)
    assert found.predicted >= 0.9 * found.requests


def test_every_request_takes_what_was_counted(known):
    for session in known.sessions:
        for leg in session.seen.route.legs:
            held = sum(block.tokens for block in session.seen.route.blocks[leg.first : leg.last])
            assert abs(held - leg.tokens) <= max(2 * SLACK_TOKENS, leg.tokens // 50), session.name


def test_a_replay_with_a_wrong_life_is_caught(known):
    """A broken build: the cache's entries live a minute. Then the rules miss what was read after each pause."""
    wrong = [
        witnessed(
            session.seen.route._replace(
                legs=tuple(
                    leg._replace(terms=leg.terms._replace(ttl=MINUTE_NS, long=False))
                    for leg in session.seen.route.legs
                )
            )
        )
        for session in known.sessions
    ]
    assert sum(each.read_by_rules for each in wrong) < 0.97 * sum(each.read for each in wrong)
