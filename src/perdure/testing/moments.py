"""The moments in which a program can die, and the lives it has.

Invariants:
- Every call of the driver through a port passes two moments, one before it and one after; what the
  world applies passes one inside.
- A life that was killed passes no moment any more: whatever is left of it raises ``Killed`` there,
  before it has touched anything.
- ``version`` moves with each change of what survives a death (the store, and whatever a tool may have
  done), so two moments of one version are the same death, but for the time.
"""

from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from typing import Final, Literal, NamedTuple

from perdure.testing.simclock import SimClock, SimLoop

When = Literal["before", "inside", "after"]
Words = Callable[[], str]
"""Told only where somebody reads the trace"""

IDLE: Final = "store.inbox"
"""A driver with nothing to do looks here again and again; only the first look in a row is a moment."""


class Killed(BaseException):
    """The program was killed here, or long ago."""


class Moment(NamedTuple):
    """One place in a history where the program may die."""

    number: int
    life: int
    port: str
    when: When
    words: Words
    at_ns: int
    """since the history began"""
    version: int

    def __str__(self) -> str:
        """Return it as a line."""
        told = self.words()
        seconds = f"{self.at_ns / 1e9:9.3f}s"
        return f"{seconds}  {self.number:4}  life {self.life}  {self.when:6} {self.port} {told}".rstrip()


class Course:
    """All moments of one history, over all of its lives, and when it is to die."""

    def __init__(self, clock: SimClock, kills: Collection[int] = ()) -> None:
        """Die at the moments of these numbers, counted from 0."""
        self.clock: SimClock = clock
        self.kills: frozenset[int] = frozenset(kills)
        self.dooms: list[Callable[[Moment], bool]] = []
        """each kills once: at the first moment of which it is true"""
        self.seen: list[Callable[[Moment], None]] = []
        """told of each moment before it is passed"""
        self.moments: list[Moment] = []
        self.notes: list[tuple[int, str]] = []
        """(number of the moment it was said at, what)"""
        self.deaths: list[Moment] = []
        self.lives: int = 0
        self.version: int = 0
        self._dead: set[str] = set()

    def changed(self) -> None:
        """Say that store or world isn't what it was."""
        self.version += 1

    def note(self, text: str) -> None:
        """Put a line into the trace."""
        self.notes.append((len(self.moments), text))

    def is_doomed(self, here: Moment) -> bool:
        """Tell whether one of ``dooms`` strikes here; it strikes no second time."""
        struck = next((doom for doom in self.dooms if doom(here)), None)
        if struck is not None:
            self.dooms.remove(struck)
        return struck is not None

    def is_dead(self, token: str) -> bool:
        """Tell whether the writer of this token died."""
        return token in self._dead

    def bury(self, tokens: Sequence[str]) -> None:
        """Say that these writers died."""
        self._dead.update(tokens)

    def trace(self) -> str:
        """Return the whole history as text."""
        noted: dict[int, list[str]] = {}
        for number, text in self.notes:
            noted.setdefault(number, []).append(f"{'':11}      -- {text}")
        lines: list[str] = []
        for moment in self.moments:
            lines += noted.pop(moment.number, [])
            lines.append(f"{moment}{'   <== killed here' if moment in self.deaths else ''}")
        lines += (line for rest in noted.values() for line in rest)
        return "\n".join(lines)


class Life:
    """One life of the program: from its start to its end, or to its death."""

    def __init__(self, course: Course) -> None:
        """Begin the next life of ``course``."""
        course.lives += 1
        self.course: Course = course
        self.number: int = course.lives
        self.alive: bool = True
        self.loop: SimLoop = SimLoop(course.clock)
        self.tokens: list[str] = []
        self._idle: bool = False
        self._looked: int = -1
        self.loop.idle = self._sees_nothing_new

    def token(self) -> str:
        """Return a name for a writer of this life."""
        self.tokens.append(f"life-{self.number}-{len(self.tokens) + 1}")
        return self.tokens[-1]

    def moment(self, port: str, when: When, words: Words) -> None:
        """Pass a moment, or die in it: raises ``Killed``."""
        if not self.alive:
            raise Killed
        if port == IDLE and self._idle:
            return
        course = self.course
        self._idle = port == IDLE and when == "after"
        self._looked = course.version if self._idle else -1
        passed = course.clock.passed_ns
        here = Moment(len(course.moments), self.number, port, when, words, passed, course.version)
        course.moments.append(here)
        for told in course.seen:
            told(here)
        if here.number in course.kills or course.is_doomed(here):
            course.deaths.append(here)
            self.die()
            raise Killed

    def _sees_nothing_new(self) -> bool:
        return self._looked == self.course.version

    def die(self) -> None:
        """Stop at once."""
        self.alive = False
        self.course.bury(self.tokens)
        self.loop.halt()

    def end(self) -> None:
        """End in order; what is left over does nothing any more, since the program is gone."""
        self.alive = False
        self.course.bury(self.tokens)


living: ContextVar[Life | None] = ContextVar("living", default=None)
"""The life in which the present code runs; threads of its tools are in it too."""
