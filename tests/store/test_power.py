"""Power cuts, and syncs that fail: nothing that was acknowledged is lost."""

from perdure.testing.power import power_cuts


def test_a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged():
    power = power_cuts(240)
    assert power.acknowledged > 5000
    assert (power.lost, power.unreadable) == (0, 0)


def test_a_store_that_syncs_less_is_caught():
    for synchronous in ("NORMAL", "OFF"):
        assert power_cuts(120, synchronous).lost > 0, synchronous


def test_after_a_failed_sync_and_a_power_cut_nothing_is_lost_either():
    for seed in range(3):
        power = power_cuts(80, seed=seed, failing=True)
        assert (power.lost, power.unreadable) == (0, 0), seed


def test_a_store_that_trusts_a_failed_sync_is_caught():
    harm = 0
    for seed in range(12):
        power = power_cuts(120, seed=seed, failing=True, trusting=True)
        harm += power.lost + power.unreadable
        if harm:
            break
    assert harm > 0
