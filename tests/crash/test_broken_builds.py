"""Every harness bites: builds that are broken on purpose show what sound ones never do."""

import pytest

from tests.crash.broken import Counts, broken_builds


@pytest.fixture(scope="module")
def counts() -> dict[str, Counts]:
    return broken_builds()


def test_every_broken_build_is_caught(counts: dict[str, Counts]):
    assert {name: found.caught for name, found in counts.items()} == dict.fromkeys(counts, True)
    assert len(counts) >= 6


def test_without_claims_a_rewound_run_does_everything_again(counts: dict[str, Counts]):
    assert counts["claims off"].duplicates > 0


def test_without_fences_eight_resumers_fire_more_than_once(counts: dict[str, Counts]):
    assert counts["fencing off"].duplicates >= 7


def test_a_deed_before_its_record_is_done_twice(counts: dict[str, Counts]):
    assert counts["record after deed"].duplicates > 0


def test_without_syncs_acknowledged_events_are_lost_and_deeds_are_done_twice(counts: dict[str, Counts]):
    assert counts["sync off"].lost > 0
    assert counts["sync off"].duplicates > 0


def test_a_build_that_asks_a_person_everything_stops_without_need(counts: dict[str, Counts]):
    assert counts["a person is asked everything"].needless_stops > 0


def test_a_decision_that_hangs_on_what_no_log_holds_is_seen_by_the_replay(counts: dict[str, Counts]):
    assert counts["decided by what no log holds"].faults > 0
