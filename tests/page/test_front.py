"""What the ledger expects of a cache is what stands in front as it was sent before, counted by whoever sent it."""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.log import events as e
from perdure.page.front import Front
from perdure.projection.state import Page

STUB = 7
MINUTE = 60_000_000_000


class Part(NamedTuple):
    """A message, and what the model was given behind it without the client's knowledge."""

    name: str
    tokens: int
    page: bool = False
    hidden: int = 0


class Turn(NamedTuple):
    """What the client adds, what leaves, and what the model asks for."""

    added: tuple[tuple[int, bool], ...]
    """tokens of each message, and whether it is a page"""
    previews: bool
    leaves: tuple[int, ...]
    recalled: int
    cut: int
    """messages at the end that the client has written anew"""


class World:
    """A client and a provider that count everything, beside what is expected."""

    def __init__(self) -> None:
        self.front = Front()
        self.parts: list[Part] = []
        self.out: set[str] = set()
        self.sent: list[tuple[str, int]] = []
        self.broken = False
        """whether the client ever rewrote something: where pages lie since then is an estimate"""
        self.number = 0

    def page(self, place: int) -> Page:
        part = self.parts[place]
        before = sum(each.tokens for each in self.parts[:place])
        content = e.Content(part.tokens, "", None)
        return Page(part.name, content, part.tokens, 1, (), shown_tokens=STUB, before=before)

    def prompt(self) -> list[tuple[str, int]]:
        """What goes to the provider."""
        found: list[tuple[str, int]] = []
        for part in self.parts:
            left = part.name in self.out
            found.append((part.name + "-" * left, STUB if left else part.tokens))
            if part.hidden:
                found.append((part.name + "+", part.hidden))
        return found

    def turn(self, turn: Turn, tariff: e.Tariff, idle: int) -> tuple[int, int, bool]:
        """Return what was expected, what stood in truth, and whether that is known exactly."""
        self.number += 1
        known = len(self.parts)
        kept = max(0, known - turn.cut) if self.number > 1 else 0
        broken = kept < known
        self.parts = self.parts[:kept] + [
            part._replace(name=f"{part.name}'", page=False, hidden=0) for part in self.parts[kept:]
        ]
        self.broken = self.broken or broken
        came = range(len(self.parts), len(self.parts) + len(turn.added))
        for place, (tokens, page) in zip(came, turn.added, strict=True):
            self.parts.append(Part(f"m{self.number}.{place}", tokens, page))
        arrived = tuple(
            e.Arrived(each.page, each.content, each.tokens, before=each.before)
            for each in (self.page(place) for place in came if self.parts[place].page)
        )
        names = tuple(part.name for part in self.parts[kept:])
        estimate = sum(part.tokens for part in self.parts)
        self.front.forwarded(
            e.RequestForwarded(
                self.number,
                tokens=estimate,
                kept=kept,
                messages=names,
                arrived=arrived,
                broken="client" * broken,
            ),
            tariff,
            idle,
        )
        exact = not broken
        if turn.previews:
            for each in arrived:
                self.front.admitted(each.page, each.tokens - STUB, in_front=False)
                self.out.add(each.page)
        for place in turn.leaves:
            part = self.parts[place % len(self.parts)]
            if part.page and part.name not in self.out:
                page = self.page(place % len(self.parts))
                self.front.left(page, page.tokens, page.tokens - STUB)
                self.out.add(part.name)
                exact = exact and not self.broken
        prompt = self.prompt()
        stands = 0
        for now, then in zip(prompt, self.sent, strict=False):
            if now != then:
                break
            stands += now[1]
        first = sum(tokens for _, tokens in prompt)
        if turn.recalled:
            self.parts[-1] = self.parts[-1]._replace(hidden=turn.recalled)
        self.sent = self.prompt()
        told = sum(tokens for _, tokens in self.sent)
        calls = 2 if turn.recalled else 1
        usage = e.Usage(input_tokens=first + told if turn.recalled else told)
        expected = self.front.answered(
            e.RequestAnswered(self.number, usage, e.Usage(input_tokens=told), calls)
        )
        return expected, stands + (first if turn.recalled else 0), exact


TURNS = st.builds(
    Turn,
    st.lists(
        st.tuples(st.integers(STUB + 1, 900), st.sampled_from((True, True, False))), min_size=1, max_size=3
    ).map(tuple),
    st.sampled_from((False, False, True)),
    st.lists(st.integers(0, 12), max_size=3).map(tuple),
    st.sampled_from((0, 0, 0, 50)),
    st.sampled_from((0, 0, 0, 0, 0, 0, 1, 3)),
)


@settings(max_examples=300)
@given(st.lists(TURNS, min_size=3, max_size=12))
def test_what_is_expected_is_what_stands(turns: list[Turn]):
    world = World()
    for turn in turns:
        expected, stands, exact = world.turn(turn, e.Tariff(), 1)
        if exact:
            assert expected == stands
        else:
            assert 0 <= expected <= sum(tokens for _, tokens in world.sent) * 2


def turn(tokens: int, *leaves: int, page: bool = False, recalled: int = 0) -> Turn:
    return Turn(((tokens, page),), previews=False, leaves=leaves, recalled=recalled, cut=0)


def test_a_page_that_leaves_ends_it_where_the_page_begins():
    world = World()
    seen = [world.turn(each, e.Tariff(), 1)[0] for each in (turn(100), turn(500, page=True), turn(40))]
    assert seen == [0, 100, 600]
    assert world.turn(turn(30, 1), e.Tariff(), 1)[0] == 100
    assert world.turn(turn(20), e.Tariff(), 1)[0] == 100 + STUB + 40 + 30


def test_a_cache_that_has_grown_cold_gives_nothing_and_one_below_its_minimum_neither():
    tariff = e.Tariff(ttl=5 * MINUTE, minimum=150)
    world = World()
    gaps = (
        (turn(100), MINUTE),
        (turn(100), MINUTE),
        (turn(10), MINUTE),
        (turn(10), 6 * MINUTE),
        (turn(10), 1),
    )
    assert [world.turn(each, tariff, idle)[0] for each, idle in gaps] == [0, 0, 200, 0, 220]


def test_where_the_client_marks_what_the_model_was_given_is_not_in_the_cache():
    marked, longest = e.Tariff(ttl=5 * MINUTE, look_back=20), e.Tariff(ttl=5 * MINUTE)
    for tariff, then in ((marked, 100), (longest, 150)):
        world = World()
        assert world.turn(turn(100, recalled=50), tariff, 1)[0] == 100
        assert world.turn(turn(10), tariff, 1)[0] == then


def test_behind_a_request_that_nobody_counted_nothing_is_known_and_behind_a_refused_one_it_is():
    def forwarded(number: int) -> e.RequestForwarded:
        return e.RequestForwarded(number, tokens=100, kept=number - 1, messages=(f"m{number}",))

    answered = e.RequestAnswered(1, e.Usage(input_tokens=100), e.Usage(input_tokens=100))
    for refused, then in ((False, -1), (True, 100)):
        front = Front()
        front.forwarded(forwarded(1), e.Tariff(), 0)
        assert front.answered(answered) == 0
        front.forwarded(forwarded(2), e.Tariff(), 1)
        if refused:
            front.refused()
        front.forwarded(forwarded(3), e.Tariff(), 1)
        assert front.answered(answered) == then
        front.forwarded(forwarded(4), e.Tariff(), 1)
        assert front.answered(answered) == 100


def test_when_paging_is_switched_off_what_stands_ends_at_the_first_page_that_comes_back():
    world = World()
    for each in (turn(100), turn(500, page=True), turn(40), turn(30, 1)):
        world.turn(each, e.Tariff(), 1)
    world.front.turned()
    world.out.clear()
    assert world.turn(turn(20), e.Tariff(), 1)[:2] == (100, 100)
