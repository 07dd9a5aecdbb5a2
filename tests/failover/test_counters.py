"""What was reserved of a shared budget in a lost end is not free again where somebody knows of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.scale.failing.kept import Scribe
from perdure.adapters.postgres.failover import losses
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import CounterMoved, Remembered
from tests.failover.test_witness import put_back_to_before, restart_seen, seen

LIMIT = 100


class Spender(Scribe):
    """A scribe whose claims take of a shared counter."""

    def spend(self, amount: int) -> bool:
        """Tell whether the store let it."""
        batch = self.batch()
        moves = [CounterMoved("invoices", amount, LIMIT), CounterMoved("given", -amount, LIMIT)]
        answer = self.store.append(batch._replace(counters=moves)).result(60)
        if isinstance(answer, Remembered):
            return False
        self.position, self.head = answer.position, batch.events[-1].digest
        return True


def used(store: PostgresStore) -> int:
    return sum(counter.used for counter in store.counters(["invoices"]))


def spent_in_a_lost_end(dsn: str, place: Path) -> int:
    """Spend 40 and 50 in an end that only a witness knows of; return what stands after it was put back."""
    with PostgresStore(dsn, witness=seen(place)) as store:
        spender = Spender(store, "run")
        assert spender.spend(40)
        assert spender.spend(50)
        store.release("run", spender.epoch)
    put_back_to_before(dsn)
    with PostgresStore(dsn) as store, store.borrowed("forgetting") as db:
        db.execute("DELETE FROM counters")
    restart_seen(place)
    with PostgresStore(dsn, witness=seen(place)) as store:
        assert store.suspended() is None
        return used(store)


def test_what_a_lost_end_had_reserved_is_reserved_again(dsn: str, tmp_path: Path):
    assert spent_in_a_lost_end(dsn, tmp_path) == 90
    restart_seen(tmp_path)
    # Whoever compares the same server once more takes nothing more.
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        assert used(store) == 90
        spender = Spender(store, "other")
        assert not spender.spend(11)
        assert spender.spend(10)


def test_a_build_that_puts_claims_back_and_counters_not_is_caught(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    right: Callable[..., bool] = losses.write_lost

    def forgetful(*words: object) -> bool:
        right(*words)
        return False

    monkeypatch.setattr(losses, "write_lost", forgetful)
    assert spent_in_a_lost_end(dsn, tmp_path) == 0
