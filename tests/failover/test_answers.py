"""What a person says is missing is put back; what nobody has answered for stays where it is."""

import asyncio
import json
from itertools import count
from pathlib import Path

import psycopg
import pytest

from benchmarks.scale.failing.kept import Scribe
from perdure import Agent
from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.clock import SystemClock
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.driver.books import read_state
from perdure.log.port import ClaimOpened, NewRun
from perdure.projection.state import State
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.kit import mail_of
from perdure.values.errors import Fenced, Suspended
from tests.cli.inside import Inside
from tests.failover.test_copies import restored
from tests.servers.postgres import Server
from tests.servers.shared import database_of

ANOTHER = "UPDATE perdure.seal SET timeline = timeline - 1, stamp = pg_current_xact_id()"


class Clerk:
    """An agent that sends two mails, the first of which stays without an answer."""

    def __init__(self, world: World, store: PostgresStore) -> None:
        self.world, self.store = world, store
        ids = count()
        self.people = People(store, SystemClock().now, lambda: f"p{next(ids)}")

    def agent(self) -> Agent:
        script = [call("mail", act="m0"), call("mail", act="m1"), say("done")]
        return Agent(
            name="clerk", instructions="Mail.", tools=(mail_of(self.world),), model=ScriptedModel(script)
        )

    def start(self) -> State:
        return asyncio.run(House(self.store, SystemClock()).start(self.agent(), "Go.", run="run"))

    def settle(self, outcome: str) -> State:
        """A person says it of all that is in doubt, and the run goes on."""
        house = House(self.store, SystemClock())
        for key in list(read_state(self.store, "run").state.world.open):
            self.people.settle("run", key, outcome, by="ann", result="sent")
        return asyncio.run(house.resume(self.agent(), "run"))


def test_an_act_that_a_person_names_is_put_back_under_the_key_that_its_run_would_give_it(
    server: Server, dsn: str, tmp_path: Path, inside: Inside
):
    with World() as world:
        with PostgresStore(dsn) as store:
            world.plan("m0", "break")
            clerk = Clerk(world, store)
            assert clerk.start().wait == "doubt"
            copy = restored(server, dsn, "answers")
            assert clerk.settle("failed").status == "finished"
            keys = {claim.key for claim in store.claims()}
        assert world.counts()["m1"] == 1
        lost = tmp_path / "lost.jsonl"
        lost.write_text(json.dumps({"run": "run", "tool": "mail", "arguments": {"act": "m1"}}) + "\n")
        told = inside.type(
            "store", "release", "--by", "ann", "--missing", str(lost), "--json", "--store", copy
        )
        assert (told.json["put_back"], told.json["doubtful"]) == (1, 0)
        with PostgresStore(copy) as store:
            assert {claim.key for claim in store.claims()} <= keys
            clerk = Clerk(world, store)
            assert clerk.settle("failed").wait == "doubt"
            assert clerk.settle("succeeded").status == "finished"
        assert world.counts()["m1"] == 1


def test_a_store_that_nothing_ails_is_released_on_purpose_only(dsn: str, inside: Inside):
    with PostgresStore(dsn) as store:
        scribe = Scribe(store, "run")
        scribe.write()
        for more in ((), ("--none-missing",)):
            refused = inside.type("store", "release", "--by", "ann", *more, "--store", dsn)
            assert refused.code == 2
            assert "--anyway" in refused.err
        scribe.write()
        assert inside.type("store", "release", "--by", "ann", "--anyway", "--store", dsn).code == 0
        with pytest.raises(Fenced):
            scribe.write()
        assert [run for run, _ in store.takeovers.doubtful(10)] == ["run"]
        assert inside.type("store", "release", "--by", "ann", "--none-missing", "--store", dsn).code == 0
        assert store.takeovers.doubtful(10) == []


def test_one_shard_of_several_is_released_by_its_name(dsn: str, tmp_path: Path, inside: Inside):
    other = database_of(tmp_path / "other")
    file = tmp_path / "team.toml"
    file.write_text(f'[shards.emea]\npostgres = "{dsn}"\n\n[shards.apac]\npostgres = "{other}"\n')
    with PostgresStore(dsn) as emea, PostgresStore(other) as apac:
        scribes = Scribe(emea, "emea.run"), Scribe(apac, "apac.run")
        for scribe in scribes:
            scribe.write()
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute(ANOTHER.encode())
        with pytest.raises(Suspended, match="timeline"):
            scribes[0].write()
        release = ("store", "release", "--by", "ann", "--none-missing", "--store", str(file))
        for more, says in (
            ((), "emea, apac"),
            (("--shard", "amer"), "emea, apac"),
            (("--shard", "apac"), "--anyway"),
        ):
            refused = inside.type(*release, *more)
            assert (refused.code, says in refused.err) == (2, True)
        shown = inside.type("store", "failovers", "--shard", "emea", "--store", str(file)).out
        assert "perdure store release --by NAME --shard emea --none-missing" in shown
        assert inside.type(*release, "--shard", "emea").code == 0
        assert emea.suspended() is None
        scribes[1].write()


def test_where_nobody_knows_what_is_missing_each_run_waits_for_its_own_answer(dsn: str, inside: Inside):
    with PostgresStore(dsn) as store:
        scribe = Scribe(store, "run")
        scribe.write()
        other = Scribe(store, "other")
        other.write()
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute(ANOTHER.encode())
        with pytest.raises(Suspended, match="timeline"):
            scribe.write()
        assert (
            "2 runs still to be answered for"
            in inside.type("store", "release", "--by", "ann", "--store", dsn).out
        )
        with pytest.raises(Fenced, match="before a loss"):
            scribe.write()
        store.release("run", scribe.epoch)
        store.release("other", other.epoch)
        with pytest.raises(Suspended, match="said first"):
            Scribe(store, "run")
        tenant_wide_acts_wait(store)
        shown = inside.type("store", "failovers", "--store", dsn).out
        assert "other may not be driven" in shown
        inside.type("store", "release", "--by", "ann", "--run", "run", "--none-missing", "--store", dsn)
        again = Scribe(store, "run")
        assert again.epoch > scribe.epoch
        inside.type("store", "release", "--by", "ann", "--run", "other", "--none-missing", "--store", dsn)
        assert store.takeovers.doubtful(10) == []


def tenant_wide_acts_wait(store: PostgresStore) -> None:
    """A new run may do what is its own, and nothing that a doubtful run of its tenant may have done."""
    store.create(NewRun("fresh", "fresh", "default", 1))
    fresh = Scribe(store, "fresh")
    fresh.write()
    batch = fresh.batch()
    wide = ClaimOpened("k" * 40, "s" * 40, "tenant:default", "pay", 1, batch.events[0].position, "a" * 40)
    with pytest.raises(Suspended, match="tenant 'default'"):
        store.append(batch._replace(opened=[wide])).result(30)
    elsewhere = wide._replace(scope="tenant:acme")
    store.append(batch._replace(opened=[elsewhere])).result(30)


def test_what_a_store_waits_for_is_declared_and_shown(dsn: str, inside: Inside):
    with PostgresStore(dsn):
        pass
    assert "asynchronous" in inside.type("store", "replication", "--store", dsn).out
    refused = inside.type("store", "replication", "--synchronous", "--store", dsn)
    assert "wait for no standby" in refused.err
    assert "the server that it was made on" in inside.type("store", "failovers", "--store", dsn).out
