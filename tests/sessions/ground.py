"""What the tests of sessions share: a shop whose acts count, and a session around it."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import open_store
from perdure.contract import Contract
from perdure.driver.port import Deed, Done, Finding, InDoubt, Outcome, Undone
from perdure.intention.declaration import Declaration

T = TypeVar("T")

PAY = Declaration(
    "bank__pay", effect="once", identity=("invoice",), volatile=("reference",), on_divergence="ask"
)
SEND = Declaration("bank__send", effect="once", on_divergence="ask")
LOOK = Declaration("bank__look", effect="read")
SHELL = Declaration("client__bash", builtin="client")


class Bank:
    """Does deeds and counts them; what it is told to do otherwise, by tool, it does."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.done: list[tuple[str, str]] = []
        self.otherwise: dict[str, Outcome] = {}
        self.holds: dict[str, asyncio.Event] = {}
        self.begun: asyncio.Event = asyncio.Event()

    async def perform(self, deed: Deed) -> Outcome:
        """Count it."""
        self.begun.set()
        if deed.tool in self.holds:
            await self.holds[deed.tool].wait()
        outcome = self.otherwise.get(deed.tool)
        if not isinstance(outcome, Undone):
            self.done.append((deed.tool, msgspec.json.encode(deed.arguments).decode()))
        return outcome or Done(msgspec.json.encode({"receipt": len(self.done)}).decode())

    async def look(self, deed: Deed) -> Finding:
        """Nothing can be seen."""
        return Finding("unknown")

    async def poll(self, deed: Deed) -> Outcome:
        """Nothing is pending here."""
        return InDoubt(f"{deed.tool} is not pending", ended=True)


def of(tool: str, bank: Bank) -> int:
    """Return how often ``tool`` was done."""
    return sum(1 for name, _ in bank.done if name == tool)


@asynccontextmanager
async def session(
    place: Path, bank: Bank, *, contract: Contract | None = None, root: Path | None = None, run: str = "one"
) -> AsyncGenerator[Session]:
    """Yield a session of ``run`` in the store at ``place``."""
    store = await asyncio.to_thread(open_store, place)
    try:
        foreign = Foreign("wrap:test", (PAY, SEND, LOOK, SHELL), contract or Contract(), root)
        opened = await Session.open(store, run, foreign, bank)
        try:
            yield opened
        finally:
            await opened.close()
    finally:
        await asyncio.to_thread(store.close)


def played(story: Coroutine[object, object, T]) -> T:
    """Run ``story`` to its end, within a bound that no healthy one meets."""

    async def bounded() -> T:
        return await asyncio.wait_for(story, 60)

    return asyncio.run(bounded())


def sound(place: Path, run: str = "one") -> None:
    """The run verifies, and is decided again just so."""
    with open_store(place) as store:
        assert store.inspector.verify(run).ok
        assert store.inspector.replay(run).difference is None
