"""Kill a program at every moment, and at every pair of moments, and see that nothing is lost or done twice.

    report = crash_everywhere(make_agent, "Pay the March invoices", make_world=World, pairs=True)
    report.check()

Two deaths with nothing between them that survives a death (no write to the store, no change of the
world) are the same death. Single deaths are tried at every moment all the same; of pairs one for each
such class is tried, which covers every pair.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeVar

from perdure.assembly.agents.agent import Agent
from perdure.testing.disks import MakeDisk, MemoryDisk
from perdure.testing.lives import Act, Ending, History, run_until_rest
from perdure.testing.moments import Moment
from perdure.testing.oracle import Calm, Judged, calm_of, judged
from perdure.testing.world import Counted

W = TypeVar("W", bound=Counted)

Play = Callable[[Collection[int]], AbstractContextManager[Ending]]
"""Lives one history that dies at these moments; what it used is let go after the ``with``"""


class Report(NamedTuple):
    """What became of all histories. Of the counts below ``left_out`` only ``stops`` may be other than 0."""

    moments: int
    """moments of the history without deaths"""
    histories: int
    pairs: int
    """histories with two deaths, each standing for all pairs of its class"""
    left_out: int
    """pairs of classes that ``pairs_max`` left out"""
    lost: int
    """acknowledged events that were gone"""
    duplicates: int
    forgotten: int
    needless_stops: int
    faults: int
    """broken chains, replays that differ, unpaired calls, runs that can't go on"""
    stops: int
    """stops that only a person could end"""
    trace: str
    """the first history in which something is wrong, moment by moment; empty if there is none"""

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled, forgotten, stopped without need, or otherwise wrong."""
        return not (self.lost or self.duplicates or self.forgotten or self.needless_stops or self.faults)

    def check(self) -> None:
        """Raise ``AssertionError`` with the first bad history unless all is well."""
        if not self.ok:
            raise AssertionError(f"{self._replace(trace='')}\n{self.trace}")


def crash_everywhere(
    make_agent: Callable[[W], Agent],
    message: str,
    *,
    make_world: Callable[[], W],
    pairs: bool = False,
    pairs_max: int | None = None,
    thin: bool = False,
    then: Sequence[Act] = (),
    make_disk: MakeDisk = MemoryDisk,
) -> Report:
    """Return what becomes of a run of the agent when its program dies wherever it can.

    ``make_world`` makes a world in which nothing was done yet, and ``make_agent`` the agent whose tools
    act upon it: anew for each life. With ``pairs`` every two deaths are tried too, at most
    ``pairs_max`` of them, evenly spread. ``thin`` tries single deaths once per class too, where a
    history is slow. ``then`` is what a person does whenever the run rests.
    """

    @contextmanager
    def play(kills: Collection[int]) -> Generator[Ending]:
        world = make_world()
        history = History(lambda: make_agent(world), world, kills=kills, make_disk=make_disk)
        try:
            yield run_until_rest(history, message, then=then)
        finally:
            history.discard()

    return enumerate_deaths(play, pairs=pairs, pairs_max=pairs_max, thin=thin)


def enumerate_deaths(
    play: Play,
    *,
    pairs: bool = False,
    pairs_max: int | None = None,
    thin: bool = False,
    calm: Calm | None = None,
) -> Report:
    """Play without deaths, then with one at each moment, then with each two, and judge every history.

    What was to be done is what the history without deaths did, unless ``calm`` says so.
    """
    with play(()) as ending:
        tally = _Tally(play, calm or calm_of(ending))
        tally.add(ending)
        moments = tuple(ending.course.moments)
    seconds: list[tuple[int, int]] = []
    representative = set(classes_of(moments))
    for moment in moments:
        if thin and moment.number not in representative:
            continue
        after = tally.try_out((moment.number,))
        if moment.number in representative:
            seconds += ((moment.number, second) for second in classes_of(after[moment.number + 1 :]))
    chosen = list(_spread(seconds, pairs_max)) if pairs else []
    for kills in chosen:
        tally.try_out(kills)
    left_out = len(seconds) - len(chosen) if pairs else 0
    return tally.report(len(moments), len(chosen), left_out)


def classes_of(moments: Sequence[Moment]) -> Iterator[int]:
    """Yield the first moment of each class, and the last if time has passed within it."""
    first: Moment | None = None
    last: Moment | None = None
    for moment in moments:
        if first is None or last is None or (moment.life, moment.version) != (first.life, first.version):
            if first is not None and last is not None and last.at_ns != first.at_ns:
                yield last.number
            yield moment.number
            first = moment
        last = moment
    if first is not None and last is not None and last.at_ns != first.at_ns:
        yield last.number


def _spread(pairs: Sequence[tuple[int, int]], most: int | None) -> Iterator[tuple[int, int]]:
    if most is None or len(pairs) <= most:
        yield from pairs
    else:
        yield from (pairs[number * len(pairs) // most] for number in range(most))


class _Tally:
    """Histories as they are judged."""

    def __init__(self, play: Play, calm: Calm) -> None:
        self._play: Play = play
        self._calm: Calm = calm
        self._judged: list[Judged] = []
        self._trace: str = ""

    def try_out(self, kills: Collection[int]) -> tuple[Moment, ...]:
        """Play a history and judge it; return its moments."""
        with self._play(kills) as ending:
            self.add(ending)
            return tuple(ending.course.moments)

    def add(self, ending: Ending) -> None:
        """Judge a history."""
        verdict = judged(ending, self._calm)
        self._judged.append(verdict)
        if not verdict.ok and not self._trace:
            self._trace = "\n".join((*verdict.lines(), "", ending.course.trace()))

    def report(self, moments: int, pairs: int, left_out: int) -> Report:
        """Return the sums."""
        every = self._judged
        return Report(
            moments=moments,
            histories=len(every),
            pairs=pairs,
            left_out=left_out,
            lost=sum(len(each.lost) for each in every),
            duplicates=sum(len(each.duplicates) for each in every),
            forgotten=sum(len(each.forgotten) for each in every),
            needless_stops=sum(len(each.needless) for each in every),
            faults=sum(len(each.faults) for each in every),
            stops=sum(each.stops for each in every),
            trace=self._trace,
        )
