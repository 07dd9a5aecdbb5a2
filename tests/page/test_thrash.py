"""Three files worked on in turn and seven looked through, for 681 turns: the shape in which paging once thrashed.

The model needs a file each turn. It looks for the newest version that it can see; where all that it sees is a stub it
recalls that version or reads the file again, by turns, and where the file has changed since, it reads it again.
"""

from collections import Counter
from collections.abc import Callable

from perdure.log import events as e
from perdure.page.policy import pins
from perdure.projection.state import State
from tests.page.kit import Result, Talk

CYCLED = ("src/a.py", "src/b.py", "src/c.py")
SCANNED = tuple(f"docs/{number}.md" for number in range(7))
TURNS = 681
TOKENS = 3_000
TARGET = 120_000
CHANGED_EVERY = 75
"""Turns after which a cycled file is edited, so that its next reading is another version."""

Pins = Callable[[State, e.PageFaulted], tuple[e.Body, ...]]


class Work:
    """The files, and which version of each is where."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.newest: dict[str, str] = {}
        self.recalled: set[str] = set()
        """pages whose recalled text is in the window"""
        self.faults: Counter[tuple[str, int]] = Counter()
        """for each version and pin lifetime"""
        self.lifetimes: Counter[str] = Counter()

    def turn(self, number: int) -> None:
        """Work on one file."""
        about = CYCLED[number % 3] if number % 5 else SCANNED[number // 5 % 7]
        name = self.newest.get(about)
        if name is None or number % CHANGED_EVERY < 3:
            self.newest[about] = f"p-{number}"
            self.talk.ask(Result(TOKENS, about=about, tool="Read", name=f"p-{number}"), said=40)
            return
        page = self.talk.page(name)
        if page.shape == "whole" or name in self.recalled:
            self.talk.ask(said=40)
            return
        if number % 2:
            del self.newest[about]
            self.turn(number)
            return
        if page.pinned_until <= self.talk.number:
            self.lifetimes[name] += 1
        self.faults[name, self.lifetimes[name]] += 1
        self.recalled.add(name)
        self.talk.ask(said=40, needs=lambda _: (name,))


def worked(talk: Talk) -> Work:
    """Let all turns go by."""
    work = Work(talk)
    for number in range(TURNS):
        work.turn(number)
    return work


def test_no_version_of_a_page_faults_twice_in_a_pin_lifetime_and_the_window_stays_under_its_target():
    talk = Talk(mode="room", room=TARGET, system=12_000)
    work = worked(talk)
    assert max(work.faults.values(), default=0) <= 1
    assert talk.talk.evicted > 30
    assert max(talk.windows) <= TARGET
    assert talk.whole() > TARGET * 1.5
    assert talk.cost <= talk.alone_cost * 1.02


def test_recalled_text_that_does_not_stay_thrashes_and_is_caught():
    """A broken build: whatever is recalled is gone with the next request, and nothing is pinned."""

    def unpinned(state: State, body: e.PageFaulted) -> tuple[e.Body, ...]:
        return pins(state, body)[:0]

    talk = Talk(mode="room", room=TARGET, system=12_000, pins=unpinned)
    work = Work(talk)
    for number in range(TURNS):
        work.turn(number)
        work.recalled.clear()
    assert sum(work.faults.values()) > 10 * len(CYCLED)
