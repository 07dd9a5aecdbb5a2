"""How runs end: what comes too late changes nothing, and what comes at the last moment is heard."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import msgspec

from perdure import Agent, Context, Contract, tool
from perdure.adapters.memory import MemoryStore
from perdure.assembly.house import House
from perdure.assembly.people import People
from perdure.contract import ApprovalRule
from perdure.driver.books import read_state
from perdure.log import events as e
from perdure.log.port import Appended, Batch, Post, Remembered
from perdure.projection.state import Message
from perdure.testing import ScriptedModel, SimClock, World, call, say
from perdure.testing.kit import mail_of
from tests.orchestrator.bench import Bench


def posted(bench: Bench, body: e.Body, name: str = "late") -> None:
    """Put something into the inbox, as one that looked before could."""
    raw = msgspec.Raw(msgspec.json.encode(body))
    bench.store.post("run", Post(name, e.KIND_OF[type(body)], raw, 0))


def test_a_cancel_that_comes_after_the_end_leaves_the_answer_standing():
    with Bench(lambda world: (), [say("done")]) as bench:
        bench.start()
        posted(bench, e.RunClosed("cancelled", None, "too late", "operator"))
        state = bench.resume()
        assert state.status == "finished"
        assert bench.answer() == "done"


class Interrupted(MemoryStore):
    """A store into which somebody else posts right before a run is given back."""

    def __init__(self) -> None:
        super().__init__()
        self.before_release: list[Callable[[], object]] = []

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        if self.before_release:
            self.before_release.pop()()
        super().release(run, epoch, ended=ended)


def test_what_is_posted_while_a_run_is_given_back_is_heard():
    store, clock, minted = Interrupted(), SimClock(), iter(range(99))
    people = People(store, clock.now, lambda: f"post-{next(minted)}")
    house = House(store, clock, name=lambda: f"writer-{next(minted)}")
    with World() as world:
        rules = Contract(approvals=(ApprovalRule(name="all"),))
        script = ScriptedModel([call("mail", act="m1"), say("sent")])
        agent = Agent(name="clerk", instructions="i", tools=[mail_of(world)], model=script, contract=rules)

        def allow() -> None:
            (asked,) = read_state(store, "run").state.world.approvals
            people.approve("run", asked, by="operator")

        store.before_release.append(allow)
        state = clock.run(house.start(agent, "Go.", run="run"))
        assert state.status == "finished"
        assert world.counts() == {"m1": 1}


class Slow(MemoryStore):
    """A store whose disk takes a second for each batch."""

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        answer = super().append(batch)
        late: Future[Appended | Remembered] = Future()
        asyncio.get_running_loop().call_later(1.0, lambda: late.set_result(answer.result()))
        return late


def test_a_tool_that_finishes_while_its_run_is_cancelled_is_not_put_in_doubt():
    store, clock, minted = Slow(), SimClock(), iter(range(99))
    people = People(store, clock.now, lambda: f"post-{next(minted)}")
    house = House(store, clock, name=lambda: f"writer-{next(minted)}")

    @tool(effect="once")
    async def mail(ctx: Context, act: str) -> str:
        await asyncio.sleep(0.5)
        people.cancel("run", by="operator")
        await house.nudge("run")
        await asyncio.sleep(0.5)
        return "sent"

    script = ScriptedModel([call("mail", act="m1"), say("sent")])
    agent = Agent(name="clerk", instructions="i", tools=[mail], model=script)
    state = clock.run(house.start(agent, "Go.", run="run"))
    assert state.status == "cancelled"
    assert not state.world.open
    assert [receipt.outcome for receipt in state.world.receipts.values()] == ["succeeded"]


def test_a_question_that_has_expired_while_nobody_drove_the_run_is_closed_and_not_waited_for():
    rules = Contract(approvals=(ApprovalRule(name="all"),))
    with Bench(lambda world: (mail_of(world),), [call("mail", act="m1"), say("ok")], contract=rules) as bench:
        (asked,) = bench.start().world.approvals
        bench.history.course.clock.pass_ns(8 * 24 * 3600 * 10**9)
        state = bench.resume()
        assert state.status == "finished"
        assert state.world.approvals[asked].phase == "expired"
        assert bench.world.counts() == {}


def test_what_is_posted_while_an_attendant_leaves_is_heard():
    store, clock, minted = Interrupted(), SimClock(), iter(range(99))
    people = People(store, clock.now, lambda: f"post-{next(minted)}")
    house = House(store, clock, name=lambda: f"writer-{next(minted)}")
    agent = Agent(name="clerk", instructions="i", tools=[], model=ScriptedModel([]))
    clock.run(house.start(agent, "Go.", run="run"))
    people.message("run", "first")
    store.before_release.append(lambda: people.message("run", "second"))
    state = clock.run(house.attend("run"))
    assert not store.inbox("run")
    assert len([each for each in state.live.entries.values() if isinstance(each, Message)]) == 3
