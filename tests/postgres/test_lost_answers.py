"""Small changes whose answer is lost are found, not made again: a lease, a post, a run, a lease given back."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended, NewRun
from perdure.values.errors import Busy
from tests.conformance.stores import SECONDS, Writer, holder, opened_run, post
from tests.postgres.severing import Severer, Side
from tests.servers.shared import database_of, server

T = TypeVar("T")

COMMITS = b"COMMIT"


def _nothing() -> None:
    """Nothing happens at the cut."""


class Trial:
    """A store reached by a way that can be severed, another beside it, and a run."""

    def __init__(self, directory: Path, make: type[PostgresStore] = PostgresStore) -> None:
        self.severer = Severer(server().port, COMMITS)
        dsn = database_of(directory)
        way = (
            dsn.replace(f":{server().port}/", f":{self.severer.port}/")
            + "?sslmode=disable&gssencmode=disable"
        )
        self.store = make(way, setup=Setup(pool_max=1))
        self.beside = PostgresStore(dsn, setup=Setup(lock_seconds=0.2, away_seconds=0.2))
        self.first = opened_run(self.beside)
        # From here on the connection is known by what it has said.
        assert self.store.post("march", post("warm-0"))
        self.warm = 0
        self.number = 0

    def close(self) -> None:
        self.store.close()
        self.beside.close()
        self.severer.close()

    def everywhere(self, deed: Callable[[], None], every: int) -> None:
        """Do ``deed`` with the connection lost at each of its messages."""
        for side in ("said", "heard"):
            for number in range(0, self.count(deed)[side], every):
                self.cut(side, number, deed)

    def at_the_commit(self, deed: Callable[[], None], act: Callable[[], None] = _nothing) -> None:
        """Do ``deed`` with its commit lost, and with each of the answers lost from there on, when ``act`` was done."""
        self.cut("said", 0, deed, since=COMMITS)
        for number in range(self.count(deed, since=COMMITS)["heard"]):
            self.cut("heard", number, deed, act, since=COMMITS)

    def cut(
        self,
        side: Side,
        number: int,
        deed: Callable[[], None],
        act: Callable[[], None] = _nothing,
        *,
        since: bytes = b"",
    ) -> None:
        self.renew()
        self.severer.arm(side, number, act, since=since)
        deed()
        assert self.severer.cut.wait(SECONDS)
        self.severer.arm(None)

    def count(self, deed: Callable[[], None], *, since: bytes = b"") -> dict[Side, int]:
        """Return how many messages ``deed`` takes on a connection that is as new as at each cut."""

        def once() -> None:
            self.renew()
            self.severer.arm(None, since=since)
            deed()

        return self.severer.fewest(once)

    def renew(self) -> None:
        """The store has a new connection, which has said the words by which it is known."""
        self.severer.arm("said", 0)
        self.store.rows("march")
        self.severer.arm(None)
        self.warm += 1
        assert self.store.post("march", post(f"warm-{self.warm}"))


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    made = Trial(tmp_path)
    yield made
    made.close()


def test_a_lease_whose_answer_was_lost_is_given_out_once(trial: Trial):
    def take() -> None:
        trial.number += 1
        (before,) = trial.store.rows("march")
        lease = trial.store.acquire("march", holder(f"taker-{trial.number}"), take_over=True)
        (row,) = trial.beside.rows("march")
        assert lease.epoch == before.epoch + 1 == row.epoch
        assert row.holder == holder(f"taker-{trial.number}")
        writer = Writer(trial.beside, "march", lease, row.position, row.head)
        assert writer.append() == Appended(row.position + 1)

    trial.at_the_commit(take)


def test_a_lease_whose_answer_was_lost_while_its_forerunner_ended_is_given_out_once(trial: Trial):
    def end_the_last() -> None:
        # The one that is being overtaken says that it has ended, just after that: what is known of it has changed.
        with suppress(Busy):
            trial.beside.release("march", trial.number)

    trial.number = trial.first.epoch

    def take() -> None:
        lease = trial.store.acquire("march", holder(f"taker-{trial.number}"), take_over=True)
        assert lease.epoch == trial.number + 1 == trial.beside.rows("march")[0].epoch
        trial.number += 1

    trial.at_the_commit(take, end_the_last)


def test_a_lease_that_was_lost_to_another_before_its_answer_came_is_told_as_it_was(trial: Trial):
    def overtake() -> None:
        with suppress(Busy):
            trial.beside.acquire("march", holder(f"other-{trial.number}"), take_over=True)

    given: set[int] = set()

    def take() -> None:
        trial.number += 1
        lease = trial.store.acquire("march", holder(f"taker-{trial.number}"), take_over=True)
        assert lease.epoch not in given
        given.add(lease.epoch)
        (row,) = trial.beside.rows("march")
        epochs = {row.epoch: row.holder}
        with trial.beside.borrowed("looking at earlier writers") as db:
            found = db.execute("SELECT epoch, holder FROM writers").fetchall()
        named = {epoch: f"taker-{trial.number}" in str(who) for epoch, who in found}
        mine = [epoch for epoch, is_mine in named.items() if is_mine]
        mine += [epoch for epoch, who in epochs.items() if who == holder(f"taker-{trial.number}")]
        assert mine == [lease.epoch], "who asks once has one epoch"

    trial.at_the_commit(take, overtake)


def test_posts_runs_and_leases_given_back_are_answered_as_the_first_time(trial: Trial):
    def change() -> None:
        trial.number += 1
        assert trial.store.post("march", post(f"p{trial.number}"))
        assert trial.store.create(NewRun(f"run-{trial.number}", "l", "acme", trial.number, "march", 1))
        assert [each.id for each in trial.beside.inbox("march")].count(f"p{trial.number}") == 1

    trial.first.append()
    trial.everywhere(change, 5)
    assert len(trial.beside.rows()) == trial.number + 1


class _Forgetful(Desk):
    """Makes a change again as if it had never been tried."""

    def do(
        self,
        doing: str,
        verb: Callable[[Database, bool], T],
        *,
        blocked: Callable[[Database], None] | None = None,
    ) -> T:
        return super().do(doing, lambda db, _: verb(db, False), blocked=blocked)


class _ForgetfulStore(PostgresStore):
    DESK: ClassVar[type[Desk]] = _Forgetful


@pytest.mark.parametrize(
    "sentence",
    [
        test_a_lease_whose_answer_was_lost_is_given_out_once,
        test_a_lease_whose_answer_was_lost_while_its_forerunner_ended_is_given_out_once,
        test_posts_runs_and_leases_given_back_are_answered_as_the_first_time,
    ],
)
def test_a_store_that_forgets_what_it_tried_is_caught(tmp_path: Path, sentence: Callable[[Trial], None]):
    trial = Trial(tmp_path, _ForgetfulStore)
    try:
        with pytest.raises(AssertionError):
            sentence(trial)
    finally:
        trial.close()
