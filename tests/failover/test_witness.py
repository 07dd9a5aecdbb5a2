"""The witness outside: told before a claim is committed, asked when the server is another one."""

import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from benchmarks.scale.failing.kept import Scribe
from perdure.adapters.directory import ObjectDirectory
from perdure.adapters.postgres.failover.outside import OutsideWitness
from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.stores.witnessing import open_witness
from perdure.values.errors import BadInput, BlobMissing, OldPrimary, StoreFailed, Suspended, Unwitnessed
from tests.failover.test_copies import restored
from tests.servers.postgres import Server

GONE = "DELETE FROM perdure.claims; DELETE FROM perdure.events WHERE position > 1; UPDATE perdure.runs SET position = 1"
ANOTHER = "UPDATE perdure.seal SET timeline = timeline - 1, stamp = pg_current_xact_id()"
"""The store was driven last on an older timeline than the server's: that was promoted, or restored."""


def seen(place: Path, *, claims_before: bool = True) -> OutsideWitness:
    return OutsideWitness(ObjectDirectory(place), "the list", claims_before=claims_before)


def put_back_to_before(dsn: str) -> None:
    """What a restored backup looks like: the end is gone, and the server is on a timeline of its own."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(GONE.encode())
        db.execute(ANOTHER.encode())


def test_claims_that_only_the_witness_knows_are_put_back_and_work_goes_on(dsn: str, tmp_path: Path):
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        scribe = Scribe(store, "run")
        for _ in range(3):
            scribe.write()
        store.release("run", scribe.epoch)
    put_back_to_before(dsn)
    restart_seen(tmp_path)
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        assert store.suspended() is None
        (failover,) = store.takeovers.failovers()
        assert failover.lossy
        assert "the list" in failover.by
        missed = store.takeovers.missed()
        assert [each.position for each in missed] == [1, 2, 3]
        assert all(each.put_back for each in missed)
        assert [claim.outcome for claim in store.claims(scope="lineage:run")] == [None] * 3


def restart_seen(place: Path) -> None:
    """A restored server was started anew, which the test's was not: nobody has compared this life of it."""
    for life in place.rglob("servers/*"):
        life.unlink()


def test_without_the_witness_no_claim_is_opened_and_everything_else_goes_on(dsn: str, tmp_path: Path):
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        Scribe(store, "run").write()
    with PostgresStore(dsn) as bare:
        scribe = Scribe(bare, "other")
        with pytest.raises(Unwitnessed, match="the list"):
            scribe.write()
        bare.append(scribe.batch(claims=False)).result(30)


class Deaf(ObjectDirectory):
    """A place that takes nothing any more."""

    deaf: bool = False

    def put(self, name: str, content: bytes) -> bool:
        if self.deaf and "/claims/" in name:
            raise StoreFailed("no room")
        return super().put(name, content)


def test_a_claim_that_the_witness_cannot_be_told_of_is_not_committed(dsn: str, tmp_path: Path):
    place = Deaf(tmp_path)
    with PostgresStore(dsn, witness=OutsideWitness(place, "the list")) as store:
        scribe = Scribe(store, "run")
        place.deaf = True
        with pytest.raises(StoreFailed, match="no room"):
            scribe.write()
        assert store.read("run") == []
        place.deaf = False
        scribe.write()
        assert len(store.read("run")) == 1


def test_a_witness_of_heads_alone_explains_and_does_not_decide(dsn: str, tmp_path: Path):
    with PostgresStore(dsn, witness=seen(tmp_path, claims_before=False)) as store:
        scribe = Scribe(store, "run")
        scribe.write()
        scribe.write()
        store.release("run", scribe.epoch)
    put_back_to_before(dsn)
    restart_seen(tmp_path)
    with PostgresStore(dsn, witness=seen(tmp_path, claims_before=False)) as store:
        assert "run run had been acknowledged up to position 2" in (store.suspended() or "")


def test_a_witness_that_forgot_what_is_older_than_a_backup_does_not_decide(dsn: str, tmp_path: Path):
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        scribe = Scribe(store, "run")
        scribe.write()
        store.release("run", scribe.epoch)
    put_back_to_before(dsn)
    restart_seen(tmp_path)
    late = OutsideWitness(ObjectDirectory(tmp_path), "the list", wall=lambda: 2**62)
    with PostgresStore(dsn, witness=late) as store:
        assert store.suspended() is not None
        with pytest.raises(Suspended):
            Scribe(store, "other")


def test_a_witness_that_began_after_a_loss_does_not_decide(dsn: str, tmp_path: Path):
    with PostgresStore(dsn) as store:
        Scribe(store, "run").write()
    put_back_to_before(dsn)
    with PostgresStore(dsn, witness=seen(tmp_path / "earlier")) as store:
        # A first look decides nothing of what was before it began.
        assert store.suspended() is not None


def test_the_witness_knows_an_old_primary_that_no_process_remembers(dsn: str, tmp_path: Path):
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        Scribe(store, "run").write()
    (life,) = tmp_path.rglob("servers/*")
    later = life.with_name(life.name.replace("00000001-", "00000002-"))
    life.rename(later)
    with pytest.raises(OldPrimary, match="timeline 2"):
        PostgresStore(dsn, witness=seen(tmp_path)).suspended()


def test_objects_in_a_directory_are_made_once_whoever_is_first(tmp_path: Path):
    place = ObjectDirectory(tmp_path)
    first: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: first.append(place.put("a/b", b"%d" % n))) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.count(True) == 1
    place.put("a/c", b"content")
    assert place.get("a/c", 2, 3) == b"nte"
    assert names(place.names("a/")) == ["a/b", "a/c"]
    assert names(place.names("a/", "a/b")) == ["a/c"]
    assert names(place.names("a/", "a/c")) == []
    place.delete(["a/b", "a/nothing"])
    with pytest.raises(BlobMissing):
        place.get("a/b")
    with pytest.raises(BadInput):
        place.put("../out", b"")
    place.check()


def names(found: Sequence[tuple[str, int]]) -> list[str]:
    return [name for name, _ in found]


@pytest.mark.parametrize(
    "words", [{}, {"location": "/x", "claims": "after"}, {"location": "/x", "region": "y"}]
)
def test_words_that_mean_no_witness_are_named(words: dict[str, str | int | float | bool]):
    with pytest.raises(BadInput, match=r"\[witness\]"):
        open_witness(words)


def test_a_witness_does_not_decide_for_a_dump_whose_original_may_be_in_use(
    server: Server, dsn: str, tmp_path: Path
):
    with PostgresStore(dsn, witness=seen(tmp_path)) as store:
        Scribe(store, "run").write()
        copy = restored(server, dsn, "seen_dump")
        Scribe(store, "later").write()
    with PostgresStore(copy, witness=seen(tmp_path)) as copied:
        assert "dump" in (copied.suspended() or "")
        assert copied.takeovers.release("ann").put_back == 1
        assert copied.suspended() is None
