"""What users do with ``perdure.testing``: three lines, worlds of their own, and traces that can be read."""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping

import pytest

import perdure.testing
from perdure import Agent, Context, Found, Never, tool
from perdure.testing import ScriptedModel, SimClock, SqliteDisk, World, call, crash_everywhere, say, simulate
from perdure.testing.simclock import SimLoop, Stuck

PAY = [call("pay", invoice="i1"), say("paid")]


class Bank:
    """A user's own fake: it knows nothing of perdure."""

    def __init__(self) -> None:
        self.booked: list[str] = []

    def book(self, invoice: str) -> None:
        self.booked.append(invoice)

    def counts(self) -> Mapping[str, int]:
        return Counter(self.booked)


def honest(bank: Bank) -> Agent:
    """Return an agent whose tool declares what it can keep, with functions that aren't async."""

    def find(ctx: Context, invoice: str) -> Found | Never:
        return Found("paid") if invoice in bank.booked else Never()

    @tool(effect="probeable", identity=("invoice",), probe=find)
    def pay(invoice: str) -> str:
        bank.book(invoice)
        return "paid"

    return Agent(name="clerk", instructions="Pay.", tools=[pay], model=ScriptedModel(PAY))


def boastful(bank: Bank) -> Agent:
    """Return an agent whose tool declares what it can't keep."""

    @tool(effect="idempotent", identity=("invoice",))
    def pay(invoice: str) -> str:
        bank.book(invoice)
        return "paid"

    return Agent(name="clerk", instructions="Pay.", tools=[pay], model=ScriptedModel(PAY))


def test_a_user_proves_in_three_lines_that_a_tool_keeps_its_promise():
    report = crash_everywhere(honest, "Pay.", make_world=Bank, pairs=True)
    report.check()
    assert report.pairs > 20


def test_a_promise_that_does_not_hold_is_shown_moment_by_moment():
    report = crash_everywhere(boastful, "Pay.", make_world=Bank)
    assert report.duplicates > 0
    with pytest.raises(AssertionError, match="i1 was done 2 times, not 1") as shown:
        report.check()
    assert "killed here" in str(shown.value)
    assert "life 2" in str(shown.value)


def test_a_once_tool_stops_for_a_person_who_does_not_know_and_is_not_repeated():
    def careful(bank: Bank) -> Agent:
        @tool
        def pay(invoice: str) -> str:
            bank.book(invoice)
            return "paid"

        return Agent(name="clerk", instructions="Pay.", tools=[pay], model=ScriptedModel(PAY))

    report = crash_everywhere(careful, "Pay.", make_world=Bank, make_disk=SqliteDisk, thin=True)
    report.check()
    assert report.stops > 0


def test_a_seeded_simulation_of_a_users_agent_holds_and_shows_a_bad_one():
    simulate(honest, "Pay.", make_world=Bank, seeds=range(20)).check()
    bad = simulate(boastful, "Pay.", make_world=Bank, seeds=range(110))
    with pytest.raises(AssertionError, match="bad seeds"):
        bad.check()


def test_every_public_name_is_there():
    for name in perdure.testing.__all__:
        assert getattr(perdure.testing, name) is not None
    with pytest.raises(AttributeError):
        perdure.testing.no_such_name  # noqa: B018 - looking is the test


def test_a_day_of_simulated_time_passes_at_once_and_threads_are_waited_for():
    clock = SimClock()

    async def day() -> tuple[int, bool]:
        await asyncio.sleep(86_400)
        return clock.passed_ns, await asyncio.to_thread(
            threading.current_thread
        ) is not threading.main_thread()

    passed, elsewhere = clock.run(day())
    assert passed == 86_400 * 10**9
    assert elsewhere


def test_a_thread_begins_where_everything_else_has_come_to_rest():
    order: list[str] = []

    async def threaded(loop: SimLoop, name: str) -> None:
        async with loop.thread_at_work():
            await asyncio.to_thread(order.append, name)

    async def steps() -> None:
        for number in range(50):
            await asyncio.sleep(0)
            order.append(f"step {number}")

    async def all_at_once() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        given_up = asyncio.create_task(threaded(loop, "given up"))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(threaded(loop, "one"), threaded(loop, "two"), steps())

    SimClock().run(all_at_once())
    assert order == [*(f"step {number}" for number in range(50)), "one", "two"]


def test_waiting_for_nothing_is_an_error_and_not_a_hang():
    with pytest.raises(Stuck):
        SimClock().run(asyncio.Event().wait())


def test_a_world_forgets_its_files():
    with World() as world:
        place = world.workspace
        assert place.is_dir()
    assert not place.exists()
