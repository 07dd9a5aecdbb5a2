"""A program whose tool writes to PostgreSQL dies at every moment, over a store in one file: every act is done once."""

from collections.abc import Callable, Mapping

import psycopg
import pytest

from perdure import Agent, Context, PostgresDatabase, tool
from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Found, Never
from perdure.testing import ScriptedModel, World, call, crash_everywhere, say
from perdure.testing.disks import SqliteDisk
from perdure.values.digest import Json


class Books(World):
    """A world whose acts are rows in PostgreSQL."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.dsn = dsn
        self.books = Moments(PostgresDatabase(dsn), self)
        with psycopg.connect(dsn) as db:
            db.execute("TRUNCATE acts")
            db.execute("DROP SCHEMA IF EXISTS perdure_tools CASCADE")

    def counts(self) -> Mapping[str, int]:
        with psycopg.connect(self.dsn) as db:
            rows = db.execute("SELECT act, count(*) FROM acts GROUP BY act").fetchall()
        return {str(act): int(count) for act, count in rows}


class Moments:
    """Lets the program die around what is asked of the database."""

    def __init__(self, inner: PostgresDatabase, world: World) -> None:
        self.inner, self.world = inner, world

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        self.world.moment("nothing is begun")
        done = self.inner.perform(key, send, time_limit, body)
        self.world.moment("it is committed, and nobody was told")
        return done

    def resolve(self, key: str, sends: int) -> Found | Never:
        found = self.inner.resolve(key, sends)
        self.world.moment("it was looked at")
        return found


class Forgetful(Moments):
    """The broken build: what it did is committed without a receipt, so looking finds nothing."""

    def resolve(self, key: str, sends: int) -> Found | Never:
        return Never(barred=True)

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        return super().perform(f"{key}/{send}", send, time_limit, body)


def clerk(world: Books) -> Agent:
    @tool(effect="transactional", database=world.books, identity=("act",))
    def book(ctx: Context, act: str) -> str:
        """Book it."""
        ctx.transaction.execute("INSERT INTO acts VALUES (%s)", (act,))
        world.moment(f"{act} is written, not committed")
        return "booked"

    script = [call("book", act="b1"), call("book", act="b2"), say("booked")]
    return Agent(name="clerk", instructions="Book.", tools=[book], model=ScriptedModel(script))


def broken_clerk(world: Books) -> Agent:
    world.books = Forgetful(world.books.inner, world)
    return clerk(world)


def test_a_program_that_dies_anywhere_books_once(dsn: str):
    report = crash_everywhere(
        clerk, "Book it.", make_world=lambda: Books(dsn), make_disk=SqliteDisk, thin=True
    )
    report.check()
    assert report.histories > 15
    assert report.stops == 0


def test_without_receipts_the_same_program_books_twice(dsn: str):
    report = crash_everywhere(broken_clerk, "Book it.", make_world=lambda: Books(dsn))
    assert report.duplicates > 0


@pytest.mark.soak
def test_a_program_that_dies_twice_anywhere_books_once(dsn: str):
    crash_everywhere(clerk, "Book it.", make_world=lambda: Books(dsn), pairs=True, pairs_max=200).check()
