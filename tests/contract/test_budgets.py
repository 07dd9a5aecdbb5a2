"""Budgets and rates: counters by name and window, what is reserved, and when to try again."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contract import Allowed, Budget, Contract, Law, Refusal, ToolRules, Where, judge_model
from perdure.contract.budgets import UNBOUNDED, span_of, spelled_span
from perdure.log.events import Reservation
from tests.contract.agents import NOON, WHERE, allowed, bill, figures, judged, law_of, refused

S = 10**9
SPENT = Reservation("lineage:march:spent", 100, UNBOUNDED, shared=True)
WINDOWS = {"never": "0", "day": "19676", "hour": "472236", "minute": "28334160", "90s": "18889440"}


def priced(*budgets: Budget) -> Law:
    return law_of(Contract(tools={"pay": ToolRules(amount="args.amount_cents")}, budgets=budgets))


def test_an_amount_is_always_reserved_on_what_the_lineage_spent():
    assert allowed(judged(priced(), "pay", bill(100))).reservations == (SPENT,)
    fixed = law_of(Contract(tools={"open_tool": ToolRules(amount=7)}))
    assert allowed(judged(fixed, "open_tool", {})).reservations == (
        SPENT.__class__(SPENT.counter, 7, UNBOUNDED, shared=True),
    )
    assert allowed(judged(law_of(), "pay", bill(100))).reservations == ()


@pytest.mark.parametrize("every", list(WINDOWS))
@pytest.mark.parametrize(("per", "owner"), [("run", "march-b"), ("lineage", "march"), ("tenant", "acme")])
def test_a_counter_is_named_by_whose_it_is_the_budget_and_the_window(every, per, owner):
    law = priced(Budget("daily", "spend", 1000, per, every))
    where = Where("march-b", "march", "acme")
    reserved = allowed(judged(law, "pay", bill(100), where=where)).reservations
    counter = f"{per}:{owner}:daily:{WINDOWS[every]}"
    assert reserved == (SPENT, Reservation(counter, 100, 1000, shared=per != "run"))


def test_a_call_beyond_the_budget_is_refused_with_what_is_left_and_when_it_starts_anew():
    law = priced(Budget("daily", "spend", 1000, "tenant", "day", ("pay",)))
    used = {"tenant:acme:daily:19676": 950}
    allowed(judged(law, "pay", bill(50), figures(used=used)))
    refusal = refused(judged(law, "pay", bill(51), figures(used=used)))
    assert refusal == Refusal(
        "budgets.daily",
        "the budget 'daily' allows 1000 per tenant every day: this takes 51, and 950 are used already",
        "try again in 12 h, when it starts anew, or ask for at most 50 now",
    )
    allowed(judged(law, "pay", bill(51), figures(used=used, at=NOON + 12 * 3600 * S)))


def test_a_call_that_could_never_fit_is_not_sent_to_wait():
    law = priced(Budget("daily", "spend", 1000, "tenant", "day"))
    assert "never fits: ask for at most 1000" in refused(judged(law, "pay", bill(1001))).hint


def test_a_budget_that_never_starts_anew_says_so():
    law = priced(Budget("total", "spend", 1000))
    refusal = refused(judged(law, "pay", bill(1), figures(used={"run:march:total:0": 1000})))
    assert "does not start anew" in refusal.hint


def test_a_rate_counts_calls_of_the_tools_it_covers():
    law = law_of(Contract(budgets=(Budget("rate", "calls", 2, "lineage", "minute", ("pay", "read_*")),)))
    counter = f"lineage:march:rate:{NOON // (60 * S)}"
    assert allowed(judged(law, "read_file", {})).reservations == (Reservation(counter, 1, 2, shared=True),)
    assert allowed(judged(law, "fetch", {})).reservations == ()
    refusal = refused(judged(law, "pay", bill(), figures(used={counter: 2}, at=NOON + 15 * S)))
    assert refusal.hint == "try again in 45 s, when it starts anew"


def test_several_budgets_hold_together_and_reserve_together():
    law = priced(
        Budget("a", "spend", 500, "run"), Budget("b", "calls", 9, "run"), Budget("c", "spend", 100, "tenant")
    )
    assert [item.counter for item in allowed(judged(law, "pay", bill(100))).reservations] == [
        "lineage:march:spent", "run:march:a:0", "run:march:b:0", "tenant:acme:c:0",
    ]  # fmt: skip
    assert refused(judged(law, "pay", bill(101))).rule == "budgets.c"


@pytest.mark.parametrize(
    ("amount", "why"),
    [("args.amount_cents - 200", "-100"), ("args.amount_cents * 100000000000000000", str(10**19))],
)
def test_an_amount_below_zero_or_beyond_counting_is_refused(amount: str, why: str):
    law = law_of(Contract(tools={"pay": ToolRules(amount=amount)}, budgets=(Budget("b", "spend", 10),)))
    refusal = refused(judged(law, "pay", bill(100)))
    assert refusal.rule == "amount"
    assert why in refusal.reason or "overflow" in refusal.reason


def test_an_amount_of_nothing_takes_nothing_from_a_budget():
    law = law_of(Contract(tools={"pay": ToolRules(amount=0)}, budgets=(Budget("b", "spend", 10),)))
    assert allowed(judged(law, "pay", bill())).reservations == (
        Reservation(SPENT.counter, 0, UNBOUNDED, shared=True),
    )


@pytest.mark.parametrize(
    ("budget", "below", "at"),
    [
        (Budget("t", "tokens", 100), figures(tokens=99), figures(tokens=100)),
        (Budget("c", "cost", 100), figures(cost=99), figures(cost=100)),
        (Budget("s", "seconds", 100), figures(elapsed_ns=99_999_999_999), figures(elapsed_ns=100 * S)),
        (Budget("n", "turns", 100), figures(turns=99), figures(turns=100)),
    ],
)
def test_the_model_is_not_asked_once_its_budget_is_used_up(budget, below, at):
    law = law_of(Contract(budgets=(budget,)))
    assert judge_model(law, below, WHERE) is None
    refusal = refused(judge_model(law, at, WHERE))
    assert refusal.rule == f"budgets.{budget.name}"
    assert allowed(judged(law, "pay", bill(), at)).reservations == ()


def test_budgets_of_deeds_do_not_keep_the_model_from_being_asked():
    law = priced(Budget("a", "spend", 0), Budget("b", "calls", 0))
    assert judge_model(law, figures(spent=9, calls={"pay": 9}), WHERE) is None


TOKENS = "tenant:acme:t:19676"
COUNTED = "lineage:march:t:counted"


def test_tokens_that_runs_share_are_counted_with_the_next_deed_once():
    law = law_of(Contract(budgets=(Budget("t", "tokens", 1000, "tenant", "day"),)))
    took = allowed(judged(law, "pay", bill(), figures(tokens=300))).reservations
    assert took == (Reservation(TOKENS, 300, 1000, shared=True), Reservation(COUNTED, 300, UNBOUNDED))
    later = figures(tokens=350, used={TOKENS: 700, COUNTED: 300})
    took = allowed(judged(law, "pay", bill(), later)).reservations
    assert [item.amount for item in took] == [50, 50]
    assert allowed(judged(law, "pay", bill(), later._replace(tokens=300))).reservations == ()


def test_a_read_has_no_claim_and_leaves_the_counting_to_the_next_deed():
    law = law_of(Contract(budgets=(Budget("t", "tokens", 1000, "tenant", "day"),)))
    assert allowed(judged(law, "fetch", {}, figures(tokens=300))).reservations == ()


def test_tokens_that_runs_share_stop_model_and_deeds_of_every_run():
    law = law_of(Contract(budgets=(Budget("t", "tokens", 1000, "tenant", "day"),)))
    assert judge_model(law, figures(tokens=299, used={TOKENS: 700}), WHERE) is None
    assert refused(judge_model(law, figures(tokens=300, used={TOKENS: 700}), WHERE)).rule == "budgets.t"
    assert judge_model(law, figures(tokens=300, used={TOKENS: 700, COUNTED: 100}), WHERE) is None
    refused(judged(law, "pay", bill(), figures(tokens=301, used={TOKENS: 700})))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("never", 0),
        ("minute", 60),
        ("hour", 3600),
        ("day", 86400),
        ("week", 604800),
        ("90s", 90),
        ("15 m", 900),
        ("7d", 604800),
    ],
)
def test_spans_of_time_are_words_or_a_number_with_a_unit(text: str, seconds: int):
    assert span_of(text) == seconds * S


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1.5h", "1", "1w", "days", "1d12h", "9999999999s"])
def test_other_spans_are_none(text: str):
    assert span_of(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "2 min"),
        (3600, "1 h"),
        (8000, "2 h 14 min"),
        (90000, "1 d 1 h"),
        (172800, "2 d"),
    ],
)
def test_waits_are_told_in_the_two_largest_units_and_never_too_short(seconds: int, text: str):
    assert spelled_span(seconds * S) == text


# --- properties: a day of calls against plain arithmetic ----------------------------------------------

CALLS = st.lists(
    st.tuples(st.integers(0, 3 * 86400), st.integers(1, 400), st.sampled_from("ab")), max_size=40
)


@given(CALLS, st.sampled_from(["run", "lineage", "tenant"]), st.sampled_from(["day", "hour", "never"]))
def test_no_window_is_ever_overdrawn_and_nothing_that_fits_is_refused(calls, per, every):
    law = priced(Budget("b", "spend", 1000, per, every))
    counters: Counter[str] = Counter()
    truth: Counter[tuple[str, int]] = Counter()
    for seconds, amount, run in sorted(calls):
        at = NOON + seconds * S
        now = figures(at=at, used=counters)
        verdict = judged(law, "pay", bill(amount), now, Where(run, "march", "acme"))
        span = {"day": 86400, "hour": 3600, "never": 10**12}[every]
        window = (run if per == "run" else "", at // S // span)
        fits = truth[window] + amount <= 1000
        assert isinstance(verdict, Allowed) is fits
        if isinstance(verdict, Allowed):
            truth[window] += amount
            for item in verdict.reservations:
                counters[item.counter] += item.amount
                assert counters[item.counter] <= item.limit
    assert all(amount <= 1000 for amount in truth.values())
    assert counters["lineage:march:spent"] == truth.total()


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=20))
def test_shared_tokens_are_counted_exactly_once_however_the_deeds_fall(steps: list[tuple[int, bool]]):
    law = law_of(Contract(budgets=(Budget("t", "tokens", 10**9, "tenant", "day"),)))
    counters: Counter[str] = Counter()
    tokens = 0
    for fresh, deed in [*steps, (0, True)]:
        tokens += fresh
        tool, arguments = ("pay", bill()) if deed else ("fetch", {})
        for item in allowed(judged(law, tool, arguments, figures(tokens=tokens, used=counters))).reservations:
            counters[item.counter] += item.amount
    assert counters[TOKENS] == tokens
