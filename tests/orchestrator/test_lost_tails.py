"""A run whose last events are lost learns of the acts that they promised, and does none of them again."""

import asyncio

import pytest
from msgspec import structs

from perdure import Agent
from perdure.adapters.memory.shelf import Claim
from perdure.adapters.memory.store import MemoryStore
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.driver.books import read_state, text_of
from perdure.log.envelope import unseal
from perdure.log.events import ClaimSeen
from perdure.log.port import Holder, Lease
from perdure.projection.state import Message, State
from perdure.testing import ScriptedModel, SimClock, World, call, say
from perdure.testing.kit import mail_of, order_of
from perdure.testing.scripted import Script
from perdure.values.errors import NoUndo


class Forgetful(MemoryStore):
    """A store that can lose the end of a run; who restored it may have told it which claims that held."""

    def __init__(self, *, told: bool) -> None:
        super().__init__()
        self._told = told
        self._lost: list[ClaimSeen] = []

    def lose(self, run: str, kind: str) -> None:
        """The stream of ``run`` ends before its first event of ``kind``, and its claims since then are gone."""
        record = self._shelf.runs[run]
        at = next(number for number, stored in enumerate(record.events) if unseal(stored).kind == kind)
        del record.events[at:]
        record.status = "running"
        for key, claim in list(self._shelf.claims.items()):
            if claim.seen.run == run and claim.seen.position > record.position:
                del self._shelf.claims[key]
                if self._told:
                    opened = structs.replace(claim.seen, outcome=None, result=None)
                    self._lost.append(opened)
                    self._shelf.claims[key] = Claim(claim.scope, opened)

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        return super().acquire(run, holder, take_over=take_over)._replace(lost=self._lost)


class Desk:
    """One agent, its world, and a store that forgets."""

    def __init__(self, world: World, script: Script, *, told: bool = True) -> None:
        self.world = world
        self.store = Forgetful(told=told)
        self.model = ScriptedModel(script)
        self.house = House(self.store, SimClock())
        ids = iter(range(1000))
        self.people = People(self.store, lambda: 10**9, lambda: f"post-{next(ids)}")

    def agent(self) -> Agent:
        tools = (mail_of(self.world), order_of(self.world))
        return Agent(name="clerk", instructions="Do it.", tools=tools, model=self.model)

    def start(self) -> State:
        return asyncio.run(self.house.start(self.agent(), "Go.", run="run"))

    def resume(self) -> State:
        return asyncio.run(self.house.resume(self.agent(), "run"))

    def doubt(self) -> str:
        (open_key,) = read_state(self.store, "run").state.world.open
        return open_key


@pytest.mark.parametrize("tool", ["mail", "order"])
def test_an_act_in_a_lost_tail_is_in_doubt_and_not_done_again(tool: str):
    with World() as world:
        desk = Desk(world, [call(tool, act="m1"), say("done")])
        assert desk.start().status == "finished"
        desk.store.lose("run", "model.replied")
        desk.model.script = [call(tool, act="m1"), say("done")]
        waiting = desk.resume()
        assert (waiting.status, waiting.wait) == ("waiting", "doubt")
        desk.people.settle("run", desk.doubt(), "succeeded", by="ann", result="it went out")
        assert desk.resume().status == "finished"
        assert world.counts() == {"m1": 1}
        assert any(event.kind == "effect.replayed" for event in map(unseal, desk.store.read("run", 0, 10**6)))


def test_the_model_is_told_of_what_was_lost():
    with World() as world:
        desk = Desk(world, [call("mail", act="m1"), say("done")])
        desk.start()
        desk.store.lose("run", "model.replied")
        state = desk.resume()
        said = [
            text_of(desk.store, entry.text)
            for entry in state.live.entries.values()
            if isinstance(entry, Message) and entry.sender == "perdure"
        ]
        assert any("The world did not" in text and "mail" in text for text in said)


def test_what_a_person_says_was_not_done_is_done_once():
    with World() as world:
        desk = Desk(world, [call("mail", act="m1"), say("done")])
        desk.start()
        desk.store.lose("run", "model.replied")
        world.applied.clear()
        desk.resume()
        desk.people.settle("run", desk.doubt(), "retry", by="ann")
        assert desk.resume().status == "finished"
        assert world.counts() == {"m1": 1}


def test_a_reworded_act_after_a_lost_one_is_asked_about_even_once_that_is_settled():
    with World() as world:
        desk = Desk(world, [call("mail", act="m1"), say("done")])
        desk.start()
        desk.store.lose("run", "model.replied")
        desk.model.script = [call("mail", act="m1, kindly"), say("done")]
        desk.resume()
        desk.people.settle("run", desk.doubt(), "succeeded", by="ann", result="sent")
        state = desk.resume()
        assert (state.status, state.wait) == ("waiting", "approval")
        assert world.counts() == {"m1": 1}


def test_a_run_that_is_lost_whole_learns_of_its_acts_when_it_is_begun_anew():
    with World() as world:
        desk = Desk(world, [call("mail", act="m1"), say("done")])
        desk.start()
        desk.store.lose("run", "run.opened")
        state = desk.start()
        assert (state.status, state.wait) == ("waiting", "doubt")
        assert world.counts() == {"m1": 1}


def test_a_store_that_does_not_say_what_is_missing_does_it_twice():
    with World() as world:
        desk = Desk(world, [call("mail", act="m1"), say("done")], told=False)
        desk.start()
        desk.store.lose("run", "model.replied")
        assert desk.resume().status == "finished"
        assert world.counts() == {"m1": 2}


def test_a_lost_act_cannot_be_reverted_since_nobody_knows_what_it_was_called_with():
    with World() as world:
        desk = Desk(world, [call("mail", act="m1"), say("done")])
        desk.start()
        desk.store.lose("run", "model.replied")
        desk.resume()
        key = desk.doubt()
        desk.people.settle("run", key, "succeeded", by="ann", result="sent")
        state = desk.resume()
        with pytest.raises(NoUndo, match="lost"):
            desk.people.revertible("run", state.world.receipts[key].settled)
