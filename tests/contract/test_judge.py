"""The judge: the first refusal wins, and its reason is one that a model can act on."""

from typing import cast

import pytest
from msgspec.structs import replace

from perdure.contract import (
    Allowed,
    ApprovalNeed,
    ApprovalRule,
    Budget,
    Contract,
    Reach,
    Redaction,
    Refusal,
    Rule,
    ToolRules,
    check_arguments,
    divergence,
    judge,
    redact,
)
from perdure.contract.conditions import Condition, Undecided, value_of
from perdure.contract.vocabulary import Scene
from perdure.intention.declaration import Declaration, Definition
from perdure.intention.identity import digest_of
from perdure.values.digest import Json
from perdure.values.errors import BadContract
from tests.contract.agents import AGENT, PAY, WHERE, allowed, bill, figures, judged, law_of, refused

DAY = 86_400 * 10**9


def test_without_a_contract_every_declared_tool_is_allowed_with_arguments_that_fit():
    law = law_of()
    assert judged(law, "pay", bill()) == Allowed((), None)
    refusal = refused(judged(law, "pay", {"invoice": "R-1"}))
    assert (refusal.rule, refusal.reason) == ("arguments", '"amount_cents" is a required property')
    takes, _, fields = refusal.hint.partition(" takes ")
    assert takes == "pay"
    assert {"invoice", "amount_cents", "currency", "note (may be left out)"} <= set(fields.split(", "))


def test_a_tool_that_nobody_declared_is_refused_with_the_nearest_name():
    law = law_of()
    unknown = Declaration("pya")
    expected = Refusal("tool", "there is no tool 'pya'", "did you mean 'pay'?")
    assert judge(law, unknown, {}, figures(), WHERE) == expected
    assert check_arguments(law, "pya", {}) == expected


def test_check_arguments_names_the_place_of_each_fault_and_counts_the_rest():
    law = law_of()
    assert check_arguments(law, "pay", bill()) is None
    refusal = refused(check_arguments(law, "pay", bill(to={"iban": 5, "name": 5}, tags=["a", 5], urgent=1)))
    assert 'to.iban: 5 is not of type "string"' in refusal.reason
    assert refusal.reason.endswith("; and 1 more")
    assert (
        'tags[1]: 5 is not of type "string"'
        in refused(check_arguments(law, "pay", bill(tags=["a", 5]))).reason
    )


def test_a_fault_in_a_huge_argument_is_told_briefly():
    refusal = refused(check_arguments(law_of(), "pay", bill(urgent="x" * 10_000)))
    assert len(refusal.reason) < 250


@pytest.mark.parametrize(
    ("contract", "tool", "rule"),
    [
        (Contract(allow=("read_*", "pay")), "fetch", "allow"),
        (Contract(allow=()), "pay", "allow"),
        (Contract(deny=("pay",)), "pay", "deny"),
        (Contract(allow=("pay",), deny=("p*",)), "pay", "deny"),
        (Contract(allow=("pay",)), "pay", ""),
        (Contract(allow=("*",), deny=("x*",)), "pay", ""),
    ],
)
def test_tools_are_allowed_and_denied_by_name_and_denied_wins(contract, tool, rule):
    arguments = bill() if tool == "pay" else {}
    verdict = judged(law_of(contract), tool, arguments)
    assert (verdict.rule if isinstance(verdict, Refusal) else "") == rule


def test_a_contract_narrows_the_arguments_of_a_tool():
    law = law_of(
        Contract(tools={"pay": ToolRules(arguments={"properties": {"amount_cents": {"maximum": 500}}})})
    )
    allowed(judged(law, "pay", bill(500)))
    refusal = refused(judged(law, "pay", bill(501)))
    assert refusal.reason == "amount_cents: 501 is greater than the maximum of 500"


REACH = Contract(
    reach=Reach(read=("**", "!**/.env"), write=("src/**",), hosts=("api.example.com",)),
    tools={
        "read_file": ToolRules(reads=("path", "edits.path")),
        "write_file": ToolRules(writes=("path", "edits.path"), reach=Reach(write=("src/a/**",))),
        "fetch": ToolRules(connects=("url",)),
    },
)


@pytest.mark.parametrize(
    ("tool", "arguments", "rule"),
    [
        ("read_file", {"path": "a/b"}, ""),
        ("read_file", {}, ""),
        ("read_file", {"path": "a/.env"}, "reach.read"),
        ("read_file", {"path": "../b"}, "reach.read"),
        ("read_file", {"edits": [{"path": "a"}, {"path": ".ENV"}]}, "reach.read"),
        ("read_file", {"edits": [{"path": "a"}, {}]}, ""),
        ("write_file", {"path": "src/a/b"}, ""),
        ("write_file", {"path": "src/b"}, "reach.write"),
        ("write_file", {"path": "lib/a"}, "reach.write"),
        ("write_file", {"path": "src/a/b", "edits": [{"path": "src/c"}]}, "reach.write"),
        ("fetch", {"url": "https://api.example.com/x"}, ""),
        ("fetch", {"url": "https://api.example.com@evil.org/x"}, "reach.hosts"),
    ],
)
def test_reach_holds_for_the_arguments_that_name_paths_and_hosts(tool, arguments, rule):
    verdict = judged(law_of(REACH), tool, arguments)
    assert (verdict.rule if isinstance(verdict, Refusal) else "") == rule


def test_a_refused_path_is_quoted_with_what_may_be_touched_instead():
    refusal = refused(judged(law_of(REACH), "write_file", {"path": "src/b"}))
    assert refusal.reason == "'path' is 'src/b', which may not be written"
    assert refusal.hint == "what may be written: src/a/**"


def test_a_default_that_the_tool_would_use_is_judged_too():
    tool = Declaration(
        "ls", schema={"type": "object", "properties": {"path": {"type": "string", "default": "/"}}}
    )
    contract = Contract(reach=Reach(read=("**",)), tools={"ls": ToolRules(reads=("path",))})
    law = law_of(contract, Definition("a", "", "", (tool,)))
    assert judge(law, tool, {"path": "x"}, figures(), WHERE) == Allowed((), None)
    assert refused(judge(law, tool, {}, figures(), WHERE)).rule == "reach.read"


def test_an_argument_that_should_be_a_path_and_is_no_text_is_refused():
    tool = Declaration("rm", schema={"type": "object", "properties": {"path": {}}})
    contract = Contract(reach=Reach(write=("**",)), tools={"rm": ToolRules(writes=("path",))})
    law = law_of(contract, Definition("a", "", "", (tool,)))
    shapeless: list[Json] = [5, {"path": "x"}, [5], True]
    fine: list[Json] = ["x", ["x", "y"], None]
    for value in shapeless:
        assert refused(judge(law, tool, {"path": value}, figures(), WHERE)).rule == "reach.write"
    for value in fine:
        allowed(judge(law, tool, {"path": value}, figures(), WHERE))


def test_a_rule_says_what_it_requires_and_what_it_saw():
    law = law_of(
        Contract(rules=(Rule("small", ("pay",), require="args.amount_cents <= 500", hint="split it"),))
    )
    refusal = refused(judged(law, "pay", bill(501)))
    assert refusal == Refusal(
        "rules.small",
        "the rule 'small' for pay requires `args.amount_cents <= 500`; here args.amount_cents is 501",
        "split it",
    )


def test_a_rule_with_only_when_forbids_and_may_speak_for_itself():
    law = law_of(Contract(rules=(Rule("dollars", ("pay",), when="args.currency == 'USD'"),)))
    allowed(judged(law, "pay", bill()))
    assert (
        "forbids it when `args.currency == 'USD'`" in refused(judged(law, "pay", bill(currency="USD"))).reason
    )
    told = Rule("dollars", ("pay",), when="args.currency == 'USD'", reason="We pay in euros.")
    assert (
        refused(judged(law_of(Contract(rules=(told,))), "pay", bill(currency="USD"))).reason
        == "We pay in euros."
    )


def test_the_first_refusal_wins_in_the_order_that_the_reference_gives():
    broken = Contract(
        deny=("pay",),
        tools={
            "pay": ToolRules(arguments={"properties": {"note": {"maxLength": 1}}}, amount="args.amount_cents")
        },
        rules=(
            Rule("one", ("pay",), require="args.amount_cents < 1"),
            Rule("two", ("pay",), when="state.turns == 0"),
        ),
        budgets=(Budget("b", "spend", 0),),
        repeat=1,
    )
    now = figures(repeats=lambda _tool, _digest: 9)
    arguments = bill(note="long")
    mended = [
        broken,
        broken := replace(broken, deny=()),
        broken := replace(broken, tools={"pay": ToolRules(amount="args.amount_cents")}),
        broken := replace(broken, rules=broken.rules[1:]),
        broken := replace(broken, rules=()),
        replace(broken, repeat=None),
    ]
    seen = [refused(judged(law_of(contract), "pay", arguments, now)).rule for contract in mended]
    assert seen == ["deny", "arguments", "rules.one", "rules.two", "repeat", "budgets.b"]


def test_the_same_call_is_let_through_so_many_times_in_a_row_and_then_refused():
    arguments = bill()
    asked: list[tuple[str, str]] = []

    def repeats(count: int):
        def answer(tool: str, digest: str) -> int:
            asked.append((tool, digest))
            return count

        return answer

    law = law_of(Contract(repeat=2, tools={"fetch": ToolRules(repeat=5)}))
    allowed(judged(law, "pay", arguments, figures(repeats=repeats(1))))
    refusal = refused(judged(law, "pay", arguments, figures(repeats=repeats(2))))
    assert (refusal.rule, "2 times in a row" in refusal.reason) == ("repeat", True)
    allowed(judged(law, "fetch", {}, figures(repeats=repeats(4))))
    refused(judged(law, "fetch", {}, figures(repeats=repeats(5))))
    assert asked[0] == ("pay", digest_of(arguments))


def test_an_approval_is_asked_for_where_its_condition_holds_and_the_first_that_holds_is_asked():
    law = law_of(
        Contract(
            approvals=(
                ApprovalRule(
                    "huge", ("pay",), when="args.amount_cents > 10000", who="board", expires="1d", why="huge"
                ),
                ApprovalRule("large", ("pay",), when="args.amount_cents > 100", who="treasurer"),
            )
        )
    )
    assert allowed(judged(law, "pay", bill(100))).approval is None
    assert allowed(judged(law, "pay", bill(20000))).approval == ApprovalNeed("huge", "board", DAY)
    need = allowed(judged(law, "pay", bill(101))).approval
    assert need == ApprovalNeed(
        "the contract's 'large' asks for it; here args.amount_cents is 101", "treasurer", 7 * DAY
    )


def test_an_approval_that_can_not_be_decided_refuses():
    approval = ApprovalRule("odd", ("pay",), when="10 / (args.amount_cents - 5) > 0")
    refusal = refused(judged(law_of(Contract(approvals=(approval,))), "pay", bill(5)))
    assert refusal.rule == "approvals.odd"
    assert "divide by zero" in refusal.reason


def test_the_contract_decides_divergence_over_the_declaration():
    assert divergence(law_of(), PAY) == "ask"
    assert divergence(law_of(Contract(tools={"pay": ToolRules(on_divergence="refuse")})), PAY) == "refuse"
    assert divergence(law_of(), Declaration("unknown", on_divergence="ask")) == "ask"


def test_redaction_replaces_every_match_and_names_its_kind():
    law = law_of(
        Contract(
            redact=(
                Redaction(r"\b\d{4}(?: ?\d{4}){3}\b", "card"),
                Redaction(r"sk-\w+"),
                Redaction("x", r"\1"),
            )
        )
    )
    text = "card 4111 1111 1111 1111 and key sk-abc, twice: sk-def"
    assert redact(law, text) == "card [redacted:card] and key [redacted], twice: [redacted]"
    assert redact(law, "x") == r"[redacted:\1]"
    assert redact(law_of(), text) == text


def test_a_broken_judge_that_takes_undecided_for_true_lets_the_call_through(monkeypatch: pytest.MonkeyPatch):
    """A bite: these truths would see a judge that fails open."""
    law = law_of(Contract(rules=(Rule("r", ("pay",), require="10 / (args.amount_cents - 5) > 0"),)))
    refused(judged(law, "pay", bill(5)))

    def careless(program: Condition, scene: Scene) -> bool | int | Undecided:
        value = value_of(program, scene)
        return True if isinstance(value, Undecided) else value

    monkeypatch.setattr("perdure.contract.judging.value_of", careless)
    allowed(judged(law, "pay", bill(5)))


def test_a_law_refuses_a_contract_whose_parts_have_other_types():
    with pytest.raises(BadContract, match=r"deny: expected `array`, got `str`"):
        law_of(Contract(deny=cast("tuple[str, ...]", cast("object", "pay"))))
    assert law_of(Contract(deny=("read_file",))).definition == AGENT
