"""What people do to runs: approve, deny, settle, rewind, fork, revert, adopt."""

from pathlib import Path
from typing import Literal

import pytest

import perdure
from perdure.adapters.tools.tool import AnyTool
from perdure.contract import ApprovalRule, Budget, Contract, ToolRules
from perdure.intention.reply import Reply
from perdure.testing.scripted import Line, call, last_answer, say
from perdure.values.errors import AgentChanged, BadPosition, NoUndo, RunExists, Unsettled
from perdure.wire.prompt import Prompt, UserText
from tests.assembly.kit import agent, kinds, look

APPROVED = Contract(approvals=(ApprovalRule(name="ask", tools=("pay",), who="treasurer"),))


class Bank:
    """A world that counts, and that can fail to answer."""

    def __init__(self, scope: Literal["lineage", "tenant"] = "lineage") -> None:
        """Make the one tool, ``pay``."""
        self.paid: list[str] = []
        self.refunded: list[str] = []
        self.silent: bool = False

        def refund(ctx: perdure.Context, receipt: dict[str, str], invoice: str) -> str:
            del ctx
            self.refunded.append(invoice)
            return receipt["paid"]

        @perdure.tool(effect="once", identity=("invoice",), undo=refund, scope=scope, volatile=("reference",))
        async def pay(invoice: str, cents: int, reference: str = "") -> dict[str, str]:
            """Pay an invoice."""
            del cents, reference
            self.paid.append(invoice)
            if self.silent:
                raise ConnectionError("no answer")
            return {"paid": invoice}

        self.pay: AnyTool = pay

    def agent(self, *script: Line, contract: Contract | None = None) -> perdure.Agent:
        """Return an agent of this bank."""
        return agent(*script, tools=(self.pay, look), contract=contract)


PAY_A = call("pay", invoice="a", cents=100, reference="first")


def question(store: perdure.Store, run: str) -> str:
    """Return the open question of the run."""
    (asked,) = [item.id for item in store.state(run).world.approvals.values() if item.phase == "asked"]
    return asked


def test_what_was_approved_is_done_once(tmp_path: Path):
    bank = Bank()
    payer = bank.agent(PAY_A, say("paid"), contract=APPROVED)
    with perdure.open(tmp_path / "s") as store:
        waiting = store.start(payer, "go", run="r").wait(60)
        assert isinstance(waiting, perdure.Waiting)
        assert waiting.why == "approval"
        assert bank.paid == []
        asked = question(store, "r")
        store.approve("r", asked, by="ann")
        assert store.resume(payer, "r").wait(60) == perdure.Finished("r", "paid")
        assert bank.paid == ["a"]
        with pytest.raises(Unsettled, match="used"):
            store.approve("r", asked)


def test_what_was_denied_stays_denied_after_a_rewind(tmp_path: Path):
    bank = Bank()
    payer = bank.agent(PAY_A, lambda prompt: say(last_answer(prompt)), contract=APPROVED)
    with perdure.open(tmp_path / "s") as store:
        store.start(payer, "go", run="r").wait(60)
        store.deny("r", question(store, "r"), by="ann", note="not this month")
        outcome = store.resume(payer, "r").wait(60)
        assert isinstance(outcome, perdure.Finished)
        assert "not this month" in outcome.answer
        store.rewind("r", to=4)
        again = store.resume(payer, "r").wait(60)
        assert isinstance(again, perdure.Finished)
        assert "ann denied" in again.answer
        assert bank.paid == []


def test_an_approval_does_not_outlive_a_rewind(tmp_path: Path):
    bank = Bank()
    payer = bank.agent(PAY_A, say("paid"), contract=APPROVED)
    with perdure.open(tmp_path / "s") as store:
        store.start(payer, "go", run="r").wait(60)
        store.approve("r", question(store, "r"))
        store.rewind("r", to=4)
        waiting = store.resume(payer, "r").wait(60)
        assert isinstance(waiting, perdure.Waiting)
        assert bank.paid == []


def test_a_doubt_about_once_waits_for_a_person_and_is_settled(tmp_path: Path):
    bank = Bank()
    bank.silent = True
    payer = bank.agent(PAY_A, lambda prompt: say(last_answer(prompt)))
    with perdure.open(tmp_path / "s") as store:
        waiting = store.start(payer, "go", run="r").wait(60)
        assert isinstance(waiting, perdure.Waiting)
        assert waiting.why == "doubt"
        (key,) = store.state("r").world.open
        with pytest.raises(Unsettled):
            store.settle("r", "0" * 40, "failed")
        store.settle("r", key[:8], "succeeded", result={"paid": "by the bank's word"}, by="ann")
        outcome = store.resume(payer, "r").wait(60)
        assert isinstance(outcome, perdure.Finished)
        assert "by the bank's word" in outcome.answer
        assert bank.paid == ["a"]


def test_a_person_may_say_that_it_was_not_done_and_have_it_tried_again(tmp_path: Path):
    bank = Bank()
    bank.silent = True
    payer = bank.agent(PAY_A, say("end"))
    with perdure.open(tmp_path / "s") as store:
        store.start(payer, "go", run="r").wait(60)
        (key,) = store.state("r").world.open
        bank.silent = False
        store.settle("r", key, "retry")
        assert store.resume(payer, "r").wait(60) == perdure.Finished("r", "end")
        assert store.state("r").world.receipts[key].send == 2


def test_after_a_rewind_the_world_remembers_and_the_model_is_told(tmp_path: Path):
    bank = Bank()
    told: list[str] = []

    def again(prompt: Prompt) -> Reply:
        told.extend(entry.text for entry in prompt.entries if isinstance(entry, UserText))
        return call("pay", cents=100, reference="other words", invoice="a")

    with perdure.open(tmp_path / "s") as store:
        store.start(bank.agent(PAY_A, say("paid")), "go", run="r").wait(60)
        store.rewind("r", to=4)
        second = bank.agent(again, lambda prompt: say(last_answer(prompt)))
        outcome = store.resume(second, "r").wait(60)
        assert isinstance(outcome, perdure.Finished)
        assert "not done again" in outcome.answer
        assert any("the world did not" in text.lower() and "invoice=a" in text for text in told)
        assert bank.paid == ["a"]
        assert store.verify("r").ok
        assert store.replay("r").difference is None


def test_a_fork_is_fenced_by_what_its_lineage_did_later(tmp_path: Path):
    bank = Bank()
    with perdure.open(tmp_path / "s") as store:
        store.start(bank.agent(PAY_A, say("paid")), "go", run="r").wait(60)
        store.fork("r", at=4, run="f")
        store.resume(bank.agent(PAY_A, say("end")), "f").wait(60)
        assert bank.paid == ["a"]
        assert kinds(store, "f").count("effect.replayed") == 1
        with pytest.raises(RunExists):
            store.fork("r", at=4, run="f")
        with pytest.raises(BadPosition):
            store.fork("r", at=400, run="g")


def test_a_tenants_identity_holds_across_runs(tmp_path: Path):
    bank = Bank("tenant")
    with perdure.open(tmp_path / "s") as store:
        store.start(bank.agent(PAY_A, say("paid")), "go", run="one", tenant="acme").wait(60)
        store.start(bank.agent(PAY_A, say("paid")), "go", run="two", tenant="acme").wait(60)
        store.start(bank.agent(PAY_A, say("paid")), "go", run="three", tenant="other").wait(60)
        assert bank.paid == ["a", "a"]
        assert "memory.learned" in kinds(store, "two")
        assert all(store.verify(run).ok for run in ("one", "two", "three"))
        assert store.replay("two").difference is None


def test_one_effect_is_reverted_by_its_undo_and_may_be_done_again(tmp_path: Path):
    bank = Bank()
    with perdure.open(tmp_path / "s") as store:
        payer = bank.agent(PAY_A, say("paid"))
        store.start(payer, "go", run="r").wait(60)
        (receipt,) = store.state("r").world.receipts.values()
        effect, dependents = store.revert("r", receipt.started)
        assert (effect.key, dependents) == (receipt.key, ())
        store.resume(payer, "r").wait(60)
        assert bank.refunded == ["a"]
        assert store.state("r").world.receipts[receipt.key].outcome == "compensated"
        with pytest.raises(NoUndo):
            store.revert("r", receipt.started)
        store.rewind("r", to=4)
        store.resume(payer, "r").wait(60)
        assert bank.paid == ["a", "a"]
        assert store.verify("r").ok
        assert store.replay("r").difference is None


def test_a_read_has_no_undo(tmp_path: Path):
    with perdure.open(tmp_path / "s") as store:
        store.start(agent(call("look", name="x"), say("end")), "go", run="r").wait(60)
        with pytest.raises(NoUndo):
            store.revert("r", 7)


def test_a_budget_of_the_tenant_holds_under_concurrent_runs(tmp_path: Path):
    bank = Bank()
    daily = Contract(
        tools={"pay": ToolRules(amount="args.cents")},
        budgets=(Budget(name="daily", of="spend", max=300, per="tenant", every="day"),),
    )
    with perdure.open(tmp_path / "s") as store:
        runs = [
            store.start(
                bank.agent(call("pay", invoice=str(n), cents=100), say("end"), contract=daily),
                "go",
                run=f"r{n}",
            )
            for n in range(8)
        ]
        assert all(isinstance(run.wait(60), perdure.Finished) for run in runs)
        assert len(bank.paid) == 3
        assert all(store.replay(run.name).difference is None for run in runs)


def test_another_agent_takes_over_a_run_only_if_it_can(tmp_path: Path):
    bank = Bank()
    bank.silent = True
    with perdure.open(tmp_path / "s") as store:
        store.start(bank.agent(PAY_A, say("end")), "go", run="r").wait(60)
        with pytest.raises(AgentChanged, match="gone"):
            store.resume(agent(say("end")), "r")
        (key,) = store.state("r").world.open
        store.settle("r", key, "succeeded", result={"paid": "a"})
        outcome = store.resume(agent(say("never"), say("new words")), "r").wait(60)
        assert outcome == perdure.Finished("r", "new words")
        assert "contract.adopted" in kinds(store, "r")
        assert store.replay("r").difference is None


def test_the_same_message_is_heard_once(tmp_path: Path):
    asking = agent(call("ask_person", question="well?"), say("end"), tools=(perdure.ask_person,))
    with perdure.open(tmp_path / "s") as store:
        store.start(asking, "go", run="r").wait(60)
        for _ in range(3):
            store.message("r", "yes", name="answer-1")
        assert kinds(store, "r").count("message.received") == 2
