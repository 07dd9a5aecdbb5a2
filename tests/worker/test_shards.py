"""One worker serves all shards of a store: one that goes away holds up its own runs and no others, and comes back."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import perdure
from perdure.assembly.store import Store
from perdure.driver.books import name_for
from tests.servers.postgres import Server
from tests.worker.kit import Deeds, Living, rested, told, workers


@pytest.fixture
def names(server: Server, tmp_path: Path) -> list[str]:
    """Return the names of two databases."""
    mark = tmp_path.name.replace("-", "_")[-20:].lower()
    names = [f"{shard}_{mark}" for shard in "ab"]
    for name in names:
        server.database(name)
    return names


@pytest.fixture
def team(server: Server, names: list[str], tmp_path: Path) -> Path:
    """Return the file that describes a store of two shards."""
    file = tmp_path / "team.toml"
    shards = zip("ab", names, strict=True)
    file.write_text("".join(f'[shards.{shard}]\npostgres = "{server.dsn(name)}"\n' for shard, name in shards))
    return file


@pytest.fixture
def parted(team: Path) -> Iterator[Store]:
    with perdure.open(team) as opened:
        yield opened


def _reachable(server: Server, name: str, *, on: bool) -> None:
    """The database takes connections, or has none and takes none."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as db:
        db.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {on}".encode())
        if not on:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def _submitted(store: Store, shard: str, what: str) -> str:
    """Return a run of a tenant that lives on ``shard``, given to workers."""
    tenants = (f"t{number}" for number in range(100))
    tenant = next(each for each in tenants if name_for(store.books, what, each).startswith(f"{shard}."))
    task = told(("send", {"what": what, "gate": f"{what}-gate"}))
    return store.submit("doer", task, run=what, tenant=tenant).name


def test_a_shard_that_goes_away_holds_up_its_own_runs_alone_and_its_runs_go_on_when_it_is_back(
    server: Server, names: list[str], team: Path, parted: Store, deeds: Deeds
):
    quick = ("--takeover-seconds", "1.5")
    with workers(1, str(team), deeds.path, *quick) as (one,):
        near, far = (_submitted(parted, shard, what) for shard, what in (("a", "oak"), ("b", "elm")))
        deeds.begun("oak")
        deeds.begun("elm")
        _reachable(server, names[1], on=False)
        one.heard("worker.adrift", base="b")
        deeds.open("oak-gate")
        deeds.open("ash-gate")
        rested(parted, near)
        rested(parted, _submitted(parted, "a", "ash"))
        deeds.open("elm-gate")
        _reachable(server, names[1], on=True)
        state = rested(parted, far, "finished", "waiting")
        assert state.status == "finished" or state.wait == "doubt"
        assert not [said for said in one.said if said["event"] in ("worker.alone", "worker.judged")]
    assert len(deeds.lines("begin", "oak")) == len(deeds.lines("begin", "elm")) == 1


def test_a_worker_starts_while_a_shard_is_away_and_serves_it_when_it_is_back(
    server: Server, names: list[str], team: Path, parted: Store, deeds: Deeds
):
    near, far = (_submitted(parted, shard, what) for shard, what in (("a", "fir"), ("b", "yew")))
    deeds.open("fir-gate")
    deeds.open("yew-gate")
    _reachable(server, names[1], on=False)
    with Living(str(team), deeds.path) as one:
        one.serving()
        rested(parted, near)
        assert not deeds.lines("begin", "yew")
        _reachable(server, names[1], on=True)
        rested(parted, far)
