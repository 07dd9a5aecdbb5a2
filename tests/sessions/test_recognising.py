"""What a person says of one call lets no other through, and an act is known by whatever name it was done."""

from pathlib import Path

import msgspec
import pytest

from perdure.assembly.foreign.answering import Answer, Asked, Waiting
from perdure.assembly.foreign.sessions import Foreign, Session
from perdure.assembly.store import open_store
from perdure.contract import ApprovalRule, Contract
from perdure.driver.port import InDoubt
from perdure.log.events import CallReleased
from tests.sessions.ground import SEND, Bank, of, played, session, sound

ASKS = Contract(approvals=(ApprovalRule("payments", ("bank__send",), why="payments are looked at"),))


def send(name: str, invoice: str, reference: str = "r") -> Asked:
    return Asked(name, "bank__send", {"invoice": invoice, "reference": reference})


def test_a_denial_lets_no_other_call_through_that_a_person_is_asked_about(tmp_path: Path):
    """Two were paid behind a cut; asked anew in other words, each is denied, since it was paid."""
    bank = Bank()

    async def story() -> list[Answer]:
        async with session(tmp_path / "store", bank) as opened:
            before = opened.state.position
            for number in (1, 2):
                await opened.call(send(f"a.{number}", f"INV-{number}"), patience=0)
            await opened.went_back(before, "cut")
            asked = [
                await opened.call(send(f"b.{number}", f"INV-{number}", "~"), patience=0) for number in (1, 2)
            ]
            await opened.decide(asked[0].approval, grant=False, by="ann")
            again = await opened.call(send("c.2", "INV-2", "~"), patience=0)
            await opened.decide(again.approval, grant=False, by="ann")
            denied = [
                await opened.call(send(f"d.{number}", f"INV-{number}", "~"), patience=0) for number in (1, 2)
            ]
            return [*asked, again, *denied]

    assert [each.kind for each in played(story())] == ["waits", "waits", "waits", "refused", "refused"]
    assert of("bank__send", bank) == 2
    sound(tmp_path / "store")


async def _with(place: Path, bank: Bank, *asked: Asked, identity: tuple[str, ...] | None) -> list[str]:
    """Go on with the run under another declaration of its tool; return what was answered."""
    declared = msgspec.structs.replace(SEND, identity=identity)
    with open_store(place) as store:
        opened = await Session.open(store, "one", Foreign("wrap:test", (declared,)), bank)
        try:
            if opened.resumed:
                await opened.went_back(2, "the client was killed before it had its answers")
            return [(await opened.call(each, patience=0)).kind for each in asked]
        finally:
            await opened.close()


def test_a_tool_that_is_declared_anew_between_two_sessions_repeats_nothing(tmp_path: Path):
    for first, then in ((None, ("invoice",)), (("invoice",), None), (("invoice",), ("invoice", "reference"))):
        place, bank = tmp_path / f"{first}{then}", Bank()
        begun = played(_with(place, bank, send("a.1", "INV-1"), send("a.2", "INV-2"), identity=first))
        again = played(_with(place, bank, send("b.1", "INV-1"), send("b.2", "INV-2"), identity=then))
        assert (begun, again) == (["succeeded"] * 2, ["replayed"] * 2)
        assert of("bank__send", bank) == 2
        sound(place)


def test_what_is_in_doubt_stays_so_when_its_tool_is_declared_anew(tmp_path: Path):
    bank = Bank()
    bank.otherwise["bank__send"] = InDoubt("no answer", ended=True)
    begun = played(_with(tmp_path, bank, send("a.1", "INV-1"), identity=None))
    again = played(_with(tmp_path, bank, send("b.1", "INV-1"), identity=("invoice",)))
    assert (begun, again) == (["doubt"], ["doubt"])
    assert of("bank__send", bank) == 1


def test_a_call_made_again_while_its_question_is_open_is_told_so_and_is_not_held(tmp_path: Path):
    bank = Bank()

    async def story() -> list[Answer]:
        async with session(tmp_path / "store", bank, contract=ASKS) as opened:
            first = await opened.call(send("1", "INV-1"), patience=0)
            again = await opened.call(send("2", "INV-1"), patience=0)
            other = await opened.call(send("3", "INV-2"), patience=0)
            await opened.decide(first.approval, grant=True, by="ann")
            return [first, again, other, await opened.call(send("4", "INV-1"), patience=0)]

    first, again, other, last = played(story())
    assert (first.kind, again.kind, other.kind, last.kind) == ("waits", "waits", "waits", "succeeded")
    assert first.approval == again.approval != other.approval
    assert of("bank__send", bank) == 1
    sound(tmp_path / "store")


def test_a_person_is_told_what_is_different_where_the_identity_is_the_same(tmp_path: Path):
    bank, why = Bank(), list[str]()

    async def looked(waiting: Waiting) -> None:
        why.append(waiting.why)

    async def story() -> None:
        declared = msgspec.structs.replace(SEND, identity=("invoice",))
        with open_store(tmp_path / "store") as store:
            opened = await Session.open(store, "one", Foreign("wrap:test", (declared,)), bank)
            await opened.call(send("1", "INV-1", "march"), patience=0)
            await opened.call(send("2", "INV-1", "april"), patience=0, on_wait=looked)
            await opened.close()

    played(story())
    assert "invoice=INV-1 reference=april" in why[0]
    sound(tmp_path / "store")


@pytest.mark.parametrize("cut", [True, False], ids=["cut back", "gone while others stay"])
def test_a_grant_from_before_the_act_covers_no_repetition_of_it(tmp_path: Path, cut: bool):
    """Asked for in two wordings, both were allowed while nothing was paid; one was done, and its answer got lost."""
    bank = Bank()

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank, contract=ASKS) as opened:
            wordings = [send("1", "INV-1"), send("2", "INV-1", "~")]
            for each in wordings:
                asked = await opened.call(each, patience=0)
                await opened.decide(asked.approval, grant=True, by="ann")
            before = opened.state.position
            done = await opened.call(send("3", "INV-1"), patience=0)
            if cut:
                await opened.went_back(before, "killed before it had the answer")
            else:
                await opened.tell(CallReleased("3", "killed before it had the answer"))
            again = [await opened.call(send(f"4.{n}", "INV-1", "~" * n), patience=0) for n in (1, 2)]
            very_same = await opened.call(send("5", "INV-1"), patience=0)
            return [done.kind, *(each.kind for each in again), very_same.kind]

    assert played(story()) == ["succeeded", "waits", "waits", "replayed"]
    assert of("bank__send", bank) == 1
    sound(tmp_path / "store")
