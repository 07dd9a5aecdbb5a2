"""Child runs: driven in the loop of their parent, each a run of its own."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from perdure.assembly.agents.agent import Agent
from perdure.driver.books import Books, text_of, within
from perdure.driver.port import ChildEnd, Progress
from perdure.log.placing import SharedStore
from perdure.log.port import Holder, Lease
from perdure.projection.state import State
from perdure.values.errors import Broken, Held


class Watcher(NamedTuple):
    """Who is told of a run while it is driven."""

    progress: Progress | None = None
    on_text: Callable[[str], None] | None = None
    held: Callable[[str], None] | None = None
    """called with a child, at any depth, that was not driven because somebody else held it"""


NOBODY = Watcher()


class Going(NamedTuple):
    """How a run is taken up and driven."""

    watcher: Watcher = NOBODY
    begun: Callable[[], None] | None = None
    """called once the writer is there"""
    take_over: bool = False
    """fence off a writer that can't be proved dead"""
    judged: int | None = None
    """the epoch whose writer was judged: that one may be fenced off, and no later one"""
    parks: bool = False
    """rest also where only a time to come is waited for"""
    pins: bool = False
    """the run keeps the version of its agent that it has"""

    def again(self) -> "Going":
        """Return how it goes on with a run that it has driven just now."""
        return self._replace(begun=None, take_over=False, judged=None)


def taken(store: Books, run: str, holder: Holder, going: Going) -> Lease:
    """Return the lease under which a run goes on. Raises as ``acquire`` does.

    A writer whose process workers have judged silent need not be proved dead: a child's no more than its parent's.
    """
    part = within(store, run)
    if going.judged is None:
        try:
            return store.acquire(run, holder, take_over=going.take_over)
        except Held:
            silent = part.silent_writer(run) if isinstance(part, SharedStore) else None
            if not isinstance(part, SharedStore) or silent is None:
                raise
            return part.take_from(silent, run, holder)
    if not isinstance(part, SharedStore):
        raise Broken(f"{run}: somebody was judged in a store that workers can't share")
    return part.take_from(going.judged, run, holder)


class Driving(Protocol):
    """What a parent needs of its house."""

    @property
    def store(self) -> Books:
        """Where runs are kept."""
        ...

    def share(self, child: str, parent: str) -> None:
        """The child may work in its parent's directory."""
        ...

    async def resume(self, agent: Agent, run: str, *, watcher: Watcher) -> State:
        """Go on with a run."""
        ...

    async def start(
        self, agent: Agent, message: str, *, run: str, tenant: str, parent: str, depth: int, watcher: Watcher
    ) -> State:
        """Begin a run."""
        ...


class Family:
    """Child runs, driven in the loop of their parent."""

    def __init__(self, house: Driving, agent: Agent, watcher: Watcher) -> None:
        """Drive children of ``agent`` in ``house``."""
        self._house: Driving = house
        self._agent: Agent = agent
        self._watcher: Watcher = watcher

    async def run(self, *, child: str, parent: str, tool: str, task: str, depth: int) -> ChildEnd:
        """Start the child or go on with it; say how it ended or that it waits."""
        house, agent = self._house, self._agent.children[tool]
        rows = house.store.rows(child)
        told = self._watcher._replace(on_text=None)
        house.share(child, parent)
        try:
            if rows and rows[0].position:
                state = await house.resume(agent, child, watcher=told)
            else:
                tenant = house.store.rows(parent)[0].tenant
                state = await house.start(
                    agent,
                    task,
                    run=child,
                    tenant=tenant,
                    parent=parent,
                    depth=depth,
                    watcher=told,
                )
        except Held as held:
            if self._watcher.held is not None:
                self._watcher.held(child)
            return ChildEnd("waiting", why=str(held))
        if not state.closed:
            return ChildEnd("waiting", why=state.wait_text or "it waits")
        return ChildEnd(state.status, text_of(house.store, state.answer), state.why)
