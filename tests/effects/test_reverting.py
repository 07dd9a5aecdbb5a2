"""An effect is undone once, by its own undo; an undo is an act that can't be undone in turn."""

import pytest

from perdure.log import events as e
from perdure.testing import call, say
from perdure.testing.kit import pay_of
from perdure.values.errors import NoUndo
from tests.orchestrator.bench import Bench
from tests.orchestrator.test_ending import posted

PAY = [call("pay", act="p1"), say("paid")]


def paid() -> Bench:
    return Bench(lambda world: (pay_of(world),), PAY)


def test_an_effect_is_undone_once_however_often_that_is_asked():
    with paid() as bench:
        at = next(iter(bench.start().world.receipts.values())).settled
        bench.people.revert("run", at, by="ann")
        bench.people.revert("run", at, by="ben")
        bench.resume()
        assert bench.world.counts() == {"p1": 1, "undo p1": 1}
        with pytest.raises(NoUndo):
            bench.people.revert("run", at, by="cho")


def test_an_undo_is_not_undone_by_doing_it_again():
    with paid() as bench:
        bench.people.revert("run", next(iter(bench.start().world.receipts.values())).settled, by="ann")
        state = bench.resume()
        undo = next(item for item in state.world.receipts.values() if item.undoes)
        with pytest.raises(NoUndo):
            bench.people.revert("run", undo.settled, by="ann")
        posted(bench, e.ChangeReverted(undo.settled, undo.key, "somebody who didn't ask"))
        bench.resume()
        assert bench.world.counts() == {"p1": 1, "undo p1": 1}


def test_what_was_undone_may_be_done_again_and_undone_again():
    with paid() as bench:
        start = bench.start()
        bench.people.revert("run", next(iter(start.world.receipts.values())).settled, by="ann")
        bench.resume()
        state = bench.rewind(bench.position("message.received"))
        assert bench.world.counts() == {"p1": 2, "undo p1": 1}
        again = next(
            item for item in state.world.receipts.values() if item.outcome == "succeeded" and not item.undoes
        )
        bench.people.revert("run", again.settled, by="ann")
        bench.resume()
        assert bench.world.counts() == {"p1": 2, "undo p1": 2}
