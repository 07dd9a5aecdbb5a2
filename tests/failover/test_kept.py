"""With a synchronous standby nothing acknowledged is lost, and nobody has to be asked."""

from pathlib import Path

import msgspec
import psycopg
import pytest

from benchmarks.scale.failing.kept import Scribe, interrupted, kept
from benchmarks.scale.failing.twins import DATABASE, Twins, told, until
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Post
from perdure.values.errors import BadInput, Suspended, Unreplicated


def test_writers_go_on_by_themselves_after_a_synchronous_standby_took_over(tmp_path: Path):
    with Twins(tmp_path) as twins:
        come = kept(twins)
        assert come.acknowledged > come.after > 0
        assert (come.lost, come.duplicates, come.stopped) == (0, 0, 0)
        assert (come.failovers, come.lossy) == (1, 0)


def test_a_commit_is_acknowledged_only_once_its_standby_has_it(tmp_path: Path):
    with Twins(tmp_path) as twins:
        twins.synchronous()
        for how in ("pg_cancel_backend", "pg_terminate_backend"):
            sound = interrupted(twins, how, how)
            assert not sound.early
            assert sound.lost == 0
        broken = interrupted(twins, "believed", "pg_cancel_backend", broken=True)
        assert broken.early
        assert broken.lost == 1


def test_a_synchronous_store_acknowledges_nothing_while_its_server_waits_for_no_standby(tmp_path: Path):
    with (
        Twins(tmp_path) as twins,
        PostgresStore(twins.dsn, setup=Setup(away_seconds=0.2, unsure_seconds=2.0)) as store,
    ):
        with pytest.raises(BadInput, match="wait for no standby"):
            store.takeovers.declare(synchronous=True)
        twins.synchronous()
        store.takeovers.declare(synchronous=True)
        scribe = Scribe(store, "run")
        scribe.write()
        told(twins.primary, "ALTER SYSTEM RESET synchronous_standby_names")
        until(lambda: not waits(store))
        with pytest.raises(Unreplicated):
            store.append(scribe.batch()).result(30)
        with pytest.raises(Unreplicated):
            store.post("run", Post("p", "message.received", msgspec.Raw(b"{}"), 1))
        assert store.inbox("run") == []
        store.takeovers.declare(synchronous=False)
        scribe.write()
        assert scribe.missing(store) == 0
        nobody_saw_it_promoted(twins)


def waits(store: PostgresStore) -> bool:
    with store.borrowed("looking") as db:
        return db.execute("SELECT waits FROM perdure.standing").fetchone() == (True,)


def nobody_saw_it_promoted(twins: Twins) -> None:
    """Who begins after a failover can't vouch for it, even where the store was synchronous."""
    twins.synchronous()
    with PostgresStore(twins.primary.dsn(DATABASE)) as store:
        store.takeovers.declare(synchronous=True)
    twins.fail_over()
    with PostgresStore(twins.dsn) as fresh:
        assert "timeline 2" in (fresh.suspended() or "")
        with pytest.raises(Suspended):
            Scribe(fresh, "other")
        with psycopg.connect(twins.standby.dsn(DATABASE)) as db:
            assert db.execute("SELECT suspended FROM perdure.store").fetchone() == (None,)
