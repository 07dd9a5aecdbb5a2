"""What goes wrong is drawn from a seed, and every kill finds a payment to hit."""

import pytest

from perdure.demo.agent import SENDS_MAX
from perdure.demo.strikes import (
    Script,
    Strike,
    draw_script,
    hit_by,
    kills_max,
    lost_before,
)

SEEDS = range(300)


def owed_after(script: Script, invoices: int) -> list[int]:
    """Give how many payments are still owed after each strike, if each books all that it lets through."""
    owed, left = invoices - 1, list[int]()
    for strike in script.strikes:
        assert owed > strike.stride, "a strike found nothing to hit"
        owed -= strike.stride + (strike.moment != "unsent")
        left.append(owed)
    return left


@pytest.mark.parametrize(("kills", "invoices"), [(2, 3), (6, 3), (10, 12), (33, 12), (15, 6)])
def test_every_kill_finds_a_payment_to_hit(kills: int, invoices: int) -> None:
    for seed in SEEDS:
        script = draw_script(kills, invoices, seed=seed)
        assert len(script.strikes) + 1 == kills
        assert all(left >= 0 for left in owed_after(script, invoices))


def test_no_payment_is_struck_more_often_than_its_tool_allows() -> None:
    for invoices, seed in ((invoices, seed) for invoices in (3, 4, 6, 12) for seed in SEEDS):
        in_a_row = most = 0
        for strike in draw_script(kills_max(invoices), invoices, seed=seed).strikes:
            in_a_row = in_a_row + 1 if strike.moment == "unsent" and not strike.stride else 1
            most = max(most, in_a_row)
        assert most < SENDS_MAX - 1


def test_most_kills_lie_between_a_promise_and_its_settlement() -> None:
    strikes = [strike for seed in SEEDS for strike in draw_script(10, 12, seed=seed).strikes]
    anywhere = sum(strike.moment == "anywhere" for strike in strikes)
    assert 0 < anywhere < len(strikes) / 3


def test_a_seed_draws_the_same_script_and_another_seed_another() -> None:
    assert draw_script(10, 12, seed=4) == draw_script(10, 12, seed=4)
    assert len({draw_script(10, 12, seed=seed) for seed in SEEDS}) > len(SEEDS) * 0.9


def test_the_payment_that_cannot_be_probed_is_hit_last_and_after_it_was_sent() -> None:
    for seed in SEEDS:
        last = draw_script(3, 4, seed=seed).last
        assert last is not None
        assert last.moment in {"received", "booked"}


def test_a_strike_hits_a_payment_that_is_owed_and_spares_the_express_one() -> None:
    strike = Strike(moment="booked", stride=1)
    assert hit_by(strike, ["A", "B", "X"], "X") == "B"
    assert hit_by(strike, ["B", "X"], "X") == "B"
    assert hit_by(strike, ["X"], "X") == "X"


def test_the_reply_that_is_lost_belongs_to_a_payment_before_the_one_that_is_hit() -> None:
    unlucky = Strike(moment="booked", stride=1, loses=True)
    assert lost_before(unlucky, ["A", "B", "C"], "C") == ("B",)
    assert lost_before(unlucky, ["A", "B"], "A") == ()
    assert lost_before(Strike(moment="booked", stride=1), ["A", "B"], "B") == ()


def test_one_strike_of_each_script_hits_processes_that_go_on_at_once() -> None:
    for kills in (2, 5, 10):
        for seed in SEEDS:
            script = draw_script(kills, 12, seed=seed)
            assert script.last is not None
            assert sorted(strike.rivals for strike in (*script.strikes, script.last))[-2:] == [1, 2]
