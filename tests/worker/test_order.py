"""What a fleet that has more to do than places begins with."""

import asyncio
from collections.abc import Sequence

from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of
from perdure.log.placing import ProcessBegun, Summons
from perdure.log.port import Holder, NewRun
from perdure.worker.engine import Again
from perdure.worker.engines import EngineWish
from perdure.worker.engines.procrastinate import made, make_tables


async def served(dsn: str, calls: Sequence[Summons]) -> list[str]:
    """Return the runs of ``calls``, which were asked for in this order, as an engine with one place gives them out."""
    engine = made(EngineWish(dsn, ("doer",), concurrency=1, process="p"))
    for call in calls:
        assert await engine.ask(call)
    given: list[str] = []

    async def look(run: str) -> Again | None:
        given.append(run)
        if len(given) == len(calls):
            engine.stop()
        return None

    await engine.serve(look)
    await engine.close()
    return given


def test_a_run_that_lost_its_process_comes_before_those_that_waited_for_longer(dsn: str):
    make_tables(dsn)
    calls = [Summons(f"new-{n}", "doer") for n in range(5)] + [Summons("broken", "doer", broken_off=True)]
    assert asyncio.run(served(dsn, calls))[0] == "broken"


def test_it_does_not_wait_behind_a_job_of_its_own_from_before(dsn: str):
    make_tables(dsn)
    calls = [Summons("new", "doer"), Summons("broken", "doer"), Summons("broken", "doer", broken_off=True)]
    assert asyncio.run(served(dsn, calls)) == ["broken", "new", "broken"]


def test_a_look_that_takes_only_some_takes_what_was_broken_off(dsn: str, store: Store):
    (base,) = bases_of(dsn)
    base.registry.enter(ProcessBegun("far", 1, "7", "far", "", "0", "procrastinate", {"doer": "1"}, 4))
    for name in ("old-1", "old-2", "broken"):
        store.books.create(NewRun(name, name, "default", 0))
        base.placements.place(name, "doer")
    store.books.acquire("broken", Holder("far", 1, "7", "t"))
    assert {call.run for call in base.placements.called(["doer"], 1, 9)} == {"old-1", "old-2"}
    base.registry.prove("far/1/7", "fenced", "Ada")
    assert list(base.placements.called(["doer"], 1, 1)) == [Summons("broken", "doer", broken_off=True)]
    base.close()
