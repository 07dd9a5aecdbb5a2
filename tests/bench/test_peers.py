"""The peers are measured at the durability that we say, in an environment that is theirs alone."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import peer_env, probes
from benchmarks.peers import VARIANTS, measure_peer, meter, syncs_per_turn

EACH = [(peer, variant) for peer, variants in VARIANTS.items() for variant in variants]
COMMITS = {"langgraph_sqlite": 4, "dbos_sqlite": 2, "eventsourcing_sqlite": 2}
# A rollback journal costs four syncs a commit where a write-ahead log costs one.
SYNCS = {("dbos_sqlite", "stock"): 8.0}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own and no package index."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return tmp_path


def pins(directory: Path, text: str) -> Path:
    lock = directory / "requirements.lock"
    lock.write_text(text)
    return lock


def test_another_pin_is_another_environment_and_none_is_in_the_checkout(alone: Path):
    one = peer_env.environment(pins(alone, "dbos==3.4.0\n"))
    two = peer_env.environment(pins(alone, "dbos==3.4.1\n"))
    assert one != two
    assert one.is_relative_to(alone)
    assert not peer_env.environment().is_relative_to(Path(peer_env.__file__).parent.parent)


def test_an_environment_is_made_once(alone: Path):
    lock, said = pins(alone, "# nothing to install\n"), list[str]()
    python = peer_env.peer_python(lock=lock, report=said.append)
    assert python.exists()
    assert len(said) == 3
    assert peer_env.peer_python(lock=lock, report=said.append) == python
    assert len(said) == 3


def test_an_index_out_of_reach_is_told_with_its_cure_and_leaves_nothing_half_made(alone: Path):
    lock = pins(alone, "eventsourcing==9.5.6 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(peer_env.PeersUnavailable, match=r"(?s)eventsourcing==9\.5\.6.*cure: .*PIP_INDEX_URL"):
        peer_env.peer_python(lock=lock, report=list[str]().append)
    assert not peer_env.environment(lock).exists()


def test_two_syncs_take_time_and_leave_no_file(tmp_path: Path):
    assert probes.two_fdatasync_ms(tmp_path, rounds=5) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_machine_is_named_down_to_its_file_system(tmp_path: Path):
    machine = probes.machine(tmp_path)
    assert all(machine.values())
    assert machine["filesystem"] != "unknown"


def test_a_connection_that_does_not_sync_is_not_reported(tmp_path: Path):
    witness = meter.Witness()
    with closing(sqlite3.connect(tmp_path / "a")) as good, closing(sqlite3.connect(tmp_path / "b")) as bad:
        witness.watch(good)
        witness.watch(bad)
        assert witness.in_force()["synchronous"] == meter.FULL
        bad.execute("PRAGMA synchronous=NORMAL")
        with pytest.raises(SystemExit, match="not at equal durability"):
            witness.in_force()


def test_a_commit_counts_where_it_changed_something(tmp_path: Path):
    witness = meter.Witness()
    with closing(sqlite3.connect(tmp_path / "a", isolation_level=None)) as connection:
        witness.watch(connection)
        connection.execute("CREATE TABLE words (word TEXT)")
        for statement in ("SELECT * FROM words", "INSERT INTO words VALUES ('new')", "SELECT * FROM words"):
            connection.execute("BEGIN")
            connection.execute(statement)
            connection.execute("COMMIT")
        assert witness.commits == 1
        witness.stop_counting()
        connection.executescript("BEGIN; INSERT INTO words VALUES ('unseen'); COMMIT")
        assert witness.commits == 1


def test_a_course_ends_at_its_turns_or_its_time_but_never_before_a_first_turn():
    course, late = meter.Course(turns=2, seconds=60), meter.Course(turns=2, seconds=0)
    for taken in range(2):
        assert course.more("run"), taken
        course.turn("run")
    assert not course.more("run")
    course.done("run")
    assert len(course.laps()) == 2
    assert late.more("run")
    late.turn("run")
    assert not late.more("run")


def test_texts_are_new_each_time_and_half_of_the_payload_each():
    texts = meter.Texts(payload_bytes=2048)
    several = {texts.fresh() for _ in range(20)}
    assert len(several) == 20
    assert {len(text) for text in several} == {1024}


@pytest.mark.bench
@pytest.mark.parametrize(("peer", "variant"), EACH)
def test_a_peer_takes_its_turns_with_each_commit_synced(peer: str, variant: str, tmp_path: Path):
    report = measure_peer(peer, runs=2, turns=5, directory=tmp_path, variant=variant)
    assert (report["turns"], report["variant"]) == (5.0, variant)
    assert report["durability"]["synchronous"] == meter.FULL
    assert report["durable_commits_per_turn"] == COMMITS[peer]
    assert report["disk_bytes_per_turn"] >= report["payload_bytes"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bench
@pytest.mark.parametrize(("peer", "variant"), EACH)
def test_the_kernel_sees_the_syncs_that_sqlite_promises(peer: str, variant: str, tmp_path: Path):
    syncs = syncs_per_turn(peer, variant=variant, directory=tmp_path)
    if syncs is None:
        pytest.skip("strace is not installed")
    expected = SYNCS.get((peer, variant), float(COMMITS[peer]))
    # Folding the write-ahead log into the store costs two more, once in a thousand pages.
    assert expected <= syncs < expected + 0.6
