"""Calls of a foreign client: judged, done once, answered, whatever becomes of the client."""

import asyncio
from pathlib import Path

import pytest

from perdure.assembly.foreign import sessions
from perdure.assembly.foreign.answering import Answer, Asked, Waiting
from perdure.assembly.foreign.sessions import Session
from perdure.assembly.store import open_store
from perdure.contract import ApprovalRule, Contract
from perdure.driver import drive
from perdure.driver.port import InDoubt, Undone
from perdure.log import events as e
from perdure.values.errors import Broken
from tests.sessions.ground import Bank, of, played, session, sound


def pay(name: str, invoice: str = "INV-1", reference: str = "r", tool: str = "bank__pay") -> Asked:
    return Asked(name, tool, {"invoice": invoice, "reference": reference})


async def told(opened: Session, asked: Asked, patience: float = 0) -> Answer:
    return await opened.call(asked, patience=patience)


def kinds(place: Path, run: str = "one") -> list[str]:
    with open_store(place) as store:
        return [type(event.body).__name__ for event in store.inspector.events(run)]


def test_a_call_is_done_and_answered_and_the_same_name_is_the_same_call(tmp_path: Path):
    bank = Bank()

    async def story() -> tuple[Answer, Answer]:
        async with session(tmp_path / "store", bank) as opened:
            return await told(opened, pay("a.1")), await told(opened, pay("a.1"))

    first, again = played(story())
    assert first.kind == again.kind == "succeeded"
    assert first == again
    assert of("bank__pay", bank) == 1
    assert kinds(tmp_path / "store") == [
        "RunOpened", "LeaseAcquired", "CallReceived", "IntentionProposed", "EffectStarted", "EffectSettled"
    ]  # fmt: skip
    sound(tmp_path / "store")


def test_an_identity_is_paid_once_and_a_repeat_without_one_is_a_new_act(tmp_path: Path):
    bank = Bank()

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            calls = [pay("1"), pay("2"), pay("3", tool="bank__send"), pay("4", tool="bank__send")]
            return [(await told(opened, each)).kind for each in calls]

    assert played(story()) == ["succeeded", "replayed", "succeeded", "succeeded"]
    assert (of("bank__pay", bank), of("bank__send", bank)) == (1, 2)
    sound(tmp_path / "store")


def test_after_a_client_went_back_an_equal_call_gets_its_receipt_and_a_differing_one_asks(tmp_path: Path):
    bank = Bank()

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            before = opened.state.position
            first = await told(opened, pay("1", tool="bank__send"))
            await opened.went_back(before, "the client was cut back")
            equal = await told(opened, pay("2", tool="bank__send"))
            await opened.went_back(before, "once more")
            other = await told(opened, pay("3", reference="~{x}", tool="bank__send"))
            return [first.kind, equal.kind, other.kind]

    assert played(story()) == ["succeeded", "replayed", "waits"]
    assert of("bank__send", bank) == 1
    sound(tmp_path / "store")


def test_a_grant_waits_for_the_same_call_and_never_fires_by_itself(tmp_path: Path):
    bank = Bank()

    async def story() -> tuple[Answer, int, Answer]:
        async with session(tmp_path / "store", bank) as opened:
            before = opened.state.position
            await told(opened, pay("1", tool="bank__send"))
            await opened.went_back(before, "cut")
            waits = await told(opened, pay("2", reference="new", tool="bank__send"))
            await opened.decide(waits.approval, grant=True, by="ann")
            await opened.tell(e.MessageReceived("m", "ann", e.Content(2, "hi")))
            fired = of("bank__send", bank)
            return waits, fired, await told(opened, pay("3", reference="new", tool="bank__send"))

    waits, fired, again = played(story())
    assert "perdure approve one " in waits.text
    assert fired == 1
    assert again.kind == "succeeded"
    assert of("bank__send", bank) == 2
    sound(tmp_path / "store")


def test_who_is_asked_at_once_leads_the_call_on(tmp_path: Path):
    bank = Bank()

    async def story() -> str:
        async with session(tmp_path / "store", bank) as opened:
            before = opened.state.position
            await told(opened, pay("1", tool="bank__send"))
            await opened.went_back(before, "cut")

            async def decide(waiting: Waiting) -> None:
                await opened.decide(waiting.approval, grant=True, by="ann")

            return (
                await opened.call(pay("2", reference="n", tool="bank__send"), patience=60, on_wait=decide)
            ).kind

    assert played(story()) == "succeeded"


def test_a_deed_in_doubt_is_said_and_blocks_its_equals_until_it_is_settled(tmp_path: Path):
    bank = Bank()
    bank.otherwise["bank__pay"] = InDoubt("the connection broke", ended=True)

    async def story() -> list[Answer]:
        async with session(tmp_path / "store", bank) as opened:
            first = await told(opened, pay("1"), 60)
            equal = await told(opened, pay("2", reference="other"), 60)
            free = await told(opened, pay("3", invoice="INV-2"), 60)
            return [first, equal, free]

    first, equal, free = played(story())
    assert [first.kind, equal.kind] == ["doubt", "doubt"]
    assert "perdure settle one" in first.text
    assert "equal call" in equal.text
    assert free.kind == "doubt"
    assert of("bank__pay", bank) == 2
    sound(tmp_path / "store")


def test_a_refusal_of_the_server_is_no_deed_and_may_be_tried_again(tmp_path: Path):
    bank = Bank()
    bank.otherwise["bank__pay"] = Undone("no such account")

    async def story() -> tuple[Answer, Answer]:
        async with session(tmp_path / "store", bank) as opened:
            first = await told(opened, pay("1"))
            bank.otherwise.clear()
            return first, await told(opened, pay("2"))

    first, second = played(story())
    assert (first.kind, first.text) == ("failed", "no such account")
    assert second.kind == "succeeded"


def test_a_slow_call_holds_up_no_other(tmp_path: Path):
    bank = Bank()
    bank.holds["bank__send"] = asyncio.Event()

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            slow = asyncio.create_task(told(opened, pay("1", tool="bank__send")))
            await bank.begun.wait()
            quick = await told(opened, pay("2"))
            assert not slow.done()
            bank.holds["bank__send"].set()
            return [quick.kind, (await slow).kind]

    assert played(story()) == ["succeeded", "succeeded"]
    sound(tmp_path / "store")


def test_what_a_client_does_itself_is_judged_and_recorded(tmp_path: Path):
    bank = Bank()

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            one = Asked("h.1", "client__bash", {"command": "ls"}, via="hook")
            may = await told(opened, one)
            await opened.client_did("h.1", "succeeded", '"a b c"')
            return [may.kind, (await told(opened, one)).text]

    assert played(story()) == ["allowed", '"a b c"']
    assert bank.done == []
    sound(tmp_path / "store")


def test_an_unknown_tool_and_unfit_arguments_are_refused_in_words(tmp_path: Path):
    async def story() -> Answer:
        async with session(tmp_path / "store", Bank()) as opened:
            return await told(opened, Asked("1", "bank__burn", {}))

    answer = played(story())
    assert answer.kind == "refused"
    assert "there is no tool 'bank__burn'" in answer.text


def test_a_run_that_is_taken_up_again_knows_its_calls(tmp_path: Path):
    bank = Bank()

    async def one() -> Answer:
        async with session(tmp_path / "store", bank) as opened:
            return await told(opened, pay("1"))

    async def two() -> tuple[bool, Answer, Answer]:
        async with session(tmp_path / "store", bank) as opened:
            return opened.resumed, await told(opened, pay("1")), await told(opened, pay("2", reference="x"))

    first = played(one())
    resumed, same, equal = played(two())
    assert resumed
    assert same == first
    assert equal.kind == "replayed"
    assert of("bank__pay", bank) == 1
    sound(tmp_path / "store")


def test_a_call_behind_which_the_client_went_back_is_let_go_of_and_its_deed_is_remembered(tmp_path: Path):
    bank = Bank()
    bank.holds["bank__send"] = asyncio.Event()

    async def story() -> tuple[Answer, Answer]:
        async with session(tmp_path / "store", bank) as opened:
            before = opened.state.position
            slow = asyncio.create_task(told(opened, pay("1", tool="bank__send")))
            await bank.begun.wait()
            await opened.went_back(before, "cut")
            gone = await slow
            again = asyncio.create_task(opened.call(pay("2", tool="bank__send"), patience=60))
            bank.holds["bank__send"].set()
            return gone, await again

    gone, again = played(story())
    assert gone.kind == "gone"
    assert again.kind == "replayed"
    assert of("bank__send", bank) == 1
    sound(tmp_path / "store")


def test_a_session_that_ends_puts_a_deed_that_hangs_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sessions, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(drive, "GRACE_SECONDS", 0.05)
    bank = Bank()
    bank.holds["bank__pay"] = asyncio.Event()

    async def one() -> None:
        async with session(tmp_path / "store", bank) as opened:
            hangs = asyncio.create_task(told(opened, pay("1")))
            await bank.begun.wait()
        with pytest.raises(Broken):
            await hangs

    async def two() -> Answer:
        async with session(tmp_path / "store", bank) as opened:
            return await told(opened, pay("1"))

    played(one())
    assert played(two()).kind == "doubt"
    sound(tmp_path / "store")


def test_a_call_in_doubt_that_is_made_again_is_that_call_and_one_that_differs_is_a_question(tmp_path: Path):
    bank = Bank()
    bank.otherwise["bank__send"] = InDoubt("the server died", ended=True)

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            first = await told(opened, pay("1", tool="bank__send"))
            bank.otherwise.clear()
            equal = await told(opened, pay("2", tool="bank__send"))
            other = await told(opened, pay("3", tool="bank__send", reference="~"))
            return [first.kind, equal.kind, other.kind]

    assert played(story()) == ["doubt", "doubt", "waits"]
    assert of("bank__send", bank) == 1
    sound(tmp_path / "store")


def test_a_doubt_that_a_person_settles_answers_the_call_when_it_is_made_again(tmp_path: Path):
    bank = Bank()
    bank.otherwise["bank__send"] = InDoubt("the server died", ended=True)

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            first = await told(opened, pay("1", tool="bank__send"))
            bank.otherwise.clear()
            await opened.tell(e.EffectSettled(first.key, "succeeded", e.Content(2, "{}"), by="ann"))
            equal = await told(opened, pay("2", tool="bank__send"))
            meant = await told(opened, pay("3", tool="bank__send"))
            return [equal.kind, meant.kind]

    assert played(story()) == ["replayed", "succeeded"]
    assert of("bank__send", bank) == 2
    sound(tmp_path / "store")


@pytest.mark.parametrize("tool", ["client__bash", "bank__look"])
def test_a_grant_for_what_is_named_by_its_place_waits_for_the_same_call_and_counts_once(
    tmp_path: Path, tool: str
):
    rule = ApprovalRule("looks", tools=(tool,))

    def look(name: str) -> Asked:
        return Asked(name, tool, {"command": "rm -r /"}, via="hook")

    async def story() -> list[str]:
        async with session(tmp_path / "store", Bank(), contract=Contract(approvals=(rule,))) as opened:
            first = await told(opened, look("1"))
            await opened.decide(first.approval, grant=True, by="ann")
            again, third = await told(opened, look("2")), await told(opened, look("3"))
            await opened.decide(third.approval, grant=False, by="ann")
            return [first.kind, again.kind, third.kind, (await told(opened, look("4"))).kind]

    first, again, third, denied = played(story())
    assert (first, third, denied) == ("waits", "waits", "refused")
    assert again in {"allowed", "succeeded"}
    sound(tmp_path / "store")


@pytest.mark.parametrize("grant", [True, False], ids=["another act", "the same act"])
def test_what_a_person_says_of_a_repeat_is_kept_and_no_later_payment_is_asked_about_for_it(
    tmp_path: Path, grant: bool
):
    """Denied, it was the act before: the next one is meant. Allowed, the act before may still be asked for again."""
    bank = Bank()

    async def story() -> list[str]:
        async with session(tmp_path / "store", bank) as opened:
            before = opened.state.position
            await told(opened, pay("1", tool="bank__send"))
            await opened.went_back(before, "cut")
            again = await told(opened, pay("2", reference="~", tool="bank__send"))
            await opened.decide(again.approval, grant=grant, by="ann")
            meant = await told(opened, pay("3", invoice="INV-2", tool="bank__send"))
            very_same = await told(opened, pay("4", tool="bank__send"))
            return [meant.kind, very_same.kind]

    assert played(story()) == ["waits" if grant else "succeeded", "replayed"]
    assert of("bank__send", bank) == (1 if grant else 2)
    sound(tmp_path / "store")
