"""What `make evidence-core` counts over real processes, with small numbers."""

import pytest

from benchmarks.harness.sigkill import sigkill_figures, takeover_figures


def test_a_run_taken_from_a_stopped_payer_keeps_its_payment_in_doubt_until_the_payer_goes_on() -> None:
    found = takeover_figures()
    assert found["takeover_probes"] >= 2, "the successor looked, also when a payment would be listed"
    assert found["takeover_in_doubt"] == 1
    assert found["takeover_firings_before"] == 0, "the successor sent what the payer may still send"
    assert found["takeover_firings"] == 1


@pytest.mark.soak
def test_forty_kills_of_the_real_agent_neither_repeat_nor_lose_a_payment() -> None:
    found = sigkill_figures(40, seed=7)
    assert found["sigkills"] == 40
    assert found["sigkills_in_flight"] >= 20
    assert (found["bank_duplicates"], found["sigkill_lost"]) == (0, 0)
    assert (found["resumers"], found["firings"]) == (8, 1)
    assert found["bank_duplicates_without_claims"] > 0
