"""What a real worker shows to Prometheus, to probes, and to whoever reads its log."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import perdure
from perdure.assembly.foreign.hushing import hush_of
from perdure.assembly.store import Store
from perdure.assembly.stores.addresses import address_of
from perdure.assembly.stores.fleet import bases_of
from perdure.values.errors import PerdureError
from perdure.worker.telling import EVENTS, WARNINGS, Teller
from tests.worker.kit import ROOT, Deeds, Living, rested, told, until, workers

LABELS = {"shard", "end", "reason", "effect", "outcome", "kind", "code", "le", "status", "state"}
"""By these figures are parted, and by nothing that grows with the work."""


def answered(worker: Living, path: str) -> tuple[int, str]:
    address = worker.heard("worker.serving")["probes"]
    try:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=20) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def families(worker: Living) -> dict[str, Metric]:
    code, text = answered(worker, "metrics")
    assert code == 200
    return {each.name: each for each in text_string_to_metric_families(text)}


def figure(worker: Living, family: str, **labels: str) -> float:
    """The sum of the figures of ``family`` with these labels."""
    found = families(worker).get(family)
    return sum(
        sample.value
        for sample in (found.samples if found is not None else ())
        if sample.name in (family, f"{family}_total") and labels.items() <= sample.labels.items()
    )


@pytest.fixture
def lone(dsn: str, store: Store, deeds: Deeds) -> Iterator[Living]:
    assert store
    with workers(1, dsn, deeds.path, "--listen", "127.0.0.1:0") as (worker,):
        yield worker


def test_figures_count_what_was_done_and_name_no_run(lone: Living, store: Store):
    store.submit("doer", told(("send", {"what": "ink"}), ("order", {"what": "tea"})), run="counted")
    store.submit("doer", told(("ask_person", {"question": "how many?"})), run="asks")
    rested(store, "counted")
    rested(store, "asks", "waiting")
    until(lambda: figure(lone, "perdure_runs", status="waiting") == 1, "the database was counted")
    found = families(lone)
    assert figure(lone, "perdure_turns") == 4
    assert figure(lone, "perdure_effects", effect="once", outcome="succeeded") == 1
    assert figure(lone, "perdure_effects", effect="probeable", outcome="succeeded") == 1
    assert figure(lone, "perdure_worker_rests", reason="person") == 1
    assert figure(lone, "perdure_processes", state="serves") == 1
    assert figure(lone, "perdure_store_suspended") == 0
    assert figure(lone, "perdure_store_format") >= 6
    seconds = {each.name: each.value for each in found["perdure_commit_seconds"].samples}
    assert seconds["perdure_commit_seconds_count"] >= 4
    assert seconds["perdure_commit_seconds_sum"] > 0
    assert {label for each in found.values() for sample in each.samples for label in sample.labels} <= LABELS
    assert all(name.startswith("perdure_") for name in found)
    text = answered(lone, "metrics")[1]
    assert "counted" not in re.sub(r"^# .*$|perdure_store_counted_seconds", "", text, flags=re.MULTILINE)
    assert "asks" not in re.sub(r"^# .*$", "", text, flags=re.MULTILINE)


def test_every_figure_stands_in_the_operators_guide(calm_workers: list[Living]):
    lone = calm_workers[0]
    until(lambda: figure(lone, "perdure_processes"), "the database was counted")
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    told_of = set(re.findall(r"perdure_[a-z_]+", guide))
    shown = {f"{name}_total" if found.type == "counter" else name for name, found in families(lone).items()}
    assert sorted(shown - told_of) == []


def test_a_scrape_waits_for_no_database(calm_workers: list[Living], calm_dsn: str):
    lone, dsn = calm_workers[0], calm_dsn
    until(lambda: figure(lone, "perdure_processes"), "the database was counted")
    (base,) = bases_of(dsn)
    with psycopg.connect(dsn) as db:
        db.execute("LOCK TABLE perdure.runs, perdure.claims, perdure.placements IN ACCESS EXCLUSIVE MODE")
        assert figure(lone, "perdure_processes", state="serves") == 2
        # Whoever asked the database in a scrape's way would wait here until the server ended it.
        with pytest.raises(PerdureError):
            base.watched.fleet()
        assert figure(lone, "perdure_processes", state="serves") == 2
    base.close()


def test_a_suspended_store_makes_workers_unready_and_not_ill(lone: Living, dsn: str):
    assert answered(lone, "readyz")[0] == 200
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("UPDATE perdure.store SET suspended = 'a standby was promoted'")
        until(lambda: answered(lone, "readyz")[0] == 503, "it says that it isn't ready")
        assert "a standby was promoted" in answered(lone, "readyz")[1]
        assert figure(lone, "perdure_store_suspended") == 1
        assert answered(lone, "healthz")[0] == 200
        db.execute("UPDATE perdure.store SET suspended = NULL")
    until(lambda: answered(lone, "readyz")[0] == 200, "it is ready again")


def test_a_worker_that_drains_is_not_ready(lone: Living, store: Store, deeds: Deeds):
    store.submit("doer", told(("send", {"what": "slow", "gate": "slow-gate"})), run="slow")
    deeds.begun("slow")
    lone.process.terminate()
    lone.heard("worker.drains")
    assert all(each["event"] != "worker.exposed" for each in lone.said)
    assert answered(lone, "readyz") == (503, "draining\n")
    assert answered(lone, "healthz")[0] == 200
    assert figure(lone, "perdure_worker_draining") == 1
    deeds.open("slow-gate")
    assert lone.ended() == 0
    rested(store, "slow", "running", "finished")


def test_each_line_says_of_which_run_it_speaks_and_no_secret(dsn: str, store: Store, deeds: Deeds):
    token = "tok-5up3r-s3cret-value"
    secret = dsn.replace("perdure@", "perdure:hunter2hunter2@")
    env = {"BANK_TOKEN": token}
    with Living(secret, deeds.path, "--listen", "0.0.0.0:0", env=env).serving() as worker:
        store.submit("doer", told(("fail", {"until": "never", "say": token})), run="ill", tenant="acme")
        store.submit("doer", told(("send", {"what": "pen"})), run="well", tenant="acme")
        rested(store, "well")
        said = worker.heard("run.rests", run="well")
        assert said["tenant"] == "acme"
        assert said["position"] == store.state("well").position
        assert said["epoch"] == 1
        failed = worker.heard("run.failed", run="ill")
        assert (failed["tenant"], failed["level"]) == ("acme", "warning")
        waits = until(lambda: waits_of(dsn, "ill"), "it is kept why")
        assert waits.endswith("this agent is ill: [secret]")
        assert "other machines reach it" in str(worker.heard("worker.exposed")["why"])
        worker.process.terminate()
        worker.ended()
    words = [each for each in worker.said if each["event"] != "over"]
    assert {each["event"] for each in words} <= EVENTS.keys()
    assert all({"at", "level", "event", "process"} <= each.keys() for each in words)
    assert token not in str(words)
    assert "[secret]" in str(failed["why"])
    assert "hunter2" not in str(words)


def waits_of(dsn: str, run: str) -> str:
    (base,) = bases_of(dsn)
    try:
        placed = base.placements.look(run)
    finally:
        base.close()
    return placed.waits if placed is not None else ""


def test_a_teller_that_hushes_nothing_is_seen_to_tell(capsys: pytest.CaptureFixture[str]):
    dsn = "postgresql://perdure:hunter2hunter2@db/perdure"
    why = f"connecting to {dsn} with tok-5up3r-s3cret-value failed"
    open_to_all = Teller(as_json=True)
    open_to_all("worker.unheard", why=why)
    open_to_all.drain()
    assert "hunter2" in capsys.readouterr().err
    hushed = hush_of([address_of(dsn)], {"BANK_TOKEN": "tok-5up3r-s3cret-value"})
    discreet = Teller(as_json=True, hushed=hushed)
    discreet("worker.unheard", why=why)
    discreet.drain()
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "s3cret" not in said


def test_what_a_worker_says_is_named_in_one_place():
    named = re.compile(r'"((?:run|worker|sweep)\.[a-z_]+)"')
    spoken: set[str] = set()
    for path in [
        *(Path(perdure.__file__).parent / "worker").glob("*.py"),
        ROOT / "src/perdure/cli/fleet/worker.py",
    ]:
        if path.name not in ("telling.py", "watch.py", "figures.py"):
            spoken |= set(named.findall(path.read_text(encoding="utf-8")))
    assert spoken == EVENTS.keys()
    assert EVENTS.keys() >= WARNINGS
