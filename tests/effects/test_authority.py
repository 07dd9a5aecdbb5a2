"""Permission is for one act, under one contract, once; what a person forbade stays forbidden."""

from perdure import Contract
from perdure.contract import ApprovalRule, Rule
from perdure.projection.state import State
from perdure.testing import call, say
from perdure.testing.kit import mail_of, pay_of
from tests.orchestrator.bench import Bench

ASK = Contract(approvals=(ApprovalRule(name="all", why="money"),))
ASK_DIFFERENTLY = Contract(approvals=(ApprovalRule(name="all", why="more money"),))
PAY = [call("pay", act="p1"), say("paid")]
MAIL = [call("mail", act="m1"), say("sent")]


def asked(state: State) -> str:
    """Return the one open question."""
    (name,) = (item.id for item in state.world.approvals.values() if item.phase == "asked")
    return name


def approve(bench: Bench, run: str = "run") -> State:
    """Allow what is asked, and drive on."""
    bench.people.approve(run, asked(bench.state(run)), by="operator")
    return bench.resume(run)


def paying(contract: Contract = ASK) -> Bench:
    return Bench(lambda world: (pay_of(world),), PAY, contract=contract)


def mailing(contract: Contract = ASK) -> Bench:
    return Bench(lambda world: (mail_of(world),), MAIL, contract=contract)


def test_an_approval_that_was_used_before_a_rewind_is_not_used_after_it():
    with paying() as bench:
        bench.start()
        assert approve(bench).status == "finished"
        (key,) = bench.state().world.receipts
        bench.people.revert("run", bench.state().world.receipts[key].settled, by="operator")
        assert bench.resume().world.receipts[key].outcome == "compensated"
        state = bench.rewind(bench.position("message.received"))
        assert state.wait == "approval"
        assert bench.world.count("p1") == 1
        assert [item.phase for item in state.world.approvals.values()] == ["used", "asked"]


def test_an_approved_act_that_was_done_is_answered_with_its_receipt_after_a_rewind_and_asked_of_nobody():
    with mailing() as bench:
        bench.start()
        approve(bench)
        state = bench.rewind(bench.position("message.received"))
        assert state.status == "finished"
        assert len(state.world.approvals) == 1
        assert bench.world.counts() == {"m1": 1}


def test_a_grant_for_a_question_from_before_a_rewind_allows_nothing():
    with mailing() as bench:
        question = asked(bench.start())
        bench.people.rewind("run", bench.position("message.received"), by="operator")
        bench.people.approve("run", question, by="operator")
        state = bench.resume()
        assert state.wait == "approval"
        assert state.world.approvals[question].phase == "void"
        assert asked(state) != question
        assert bench.world.counts() == {}


def test_an_approval_does_not_allow_other_arguments():
    with mailing() as bench:
        question = asked(bench.start())
        bench.people.rewind("run", bench.position("message.received"), by="operator")
        bench.model.script = bench.script = [call("mail", act="m2"), say("sent")]
        bench.people.approve("run", question, by="operator")
        state = bench.resume()
        assert state.wait == "approval"
        assert bench.world.counts() == {}
        approve(bench)
        assert bench.world.counts() == {"m2": 1}


def test_an_approval_does_not_hold_under_another_contract():
    with mailing() as bench:
        question = asked(bench.start())
        bench.contract = ASK_DIFFERENTLY
        bench.people.approve("run", question, by="operator")
        state = bench.resume()
        assert state.wait == "approval"
        assert bench.world.counts() == {}
        assert approve(bench).status == "finished"
        assert bench.world.counts() == {"m1": 1}


def test_an_approval_expires():
    with mailing() as bench:
        question = asked(bench.start())
        bench.history.course.clock.pass_ns(8 * 24 * 3600 * 10**9)
        state = bench.resume()
        assert state.world.approvals[question].phase == "expired"
        assert [refusal.rule for refusal in bench.refusals()] == ["expired"]
        assert bench.world.counts() == {}


def test_a_denial_survives_a_rewind():
    with mailing() as bench:
        bench.people.deny("run", asked(bench.start()), by="boss", note="never")
        assert bench.resume().status == "finished"
        state = bench.rewind(bench.position("message.received"))
        assert state.status == "finished"
        assert [refusal.rule for refusal in bench.refusals()] == ["denied", "denied"]
        assert "boss" in bench.refusals()[-1].reason
        assert bench.world.counts() == {}


def test_a_denial_survives_a_fork_from_before_it():
    with mailing() as bench:
        bench.people.deny("run", asked(bench.start()), by="boss")
        bench.resume()
        bench.fork(bench.position("message.received"))
        state = bench.resume("fork")
        assert state.status == "finished"
        assert [refusal.rule for refusal in bench.refusals("fork")] == ["denied"]
        assert "boss" in bench.refusals("fork")[-1].reason
        assert bench.world.counts() == {}


def test_a_fork_carries_no_permission():
    with mailing() as bench:
        bench.start()
        bench.fork(bench.position("approval.requested"))
        bench.people.approve("run", asked(bench.state()), by="operator")
        state = bench.resume("fork")
        assert state.wait == "approval"
        assert bench.world.counts() == {}


def test_a_rule_that_came_with_a_new_contract_is_asked_before_the_approval():
    forbids = Contract(
        approvals=(ApprovalRule(name="all"),),
        rules=(Rule(name="no mail", tools=("mail",), when="args.act == 'm1'"),),
    )
    with mailing() as bench:
        question = asked(bench.start())
        bench.contract = forbids
        bench.people.approve("run", question, by="operator")
        assert bench.resume().status == "finished"
        assert bench.refusals()[0].rule.startswith("rules")
        assert bench.world.counts() == {}
