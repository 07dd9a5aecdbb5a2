"""The examples of a fleet hold together, and say nothing to perdure that it doesn't understand."""

import copy
import os
import re
import subprocess
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import pq

from perdure.assembly.clock import SystemClock
from perdure.assembly.stores.addresses import address_of
from perdure.assembly.stores.clusters import migrate
from perdure.assembly.stores.describing import Description, described
from perdure.log.metering import CommitMeter, FleetSeen, StandingSeen
from perdure.worker.clocks import FleetClock
from perdure.worker.figures import EFFECT_CLASSES, Figures
from perdure.worker.probes import Answer, Probes
from perdure.worker.survey_figures import KINDS as REASONS
from perdure.worker.survey_figures import STATES
from perdure.worker.surveying import Survey
from tests.deploy.manifests import (
    FLEET,
    ROOT,
    Called,
    alerts,
    composed,
    containers,
    drain_of,
    environment,
    image_command,
    loaded,
    probed,
    said_of,
    shell_calls,
    wrong_in_compose,
    wrong_in_manifests,
)
from tests.servers.postgres import programs
from tests.servers.shared import empty_database, server

COMPOSE = FLEET / "compose.yaml"
WORKER = FLEET / "kubernetes" / "worker.yaml"
ALERTS = FLEET / "kubernetes" / "alerts.yaml"
DOCKERFILE = FLEET / "Dockerfile"
S3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
"""As docs/object-storage.md has them."""


def test_every_command_is_one_that_perdure_has():
    calls = [Called("Dockerfile", image_command(DOCKERFILE.read_text())[1:])]
    calls += composed(loaded(COMPOSE)[0])
    calls += [Called(where, container["args"]) for where, _, container in containers(loaded(WORKER))]
    for path in (COMPOSE, FLEET / "kubernetes" / "fence-node.sh"):
        calls += shell_calls(path.read_text().replace("#   docker", "docker"))
    assert len(calls) >= 9
    assert [wrong for call in calls if (wrong := said_of(call))] == []
    assert image_command(DOCKERFILE.read_text())[0] == "perdure"


@pytest.mark.parametrize(
    "words",
    [
        ["workr"],
        ["worker", "--drain-second", "60"],
        ["worker", "--drain-seconds", "long"],
        ["store", "migrat"],
        ["worker", "--engine", "kafka"],
    ],
)
def test_a_command_that_perdure_has_not_is_caught(words: list[str]):
    assert said_of(Called("x", words)) is not None


def test_compose_holds_together():
    drain = drain_of(image_command(DOCKERFILE.read_text()))
    (document,) = loaded(COMPOSE)
    assert list(wrong_in_compose(document, drain)) == []
    broken = copy.deepcopy(document)
    broken["services"]["worker"]["stop_grace_period"] = "10s"
    broken["services"]["worker"]["depends_on"]["gone"] = {"condition": "service_started"}
    broken["services"]["primary"].pop("healthcheck")
    broken["services"]["standby"]["volumes"] = ["elsewhere:/data", "./gone.sh:/x"]
    assert len(list(wrong_in_compose(broken, drain))) == 6


def test_manifests_hold_together():
    documents = [*loaded(WORKER), *loaded(ALERTS)]
    assert list(wrong_in_manifests(documents)) == []
    broken = copy.deepcopy(documents)
    by_kind = {each["kind"]: each for each in broken}
    by_kind["Deployment"]["spec"]["selector"]["matchLabels"] = {"app": "other"}
    by_kind["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 30
    by_kind["Deployment"]["apiVersion"] = "extensions/v1beta1"
    by_kind["Secret"]["stringData"].pop("password")
    by_kind["ConfigMap"]["metadata"]["name"] = "other"
    assert len(list(wrong_in_manifests(broken))) == 7


def test_every_variable_is_one_that_somebody_reads():
    libpq = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    ours = set(re.findall(r"`(PERDURE_[A-Z_]+)`", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")))
    named = {
        each["name"] for _, _, container in containers(loaded(WORKER)) for each in environment(container)
    }
    for service in loaded(COMPOSE)[0]["services"].values():
        if service.get("image") == "perdure-worker":
            named |= service["environment"].keys()
    assert named <= libpq | ours | S3
    assert "PGPASSWORD" in named
    assert "PERDURE_STORE" in named


def test_every_path_that_is_probed_is_answered():
    figures = Figures()
    well = Answer(well=True, words="well")
    probes = Probes("127.0.0.1", 0, healthy=lambda: well, ready=lambda: well, figures=figures.registry)
    asked = probed(loaded(WORKER)) | set(re.findall(r"9464(/\w+)", COMPOSE.read_text()))
    asked |= {each["path"] for each in loaded(ALERTS)[0]["spec"]["podMetricsEndpoints"]}
    assert asked == {"/healthz", "/readyz", "/metrics"}
    try:
        for path in asked:
            with urllib.request.urlopen(f"http://{probes.address}{path}") as answer:
                assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{probes.address}/live")
        refused.value.close()
    finally:
        probes.close()


class _Quiet:
    def standing(self) -> StandingSeen:
        return StandingSeen(clock_ns=SystemClock().now())

    def fleet(self) -> FleetSeen:
        return FleetSeen()


class _Counting:
    meter: CommitMeter = CommitMeter()
    objects_trouble: str = ""


def shown() -> set[str]:
    """The names of all figures, as Prometheus has them."""
    counting = _Counting()
    counting.meter.refused["P410"] += 1
    figures = Figures()
    survey = Survey({"": _Quiet()}, lambda: {"": counting}, tell=print, outdated=print, clock=FleetClock())
    figures.follow(driving=lambda: 0, silence=lambda: 0.0, draining=lambda: False, places=1, survey=survey)
    survey.scraped()
    survey.begin()
    survey.close()
    return names_in(figures.registry)


def names_in(registry: CollectorRegistry) -> set[str]:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {family.name + end for family in registry.collect() for end in suffixes[family.type]}


def test_every_alert_names_a_figure_that_is_there_and_its_page():
    known = shown()
    rules = alerts(loaded(ALERTS))
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert len(rules) >= 12
    for name, rule in rules.items():
        used = set(re.findall(r"perdure_[a-z_]+", rule))
        assert used, name
        assert used <= known, name
        assert rule.count("(") == rule.count(")"), name
        assert f"`{name}`" in guide, f"{name} has no row in docs/operations.md"
        for label, value in re.findall(r'(\w+)="([\w-]+)"', rule):
            values = {"reason": REASONS, "state": STATES, "effect": EFFECT_CLASSES}.get(label)
            assert values is None or value in values, name
    assert set(re.findall(r"`(Perdure[A-Za-z]+)`", guide)) == rules.keys()


def test_the_store_s_file_is_read_as_it_stands(tmp_path: Path):
    in_cluster = next(each for each in loaded(WORKER) if each["kind"] == "ConfigMap")["data"]["store.toml"]
    other = tmp_path / "store.toml"
    other.write_text(in_cluster)
    for path in (FLEET / "store.toml", other):
        found = described(path)
        assert isinstance(found, Description)
        assert found.objects is not None
        assert "password" not in path.read_text().lower().replace("no password", "").replace("pgpassword", "")
        assert tomllib.loads(path.read_text())["postgres"].startswith("postgresql://perdure_worker@")


def test_the_primary_s_script_makes_roles_that_a_worker_can_live_with(tmp_path: Path):
    dsn = empty_database(tmp_path / "roles")
    found = programs()
    assert found is not None
    name = dsn.rpartition("/")[2]
    script = (FLEET / "postgres" / "10-replication.sh").read_text()
    surroundings = {
        "PATH": f"{found}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server().port),
        "PGDATA": str(tmp_path),
        "POSTGRES_USER": "perdure",
        "POSTGRES_DB": name,
        "WORKER_PASSWORD": "it's w",
        "REPLICA_PASSWORD": "r",
    }
    try:
        done = subprocess.run(
            ["sh", "-c", script], env=surroundings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "replicator" in (tmp_path / "pg_hba.conf").read_text()
        migrate(address_of(dsn), ["perdure_worker"])
        with psycopg.connect(dsn.replace("//perdure@", "//perdure_worker@")) as db:
            assert db.execute("SELECT count(*) FROM perdure.runs").fetchone() == (0,)
            rights = "SELECT has_database_privilege(current_database(), 'CREATE'), has_function_privilege('pg_stat_file(text)', 'EXECUTE')"
            assert db.execute(rights).fetchone() == (False, True)
    finally:
        with psycopg.connect(server().dsn(), autocommit=True) as db:
            db.execute("ALTER SYSTEM RESET synchronous_standby_names")


def test_scripts_are_shell():
    for path in FLEET.rglob("*.sh"):
        assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0, path
        assert os.access(path, os.X_OK), path
