"""What one store with one writer per run would answer, in plain values; what a history is compared with.

``follow`` says what becomes of a world by a call, if the call was answered like that; nothing if no such store
would have answered so. It knows nothing of processes: ``dead`` tells it whose writers may have ended.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar, assert_never

from benchmarks.scale.history.acts import (
    Act,
    Answer,
    At,
    Claims,
    Done,
    Give,
    Granted,
    Look,
    Names,
    Read,
    Refused,
    Remember,
    Row,
    Send,
    Take,
    Waiting,
    Write,
)

FREE = ("failed", "compensated")
GENESIS = bytes(32).hex()

Value = TypeVar("Value")


class RunNow(NamedTuple):
    """A run as it stands."""

    position: int = 0
    head: str = GENESIS
    epoch: int = 0
    token: str | None = None
    waiting: tuple[str, ...] = ()
    posted: frozenset[str] = frozenset()


Held = tuple[str, str, str | None]
"""A claim: key, run, outcome."""


class Possible:
    """One possible store. It never changes once made, and is found among many by its content."""

    __slots__: tuple[str, ...] = ("_hash", "runs", "stems")

    def __init__(self, runs: Mapping[str, RunNow], stems: Mapping[str, tuple[Held, ...]], known: int) -> None:
        """Hold ``runs`` and ``stems``, whose hashes come together in ``known``."""
        self.runs: Mapping[str, RunNow] = runs
        self.stems: Mapping[str, tuple[Held, ...]] = stems
        self._hash: int = known

    def __hash__(self) -> int:
        """Return what equal stores have in common."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Tell whether the other is the same in all that can be asked."""
        return isinstance(other, Possible) and self.runs == other.runs and self.stems == other.stems

    def run(self, name: str) -> RunNow:
        """Return the run as it stands; one that nobody touched is new."""
        return self.runs.get(name, RunNow())

    def with_run(self, name: str, now: RunNow) -> "Possible":
        """Return the store in which that run stands so."""
        return Possible({**self.runs, name: now}, self.stems, self._moved(self.runs, name, now))

    def with_stem(self, name: str, claims: tuple[Held, ...]) -> "Possible":
        """Return the store in which that stem has these claims."""
        return Possible(self.runs, {**self.stems, name: claims}, self._moved(self.stems, name, claims))

    def _moved(self, table: Mapping[str, Value], name: str, new: Value) -> int:
        old = table.get(name)
        return self._hash ^ (0 if old is None else hash((name, old))) ^ hash((name, new))


EMPTY = Possible({}, {}, 0)


def follow(world: Possible, act: Act, answer: Answer | None, dead: Callable[[str], bool]) -> Possible | None:
    """Return the world after ``act``, or None if it can't have been answered so.

    Without an answer: the world if it was carried out, and the same one if it would have changed nothing.
    """
    match act:
        case Take():
            return _taken(world, act, answer, dead)
        case Give():
            run = world.run(act.run)
            if act.epoch != run.epoch or run.token is None:
                return world
            return world.with_run(act.run, run._replace(token=None))
        case Write():
            return _written(world, act, answer)
        case Send():
            return _sent(world, act, answer)
        case Waiting() | Look() | Read() | Remember():
            return world if answer is None or answer == seen(world, act) else None
        case _:
            assert_never(act)


def seen(world: Possible, act: Waiting | Look | Read | Remember) -> Answer:
    """Return what a reader is told."""
    match act:
        case Waiting():
            return Names(world.run(act.run).waiting)
        case Look():
            run = world.run(act.run)
            return Row(run.position, run.head, run.epoch, run.token)
        case Read():
            run = world.run(act.run)
            return At(run.position, run.head)
        case Remember():
            return Claims(world.stems.get(act.stem, ()))
        case _:
            assert_never(act)


def verdict(world: Possible, act: Write) -> str:
    """Return 'written', or why a batch is refused."""
    run = world.run(act.run)
    if run.token is None or run.epoch != act.epoch:
        return "fenced"
    if (run.position, run.head) != (act.expected, act.before):
        return "conflict"
    if any(post not in run.waiting for post in act.consumed):
        return "conflict"
    freed = {end.key for end in act.closed if end.outcome in FREE}
    for claim in act.opened:
        for key, _, outcome in world.stems.get(claim.stem, ()):
            if key == claim.key or (outcome not in FREE and key not in freed):
                return "remembered"
    return "written"


def _taken(world: Possible, act: Take, answer: Answer | None, dead: Callable[[str], bool]) -> Possible | None:
    run = world.run(act.run)
    if isinstance(answer, Refused):
        return world if run.token is not None and not act.take_over else None
    free = act.take_over or run.token is None or dead(run.token)
    if not free:
        return world if answer is None else None
    if isinstance(answer, Granted) and answer.epoch != run.epoch + 1:
        return None
    return world.with_run(act.run, run._replace(epoch=run.epoch + 1, token=act.token))


def _written(world: Possible, act: Write, answer: Answer | None) -> Possible | None:
    said = verdict(world, act)
    if isinstance(answer, Refused):
        return world if said == answer.why else None
    if said != "written":
        return world if answer is None else None
    run = world.run(act.run)
    if isinstance(answer, At) and answer.position != run.position + act.count:
        return None
    waiting = tuple(post for post in run.waiting if post not in act.consumed)
    after = run._replace(position=run.position + act.count, head=act.head, waiting=waiting)
    world = world.with_run(act.run, after)
    for claim in act.opened:
        held: Held = (claim.key, act.run, None)
        world = world.with_stem(claim.stem, (*world.stems.get(claim.stem, ()), held))
    for end in act.closed:
        world = world.with_stem(
            end.stem,
            tuple(
                (key, owner, end.outcome if key == end.key else outcome)
                for key, owner, outcome in world.stems.get(end.stem, ())
            ),
        )
    return world


def _sent(world: Possible, act: Send, answer: Answer | None) -> Possible | None:
    run = world.run(act.run)
    new = act.post not in run.posted
    if isinstance(answer, Done) and answer.new != new:
        return None
    if not new:
        return world
    after = run._replace(waiting=(*run.waiting, act.post), posted=run.posted | {act.post})
    return world.with_run(act.run, after)
