"""``--store`` takes a database or a file wherever it takes a directory, and no command shows a password."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import perdure
from perdure.adapters.sqlite.store import SqliteStore
from perdure.assembly.stores.addresses import address_of
from perdure.assembly.stores.clusters import steps_of
from perdure.values.errors import BadInput, PerdureError
from tests.cli.inside import Inside
from tests.cli.terminal import CLERKS, Terminal
from tests.conformance.stores import opened_run
from tests.copying.kit import lived
from tests.servers.postgres import programs
from tests.servers.shared import database_of, empty_database

pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL")

PASSWORD = "S3cr3tW0rd"


def secret(dsn: str) -> str:
    """Return the address with a password in it."""
    return dsn.replace("@", f":{PASSWORD}@", 1)


@pytest.fixture
def terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inside:
    """Commands in this process: they take milliseconds."""
    return Inside(tmp_path, capfd, monkeypatch)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Terminal]:
    """Commands as processes, which can be killed."""
    made = Terminal(tmp_path)
    yield made
    made.close()


def test_a_run_lives_in_a_database_and_every_command_finds_it_there(terminal: Inside, tmp_path: Path):
    store = secret(database_of(tmp_path))
    said = [terminal.type("run", f"{CLERKS}:agent", "Pay", "--run", "march", "--store", store)]
    said += [terminal.type("run", f"{CLERKS}:doubtful", "Pay", "--run", "lost", "--store", store)]
    for words in (
        ("ls",),
        ("show", "march"),
        ("show", "lost"),
        ("log", "march"),
        ("verify", "march"),
        ("replay", "march"),
        ("at", "march", "9"),
        ("cost", "march"),
        ("fork", "march", "--at", "5", "--run", "april"),
        ("resume", "april"),
        ("settle", "lost", "x", "--failed"),
        ("message", "lost", "hello"),
        ("store", "stats"),
        ("store", "gc", "--dry-run"),
        ("store", "migrate", "--check"),
        ("store", "budget"),
        ("store", "backup", "there"),
        ("store", "release", "--by", "ada"),
        ("doctor",),
        ("resume", "nobody"),
    ):
        said += [terminal.type(*words, "--store", store), terminal.type(*words, "--store", store, "--json")]
    assert [each.code for each in said[:2]] == [0, 3]
    assert "march" in said[2].out
    assert not [each for each in said if PASSWORD in each.out + each.err]
    assert not [each for each in said if "Traceback" in each.err]
    backup = said[2 + 2 * 16]
    assert "pg_basebackup" in backup.err
    assert "point in time" in backup.err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_what_cannot_be_opened_says_so_without_the_password(terminal: Inside, tmp_path: Path):
    there = secret(database_of(tmp_path))
    wrong = {
        "host=db password=S3cr3tW0rd dbname=x": "P116",
        f"postgresql://ada:{PASSWORD}@127.0.0.1:1/x": "P410",
        there.replace(there.rpartition("/")[2], "nowhere"): "P4",
        secret(empty_database(tmp_path)): "P107",
    }
    for location, code in wrong.items():
        said = terminal.type("ls", "--store", location)
        assert code in said.err
        assert PASSWORD not in said.out + said.err
        with pytest.raises(PerdureError) as refused:
            perdure.open(location, create=False)
        assert PASSWORD not in f"{refused.value}{refused.value.hint}{refused.value.__cause__}"


def test_tables_are_made_after_they_were_shown(terminal: Inside, tmp_path: Path):
    store = empty_database(tmp_path)
    checked = terminal.type("store", "migrate", "--check", "--store", store)
    assert checked.code == 4
    assert "0001_core" in checked.out
    done = terminal.type("store", "migrate", "--store", store)
    assert (done.code, "done" in done.out) == (0, True)
    again = terminal.type("store", "migrate", "--check", "--json", "--store", store)
    assert (again.code, again.json["plan"][""]["left"]) == (0, [])
    with pytest.raises(BadInput, match="is a directory"):
        steps_of(address_of(tmp_path))


def test_shards_are_one_store(terminal: Inside, tmp_path: Path):
    first, second = (secret(database_of(tmp_path / name)) for name in "ab")
    file = tmp_path / "team.toml"
    file.write_text(f'[shards.a]\npostgres = "{first}"\n[shards.b]\npostgres = "{second}"\n')
    said = [
        terminal.type(
            "run",
            f"{CLERKS}:agent",
            "Pay",
            "--run",
            f"r{number}",
            "--tenant",
            f"t{number}",
            "--store",
            "team.toml",
        )
        for number in range(4)
    ]
    assert [each.code for each in said] == [0] * 4
    runs = [row["run"] for row in terminal.type("ls", "--json", "--store", "team.toml").json["runs"]]
    assert {run.partition(".")[0] for run in runs} == {"a", "b"}
    assert sorted(run.partition(".")[2] for run in runs) == ["r0", "r1", "r2", "r3"]
    assert terminal.type("verify", runs[0], "--store", "team.toml").code == 0
    for run in (runs[0], runs[-1]):
        assert (
            terminal.type("show", run.partition(".")[2], "--store", "team.toml", "--json").json["run"] == run
        )
    homes = {run.partition(".")[0]: f"t{run[-1]}" for run in runs}
    for tenant in homes.values():
        words = ("run", f"{CLERKS}:agent", "Pay", "--run", "same", "--tenant", tenant, "--store", "team.toml")
        assert terminal.type(*words).code == 0
    several = terminal.type("show", "same", "--store", "team.toml")
    assert several.code == 2
    assert "a.same" in several.err
    assert "b.same" in several.err
    unknown = terminal.type("show", "nobody", "--store", "team.toml")
    assert unknown.code == 2
    assert "no run 'nobody'" in unknown.err
    runs += ["a.same", "b.same"]
    file.write_text(
        f'[shards.a]\npostgres = "{first}"\n[shards.b]\npostgres = "postgresql://x:{PASSWORD}@127.0.0.1:1/b"\n'
    )
    lame = terminal.type("ls", "--store", "team.toml")
    assert lame.code == 0
    assert "shard b is away" in lame.err
    assert PASSWORD not in lame.err
    assert all((run in lame.out) == run.startswith("a.") for run in runs)
    file.write_text(f'[shards.a]\npostgres = "{first}"\n')
    older = terminal.type("ls", "--store", "team.toml")
    assert "P117" in older.err
    assert "lacks shard b" in older.err


def test_runs_are_copied_there_go_on_and_come_back(terminal: Inside, tmp_path: Path):
    store = database_of(tmp_path)
    terminal.type("run", f"{CLERKS}:agent", "Pay", "--run", "march", "--store", "./state")
    before = terminal.type("log", "march", "--json").out
    trial = terminal.type("store", "copy", "./state", store, "--dry-run", "--json")
    assert trial.json["units"][0]["runs"] == ["march"]
    assert terminal.type("store", "copy", "./state", store).code == 0
    assert terminal.type("log", "march", "--json", "--store", store).out == before
    assert terminal.type("verify", "march", "--store", store).code == 0
    refused = terminal.type("resume", "march")
    assert "P118" in refused.err
    assert "moved" in terminal.type("ls").out
    assert terminal.type("fork", "march", "--at", "5", "--run", "april", "--store", store).code == 0
    assert terminal.type("resume", "april", "--store", store, "--agent", f"{CLERKS}:agent").code == 0
    assert terminal.type("store", "copy", store, "./state").code == 0
    assert terminal.type("verify", "april").code == 0
    assert terminal.type("fork", "march", "--at", "5", "--run", "may").code == 0
    taken = terminal.type("store", "copy", "./state", "./other", "--json")
    assert taken.json["moved"][0]["runs"] == ["march", "april", "may"]
    assert terminal.type("store", "copy", "./state", "./other", "--back").code == 0
    assert "moved" not in terminal.type("ls").out


def test_a_copying_process_that_is_killed_goes_on_where_it_was(
    mortal: Terminal, terminal: Inside, tmp_path: Path
):
    with SqliteStore(tmp_path / "state") as made:
        lived(made)
        for number in range(40):
            writer = opened_run(made, f"r{number}", f"w{number}", f"t{number % 10}")
            writer.append(writer.batch(20))
            made.release(writer.run, writer.epoch)
    store = database_of(tmp_path)
    killed = 0
    with psycopg.connect(store, autocommit=True) as db:
        for due in (1, 20):
            process = mortal.start("store", "copy", "./state", store)
            while process.poll() is None:
                row = db.execute("SELECT count(*) FROM perdure.runs WHERE position > 0").fetchone()
                if row is not None and isinstance(row[0], int) and row[0] >= due:
                    process.send_signal(signal.SIGKILL)
                    break
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
    assert killed
    ended = terminal.type("store", "copy", "./state", store, "--json")
    assert ended.code == 0, ended.err
    rows = {row["run"]: row for row in terminal.type("ls", "--json").json["runs"]}
    there = {row["run"]: row for row in terminal.type("ls", "--json", "--store", store).json["runs"]}
    assert len(there) == 43
    for run, row in there.items():
        assert (row["head"], row["driver"]) == (rows[run]["head"], "nobody")
        assert rows[run]["driver"] == "unknown"
