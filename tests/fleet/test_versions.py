"""A run is driven by the version of its agent that it was begun with, until a person says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import perdure
from perdure import Agent, Contract, tool
from perdure.assembly.agents.versions import migration_of, pinned, runs_at
from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import Base
from perdure.log import events as e
from perdure.testing import ScriptedModel, call, say
from perdure.values.errors import AgentChanged, BadInput
from tests.fleet.conftest import AGENTS
from tests.worker.kit import ROOT, Deeds, rested, told, until, workers

ASKS = told(("ask_person", {"question": "how many?"}), ("send", {"what": "bill"}))


def typed(dsn: str, version: str, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "perdure.cli",
            "worker",
            "migrate",
            *words,
            "--store",
            dsn,
            "--agents",
            f"{AGENTS}:billing",
        ],
        cwd=ROOT,
        env={**os.environ, "BILLING": version, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_versions_live_and_no_run_is_stranded(
    dsn: str, store: Store, base: Base, deeds: Deeds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BILLING", "1")
    with workers(1, dsn, deeds.path, agents=f"{AGENTS}:billing") as (old,):
        for run in ("early", "late"):
            store.submit("billing", ASKS, run=run)
            rested(store, run, "waiting")
        assert pinned(store.books, "early") == "1"
        monkeypatch.setenv("BILLING", "2")
        with workers(1, dsn, deeds.path, agents=f"{AGENTS}:billing") as (new,):
            store.message("early", "one")
            rested(store, "early")
            assert pinned(store.books, "early") == "1"
            assert deeds.begun("bill") == old.process.pid
            old.process.terminate()
            assert old.ended() == 0
            store.message("late", "two")
            why = until(lambda: reasons(base).get("late"), "the run says what it waits for")
            assert why == "needs agent billing version 1; workers have 2"
            assert why in shown(dsn, "late")
            assert list(runs_at(store.books, "billing", "1")) == ["late"]
            tried = typed(dsn, "2", "late", "--dry-run")
            assert "would be taken from version 1 to 2" in tried.stdout, tried.stderr
            assert "tools that are new: order" in tried.stdout
            assert pinned(store.books, "late") == "1"
            done = typed(dsn, "2", "--agent", "billing", "--from", "1", "--to", "2", "--by", "Ada")
            assert "late is taken from version 1 to 2" in done.stdout, done.stderr
            rested(store, "late")
            assert deeds.begun("bill") == new.process.pid
    adopted = [event.body for event in store.events("late") if isinstance(event.body, e.ContractAdopted)]
    assert adopted[-1].source == "taken from version 1 to 2 by Ada"
    assert pinned(store.books, "late") == "2"


def shown(dsn: str, run: str) -> str:
    words = [sys.executable, "-m", "perdure.cli", "show", run, "--store", dsn]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def reasons(base: Base) -> dict[str, str]:
    return {each.run: each.waits for each in base.placements.stuck()}


def test_a_version_that_nobody_named_follows_from_what_the_agent_is():
    def agent(instructions: str, version: str = "") -> Agent:
        return Agent(name="a", instructions=instructions, model=ScriptedModel([]), version=version)

    assert agent("x").version == agent("x").version != agent("y").version
    assert agent("x", "2").version == agent("y", "2").version == "2"
    with pytest.raises(perdure.PerdureError):
        agent("x", "no such name")


@tool(effect="read")
def look(what: str) -> str:
    """Look."""
    return what


@tool(effect="once")
def pay(what: str) -> str:
    """Pay."""
    raise RuntimeError(what)


def made(*tools: object, contract: Contract | None = None, version: str = "1") -> Agent:
    script = [call("look", what="x"), call("pay", what="y"), say("done")]
    return Agent(
        name="a",
        instructions="x",
        tools=[each for each in tools if callable(each)],
        model=ScriptedModel(script),
        contract=contract,
        version=version,
    )


def test_what_a_new_version_would_have_judged_otherwise_is_said_before(tmp_path: Path):
    with perdure.open(tmp_path / "store") as store:
        run = store.start(made(look, pay), "go")
        run.wait()
        strict = Contract(deny=("look",))
        found = migration_of(store.books, run.name, made(look, pay, contract=strict, version="2"), by="Ada")
        assert [(each.tool, each.then, each.now) for each in found.judged_otherwise] == [
            ("look", "allowed", "refused")
        ]
        assert (found.before, found.after) == ("1", "2")


def test_a_version_that_lacks_the_tool_of_an_open_effect_is_refused(tmp_path: Path):
    with perdure.open(tmp_path / "store") as store:
        run = store.start(made(look, pay), "go")
        run.wait()
        assert store.state(run.name).world.open
        with pytest.raises(AgentChanged):
            migration_of(store.books, run.name, made(look, version="2"), by="Ada")
        found = migration_of(store.books, run.name, made(pay, version="2"), by="Ada")
        assert found.tools_gone == ("look",)
        store.cancel(run.name)
        with pytest.raises(BadInput):
            migration_of(store.books, run.name, made(look, pay, version="2"), by="Ada")
