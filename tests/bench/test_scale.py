"""What compares turns on PostgreSQL notices units that differ and builds that don't wait for the disk."""

import copy
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import perdure
from benchmarks.scale.hands import Looker
from benchmarks.scale.parked import load
from benchmarks.scale.turns import PEERS, Spot, Unequal, comparable, measure, unequal, unsynced_caught
from benchmarks.sections import replaced, section
from tests.servers.postgres import Server

REPORT: dict[str, Any] = {
    "peer": "perdure_postgres",
    "variant": "stock",
    "runs": 32,
    "turns": 1280,
    "replies": 1280,
    "effects": 1280,
    "payload_bytes": 2048,
    "wal_bytes_per_turn": 6717,
    "durability": {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "changed": "",
        "syncs_per_turn": 2.05,
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("bench") / "pg") as one:
        yield one


def but(**changed: Any) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    durability = changed.pop("durability", {})
    report.update(changed)
    report["durability"].update(durability)
    return report


def test_equal_units_at_equal_durability_are_compared():
    assert unequal([REPORT, but(peer="dbos_postgres", wal_bytes_per_turn=4324)]) == []


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (but(effects=1279), "1279 effects in 1280 turns"),
        (but(replies=2560), "2560 replies in 1280 turns"),
        (but(payload_bytes=1024), "payload_bytes differ"),
        (but(runs=1), "runs differ"),
        (but(turns=640, replies=640, effects=640), "turns differ"),
        (but(wal_bytes_per_turn=300), "can't hold a turn's text"),
        (but(durability={"fsync": "off"}), "not at full durability"),
        (but(durability={"synchronous_commit": "local"}), "not at full durability"),
        (but(durability={"changed": "synchronous_commit=off"}), "not at full durability"),
        (but(durability={"syncs_per_turn": 1.0}), "waits for the disk 1.0 times"),
        (but(durability={"syncs_per_turn": 0.0}), "waits for the disk 0.0 times"),
    ],
)
def test_what_is_not_equal_is_refused_with_the_reason(other: dict[str, Any], why: str):
    with pytest.raises(Unequal, match=why):
        comparable([REPORT, other])


def test_a_turn_of_ours_waits_for_the_disk_twice_and_does_what_it_counts(server: Server):
    report = measure(server, Spot("perdure_postgres", "stock", 2, 5), syncs=True)
    assert (report["turns"], report["replies"], report["effects"]) == (10, 10, 10)
    assert 1.5 <= report["durability"]["syncs_per_turn"] < 3
    assert report["wal_bytes_per_turn"] > report["payload_bytes"]
    assert report["client_cpu_ms_per_turn"] > 0
    comparable([report])


def test_a_build_that_does_not_wait_for_the_disk_is_found_out(server: Server):
    assert unsynced_caught(server)


def test_parked_runs_are_rows_that_perdure_lists_and_reads(server: Server, tmp_path: Path):
    dsn = server.database("parked")
    found = load(dsn, tmp_path, 30)
    assert found["parked_runs"] == 30
    assert found["parked_rows"]["placements"] == 31
    with perdure.open(dsn) as store, Looker(dsn) as looker:
        assert len(store.runs()) == 31
        assert looker.rests("parked-7", "waiting")
        assert len(store.books.read("parked-7")) == len(store.books.read("model"))


@pytest.mark.bench
@pytest.mark.parametrize(("peer", "variant"), PEERS)
def test_a_peer_takes_its_turns_on_postgresql_and_waits_for_the_disk(server: Server, peer: str, variant: str):
    assert unequal([measure(server, Spot(peer, variant, 2, 5), syncs=True)]) == []


def test_a_section_is_put_in_the_place_of_its_old_one_and_leaves_the_others():
    page = "# Results\n\n## One\n\nold\n\n## Two\n\nkept\n"
    assert section(page, "## One") == "## One\n\nold\n\n"
    new = replaced(page, "## One", "## One\n\nnew\n")
    assert new == "# Results\n\n## One\n\nnew\n\n## Two\n\nkept\n"
    assert replaced(new, "## Three", "## Three\n\nnew\n") == f"{new}\n## Three\n\nnew\n"
    assert section(new, "## On") == ""
