"""An asynchronous standby that was cut off: a payment is made, its promise is lost, and it must not be made again.

The broken build takes any server for its own.
"""

import asyncio
import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

from benchmarks.scale.failing.twins import DATABASE, Twins, until
from perdure import Agent
from perdure.adapters.directory import ObjectDirectory
from perdure.adapters.holders import this_holder
from perdure.adapters.postgres.failover.losses import accept
from perdure.adapters.postgres.failover.outside import OutsideWitness
from perdure.adapters.postgres.failover.sealing import Facts, Gone, ServerLife, read_seal
from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.clock import SystemClock
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.driver.books import read_state
from perdure.log.port import NewRun
from perdure.projection.state import State
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.kit import mail_of
from perdure.values.errors import OldPrimary, StoreAway, Suspended

_ONLY_NEW: Final = "seen on the new primary alone"


class Clerk:
    """An agent with one payment to make, in a store that may lose its end."""

    def __init__(self, world: World, store: PostgresStore, run: str) -> None:
        """Work on ``run``."""
        self.world: World = world
        self.store: PostgresStore = store
        self.run: str = run
        self.people: People = People(store, SystemClock().now, iter(f"p{n}" for n in range(9**9)).__next__)

    def start(self) -> State:
        """Begin the run and drive it to its rest."""
        house, agent = House(self.store, SystemClock()), self._agent()
        return asyncio.run(house.start(agent, "Go.", run=self.run))

    def resume(self) -> State:
        """Drive it to its rest."""
        house, agent = House(self.store, SystemClock()), self._agent()
        return asyncio.run(house.resume(agent, self.run))

    def settle(self) -> State:
        """A person says of everything that is in doubt that it happened; then the run goes on."""
        for key in list(read_state(self.store, self.run).state.world.open):
            self.people.settle(self.run, key, "succeeded", by="ann", result="it is in the bank's list")
        return self.resume()

    def _agent(self) -> Agent:
        model = ScriptedModel([call("mail", act=self.run), say("paid")])
        return Agent(name="clerk", instructions="Pay.", tools=(mail_of(self.world),), model=model)


class Torn(NamedTuple):
    """What became of payments that an asynchronous standby never heard of."""

    detected: int
    """stores that let no run be driven after the promotion; of two"""
    explained: bool
    """whether the process that lived through it named run, position, tool and key"""
    fired_twice: int
    """payments made twice after a person's answer, or the witness's"""
    fired_twice_blind: int
    """the same in the broken build, which takes any server for its own"""
    old_primary_refused: bool
    """whether a process that has seen the new primary took no answer of the old one, and wrote nothing there"""
    finished: int
    """runs that came to their end; of two"""


def torn(twins: Twins, place: Path) -> Torn:
    """Lose acknowledged payments in a failover, and go on."""
    with World() as world, contextlib.ExitStack() as opened:
        names = ("told", "seen", "blind")
        stores = {name: opened.enter_context(_made(twins, name, place)) for name in names}
        clerks = {name: Clerk(world, store, name) for name, store in stores.items()}
        for store in stores.values():
            store.create(NewRun("before", "before", "default", 1))
        twins.catch_up()
        twins.cut_off()
        for clerk in clerks.values():
            clerk.start()
        twins.fail_over()
        living = clerks["told"]
        detected = _refuses(living)
        why = living.store.suspended() or ""
        explained = all(word in why for word in ("told", "mail", "timeline 2"))
        with _made(twins, "told", place, witnessed=False) as fresh:
            detected += _refuses(Clerk(world, fresh, "told"))
            fresh.takeovers.release("ann", ())
        finished = sum(_ends(clerk) for clerk in (living, clerks["seen"]))
        twice = sum(max(world.counts().get(name, 0) - 1, 0) for name in ("told", "seen"))
        believe(twins.standby.dsn("blind"))
        with _made(twins, "blind", place) as unlooked:
            Clerk(world, unlooked, "blind").start()
        blind = max(world.counts().get("blind", 0) - 1, 0)
        return Torn(detected, explained, twice, blind, comes_back(twins, living.store), finished)


def comes_back(twins: Twins, store: PostgresStore) -> bool:
    """Start the old primary, so that the address leads to it again; tell whether ``store`` stays with the new one.

    A store that has seen neither must be led astray, or this would say nothing.
    """
    twins.primary.start()
    with psycopg.connect(twins.standby.dsn("told"), autocommit=True) as db:
        db.execute("UPDATE perdure.runs SET status = %s", (_ONLY_NEW,))
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    stays = all(_hears_the_new(store) for _ in range(20))
    store.create(NewRun("late", "late", "default", 1))
    with contextlib.closing(PostgresStore(_address(twins, "told"))) as unlearned:
        if _hears_the_new(unlearned):
            raise RuntimeError("the address doesn't lead to the old primary")
        return stays and all(row.run != "late" for row in unlearned.rows())


def _hears_the_new(store: PostgresStore) -> bool:
    """Whether ``store`` answers what the new primary alone holds; nothing is no answer, and is asked again."""
    heard: list[str] = []

    def answered() -> bool:
        with contextlib.suppress(StoreAway, OldPrimary):
            heard.extend(row.status for row in store.rows() if row.run == "before")
        return bool(heard)

    until(answered)
    return heard == [_ONLY_NEW]


def _address(twins: Twins, name: str) -> str:
    """Return the address of a database on whichever of the two can be written."""
    return twins.dsn.replace(f"/{DATABASE}?", f"/{name}?")


@contextlib.contextmanager
def _made(twins: Twins, name: str, place: Path, *, witnessed: bool = True) -> Generator[PostgresStore]:
    dsn = _address(twins, name)
    if twins.primary.running:
        with contextlib.suppress(psycopg.errors.DuplicateDatabase):
            twins.primary.database(name)
    witness = None
    if name == "seen" and witnessed:
        witness = OutsideWitness(ObjectDirectory(place / "witness"), "the directory")
    with contextlib.closing(PostgresStore(dsn, witness=witness)) as store:
        yield store


def _refuses(clerk: Clerk) -> int:
    try:
        clerk.store.acquire("before", this_holder("x"))
    except Suspended:
        return 1
    return 0


def _ends(clerk: Clerk) -> bool:
    """Drive the run anew, as whoever asked for it would, and answer what is asked."""
    state = clerk.start()
    while state.status == "waiting" and state.wait == "doubt":
        state = clerk.settle()
    return state.status == "finished"


def believe(dsn: str) -> None:
    """What a build without any look at servers would have done: nothing was lost, the store goes on."""
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=perdure") as db:
        row = db.execute("SELECT system, now, database FROM standing").fetchone()
        if row is None:
            raise RuntimeError("there is no seal")
        facts = Facts(ServerLife(str(row[0]), int(row[1]), ""), int(row[2]), None)
        accept(db, read_seal(db), facts, Gone(), by="nobody", why="not looked at", lossy=False)
        db.execute("UPDATE store SET suspended = NULL")
