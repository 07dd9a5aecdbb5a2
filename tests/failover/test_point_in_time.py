"""A server that is restored to a moment before the last acknowledged effects: nothing is done twice, no content is missing."""

import asyncio
import json
from itertools import count
from pathlib import Path

import pytest

from benchmarks.scale.failing.rewound import Rewound
from benchmarks.scale.failing.torn import believe, torn
from benchmarks.scale.failing.twins import DATABASE
from perdure import Agent
from perdure.adapters.holders import this_holder
from perdure.adapters.objects import open_objects
from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.clock import SystemClock
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.driver.books import read_state
from perdure.projection.state import State
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.kit import mail_of
from perdure.values.errors import BlobMissing
from tests.cli.inside import Inside
from tests.conformance.stores import Writer, opened_run
from tests.servers import shared
from tests.store.trees import Tree, let_go, must_be_whole, taken
from tests.store.trees import say as recorded

BLIND = "blind"
"""The store of a build that takes any server for its own."""


@pytest.fixture(autouse=True)
def has_postgres() -> None:
    if not shared.is_here():
        pytest.skip(shared.MISSING)


class Clerk:
    """An agent that sends two mails, the first of which stays without an answer until a person gives it."""

    def __init__(self, world: World, store: PostgresStore, name: str) -> None:
        self.store, self.name = store, name
        ids = count()
        self._house = House(store, SystemClock())
        self._people = People(store, SystemClock().now, lambda: f"{name}-{next(ids)}")
        script = [call("mail", act=f"{name} 0"), call("mail", act=f"{name} 1"), say("done")]
        tools, model = (mail_of(world),), ScriptedModel(script)
        self._agent = Agent(name="clerk", instructions="Mail.", tools=tools, model=model)
        world.plan(f"{name} 0", "break")

    def start(self) -> State:
        return asyncio.run(self._house.start(self._agent, "Go.", run="run"))

    def settle(self, outcome: str) -> State:
        """A person says it of all that is in doubt, and the run goes on."""
        for key in list(read_state(self.store, "run").state.world.open):
            self._people.settle("run", key, outcome, by="ann", result="sent")
        return asyncio.run(self._house.resume(self._agent, "run"))


class Shop:
    """A store with its directory of objects, and what is done there before the moment and after it."""

    def __init__(self, pair: Rewound, world: World, place: Path, name: str) -> None:
        self.pair, self.world, self.name = pair, world, name
        self.settings: dict[str, object] = {"url": f"file://{place}/objects-{name}", "cache_bytes": 0}
        self.tree = Tree(1, large=True)
        self.late = Tree(2, large=True)

    def dsn(self) -> str:
        server = self.pair.standby if self.pair.standby.running else self.pair.primary
        return server.dsn(self.name)

    def described(self, place: Path) -> str:
        """Return the file that describes the store as it is now."""
        file = place / f"{self.name}.toml"
        file.write_text(f'postgres = "{self.dsn()}"\n[objects]\nurl = "{self.settings["url"]}"\n')
        return str(file)

    def store(self) -> PostgresStore:
        return PostgresStore(self.dsn(), objects=open_objects(self.settings))

    def before(self) -> None:
        """Files are recorded, and a mail stays in doubt."""
        with self.store() as store:
            writer = opened_run(store)
            self.tree.put(store)
            recorded(writer, taken(self.tree.name))
            store.release("march", writer.epoch)
            assert Clerk(self.world, store, self.name).start().wait == "doubt"

    def after(self, grace_seconds: float) -> None:
        """A second mail is sent, the files are let go of, others are recorded, and garbage is collected."""
        with self.store() as store:
            assert Clerk(self.world, store, self.name).settle("failed").status == "finished"
            (row,) = store.rows("march")
            writer = Writer(store, "march", store.acquire("march", this_holder("w2")), row.position, row.head)
            self.late.put(store)
            recorded(writer, taken(self.late.name))
            let_go(writer, writer.position)
            store.collect(grace_seconds=grace_seconds)

    def objects(self) -> int:
        return len(open_objects(self.settings).names(""))


def test_what_a_moment_before_the_last_effects_lacks_is_named_by_a_person_and_not_done_again(
    tmp_path: Path, inside: Inside
):
    with Rewound(tmp_path / "servers") as pair, World() as world:
        shop, blind = (Shop(pair, world, tmp_path, name) for name in (DATABASE, BLIND))
        pair.primary.database(BLIND)
        shop.before()
        blind.before()
        pair.catch_up()
        shop.after(3600)
        blind.after(0)
        assert (world.count("store 1"), world.count("blind 1")) == (1, 1)
        pair.fail_over()

        file = shop.described(tmp_path)
        shown = inside.type("store", "stats", "--store", file).out
        assert (
            "its runs are suspended: the server is on timeline 2, and the store was last driven on 1" in shown
        )
        assert "what was begun later isn't here" in shown
        shown = inside.type("store", "failovers", "--store", file).out
        assert "it is on the server" not in shown
        assert "--none-missing" in shown
        assert "--missing FILE" in shown
        refused = inside.type("store", "gc", "--store", file)
        assert (refused.code, "isn't collected here" in refused.err) == (3, True)
        assert shop.objects() == 2
        assert inside.type("verify", "run", "--store", file).code == 0
        lost = tmp_path / "lost.jsonl"
        lost.write_text(json.dumps({"run": "run", "tool": "mail", "arguments": {"act": "store 1"}}) + "\n")
        told = inside.type("store", "release", "--by", "ann", "--missing", str(lost), "--store", file)
        assert "1 claim put back" in told.out
        with shop.store() as store:
            must_be_whole(store)
            clerk = Clerk(world, store, "store")
            assert clerk.settle("failed").wait == "doubt"
            assert clerk.settle("succeeded").status == "finished"
            must_be_whole(store)
        assert world.count("store 1") == 1
        assert inside.type("verify", "run", "--store", file).code == 0
        assert inside.type("store", "gc", "--store", file).code == 0
        assert shop.objects() == 1

        believe(blind.dsn())
        with blind.store() as store:
            assert Clerk(world, store, BLIND).settle("failed").status == "finished"
            # Garbage that was taken away without waiting was still needed by the moment.
            with pytest.raises(BlobMissing):
                must_be_whole(store)
        assert world.count("blind 1") == 2


@pytest.mark.soak
def test_processes_that_lived_through_it_and_a_witness_know_what_the_moment_lacks(tmp_path: Path):
    with Rewound(tmp_path / "servers") as pair:
        come = torn(pair, tmp_path)
        assert come.detected == 2
        assert come.explained
        assert come.fired_twice == 0
        assert come.finished == 2
        assert come.old_primary_refused
        assert come.fired_twice_blind == 1
