"""What a fleet of workers shares through a store: which processes there are, and which runs they are to drive.

Invariants that adapters keep:
- A process is judged silent by the store's clock alone. Once it was judged, it can't renew itself.
- That a process has ended is recorded once, with how it was proved and by whom, and is never taken back.
- A placement says only "look at this run": what is to be done stands in the run's own log.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from perdure.log.port import Holder, Lease


class ProcessBegun(NamedTuple):
    """A process that drives runs, as it enters the registry."""

    host: str
    pid: int
    started: str
    station: str
    """the host's name, for people"""
    address: str
    """where it answers probes; empty if nowhere"""
    version: str
    engine: str
    agents: Mapping[str, str]
    """versions by name"""
    concurrency: int

    @property
    def name(self) -> str:
        """What runs name as their process."""
        return f"{self.host}/{self.pid}/{self.started}"


class ProcessSeen(NamedTuple):
    """A process as the registry has it; ages are by the store's clock."""

    name: str
    host: str
    pid: int
    started: str
    station: str
    address: str
    version: str
    format: int
    engine: str
    agents: Mapping[str, str]
    concurrency: int
    age_seconds: float
    silent_seconds: float
    driving: int
    draining: bool
    lapsed: bool
    ended: bool
    proof: str
    proved_by: str


class Summons(NamedTuple):
    """Somebody should look at a run."""

    run: str
    agent: str
    broken_off: bool = False
    """whether it lost its process: what it had under way comes before what hasn't begun"""


Holding = Literal["nobody", "living", "lapsed", "ended", "stranger"]


class Placed(NamedTuple):
    """A run that workers drive, and what there is to know before one does."""

    run: str
    agent: str
    tenant: str
    root: str
    """the run in whose loop it is driven, if it is a child; else empty"""
    status: str
    position: int
    epoch: int
    process: str
    holding: Holding
    holder: str | None
    """as JSON"""
    wake: int | None
    """when it next wants to be looked at; 0 for at once"""
    later: int
    """not before this"""
    tries: int
    waits: str
    parked: str
    posts: bool
    """whether something waits in its inbox"""
    proved: bool
    """whether a writer's end was proved that no later writer has been told of"""


class Registry(Protocol):
    """The processes that serve a store."""

    def enter(self, process: ProcessBegun) -> None:
        """The process is known, and was seen now."""
        ...

    def renew(self, name: str, *, driving: int, draining: bool) -> bool:
        """The process was seen now; False if it may not go on, since it was judged silent or ended."""
        ...

    def judge(self, by: str, seconds: float) -> Sequence[str]:
        """Processes that weren't seen for ``seconds`` have lapsed; return those that had not before.

        Only who has renewed itself without a gap for as long may judge: else it is the store that was away.
        """
        ...

    def prove(self, name: str, how: str, by: str) -> bool:
        """It is recorded that the process has ended, and how ``by`` knows; False if it was before."""
        ...

    def runs_of(self, name: str) -> Sequence[str]:
        """Return the runs that the process holds, or had held before and may still send something of."""
        ...

    def processes(self, *, ended: bool = False, host: str = "") -> Sequence[ProcessSeen]:
        """Return the processes that have not been proved to have ended, or with ``ended`` all, oldest first.

        Those of ``host`` alone, if one is named.
        """
        ...

    def forget(self, seconds: float) -> int:
        """Processes that ended so long ago are no longer listed, unless a run still names them."""
        ...


class Placements(Protocol):
    """The runs that workers are to drive."""

    def place(self, run: str, agent: str, *, root: str = "") -> bool:
        """Workers drive the run from here on, or ``root`` does in its loop; False if they did already.

        Raises ``UnknownRun``.
        """
        ...

    def call(self, run: str) -> bool:
        """Workers look at the run, or at its root, as soon as they can; False if they don't drive it, or it is parked."""
        ...

    def called(self, agents: Sequence[str], now: int, limit: int, me: str = "") -> Sequence[Summons]:
        """Return runs of ``agents`` that somebody should look at, at most so many.

        Those that process ``me`` holds are among them where the end of an earlier writer was proved since.
        """
        ...

    def look(self, run: str) -> Placed | None:
        """Return how the run stands; None if workers don't drive it."""
        ...

    def among(self, runs: Sequence[str]) -> Sequence[Placed]:
        """Return how those of ``runs`` stand that workers drive."""
        ...

    def begin(self, run: str, *, counts: bool = True, turn: str = "") -> int:
        """A try is counted before it begins; return how many there were without progress, this one included if it counts.

        ``turn`` names it; whatever it is, it is the run's turn from here on.
        """
        ...

    def rest(self, run: str, *, wake: int | None, turn: str = "") -> None:
        """The run rests in order until somebody posts, or ``wake``; its tries are forgotten.

        Nothing changes where another turn than ``turn`` has begun: who says late how a run came to rest knows nothing of
        what was done since.
        """
        ...

    def leave(self, run: str, *, later: int, waits: str) -> None:
        """Nobody looks at the run before ``later``; ``waits`` says why it isn't driven."""
        ...

    def park(self, run: str, why: str) -> None:
        """Nobody drives the run until a person says so; with no reason they do again, and at once."""
        ...

    def stuck(self) -> Sequence[Placed]:
        """Return the runs that are parked, or that the last worker which looked did not drive."""
        ...


@runtime_checkable
class SharedStore(Protocol):
    """A store that a fleet of workers can share."""

    def placements(self) -> Placements:
        """Return what says which runs workers are to drive."""
        ...

    def take_from(self, epoch: int, run: str, holder: Holder) -> Lease:
        """Give ``holder`` the run as ``acquire`` does; the writer of ``epoch``, and no later one, need not be proved dead.

        Who judged a writer silent judged that one. Of those that judged the same, the first fences it; the others find
        a writer that is alive, and raise ``Held``.
        """
        ...

    def silent_writer(self, run: str) -> int | None:
        """Return the epoch under which a process that was judged silent holds the run; None if no such one does."""
        ...
