"""What was seen of a history while it went on: acknowledged events, prompts, and what tools said."""

from collections import Counter
from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

from perdure.contract import Law
from perdure.driver.books import Books, read_law, read_state, text_of
from perdure.driver.port import Deed, Finding, InDoubt, Outcome
from perdure.driver.prompting import Prompter
from perdure.log.envelope import Stored
from perdure.projection.state import State
from perdure.wire.prompt import Answered, Entry, Prompt, Said

WHOLE: Final = 2**31
"""More events than a run of a test has."""

_laws: Final[dict[tuple[str, str], Law]] = {}
"""A law is named by its digests, so it is compiled once for thousands of histories."""


def law_named(store: Books, definition: str, contract: str) -> Law:
    """Return the law of these digests."""
    law = _laws.get((definition, contract))
    if law is None:
        law = _laws[definition, contract] = read_law(store, definition, contract)
    return law


class Witness:
    """Sees a history from the side. Nothing here changes what happens."""

    def __init__(self, store: Books) -> None:
        """Compare with what ``store`` holds, unseen by the lives that use it."""
        self.store: Books = store
        self.acked: dict[tuple[str, int], bytes] = {}
        """(run, position) -> digest of each event that the store acknowledged"""
        self.lost: set[tuple[str, int]] = set()
        """acknowledged events that were gone after a death"""
        self.requests: Counter[str] = Counter()
        """by key"""
        self.doubts: Counter[str] = Counter()
        """requests by key that ended without anybody knowing how"""
        self.blind: Counter[str] = Counter()
        """probes by key that saw nothing"""
        self.exposed: set[str] = set()
        """keys that were promised and not settled when the program died"""
        self.let_go: set[str] = set()
        """keys whose request was ended from outside, so that its sender may still be at work"""
        self.faults: list[str] = []
        """what no history may show"""
        self.prompts: list[tuple[str, Prompt]] = []
        self._last: dict[tuple[str, int], tuple[tuple[Entry, ...], int]] = {}
        """by run and rewinds: the newest prompt, and the position at which it was shown"""

    def acknowledged(self, events: Iterable[Stored]) -> None:
        """Take down what must never be lost."""
        self.acked.update(((stored.run, stored.position), stored.digest) for stored in events)

    def performed(self, deed: Deed, outcome: Outcome) -> None:
        """Take down how a request ended."""
        self.requests[deed.key] += 1
        if isinstance(outcome, InDoubt):
            self.doubts[deed.key] += 1
            self.exposed.add(deed.key)

    def looked(self, deed: Deed, finding: Finding) -> None:
        """Take down what a probe saw."""
        self.blind[deed.key] += finding.verdict == "unknown"

    def missing(self) -> set[tuple[str, int]]:
        """Return where acknowledged events stand no more."""
        there = {
            (stored.run, stored.position): stored.digest
            for row in self.store.rows()
            for stored in self.store.read(row.run, row.forked_at, WHOLE)
        }
        return {place for place, digest in self.acked.items() if there.get(place) != digest}

    def died(self) -> None:
        """Take down what the death has cost, before it is written again, and what it has put in doubt."""
        self.lost |= self.missing()
        for row in self.store.rows():
            if row.position:
                state = read_state(self.store, row.run).state
                self.exposed.update(state.world.open)

    def shown(self, prompt: Prompt, key: str) -> None:
        """Look whether the prompt has all pairs, is the log's, and extends what was shown before."""
        run = key.rsplit("-", 2)[0]
        self.prompts.append((run, prompt))
        self.faults += (f"prompt {key}: {wrong}" for wrong in unpaired(prompt.entries))
        state = read_state(self.store, run).state
        law = law_named(self.store, state.definition, state.contract)
        if Prompter(self.store).prompt(state, law) != prompt:
            self.faults.append(f"prompt {key} is not what the log says")
        self._extends(prompt, key, run, state)

    def _extends(self, prompt: Prompt, key: str, run: str, state: State) -> None:
        path = run, state.world.rewinds
        before, position = self._last.get(path, ((), 0))
        left = self._left(state, position)
        now = prompt.entries[: len(before)]
        for one, other in zip_longest(before, now):
            moved = isinstance(other, Answered) and left.get(other.text) == other.call_id
            if one != other and not (moved and isinstance(one, Answered)):
                self.faults.append(f"prompt {key} changes what was shown before")
                break
        self._last[path] = prompt.entries, state.position

    def _left(self, state: State, position: int) -> dict[str, str]:
        """Return what stands for pages that left after ``position``, with the calls that they answered."""
        return {
            text_of(self.store, page.shown): page.call.rpartition("@")[0]
            for page in state.live.pages.values()
            if page.shown is not None
            and any(move[0] > position and move[1] == "evicted" for move in page.moves)
        }


def unpaired(entries: tuple[Entry, ...]) -> list[str]:
    """Return what is wrong with calls and their answers: each call has exactly one, right behind it."""
    wrong: list[str] = []
    due: list[str] = []
    for entry in entries:
        match entry:
            case Answered(call_id) if due and due[0] == call_id:
                del due[0]
            case Answered(call_id):
                wrong.append(f"an answer to {call_id!r}, which nobody waits for")
            case Said() if due:
                wrong.append(f"calls without an answer: {due}")
                due = []
            case _:
                if due:
                    wrong.append(f"something stands between a call and its answer: {due}")
        if isinstance(entry, Said):
            due = [call.id for call in entry.reply.calls]
    return [*wrong, f"calls without an answer: {due}"] if due else wrong
