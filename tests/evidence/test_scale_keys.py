"""The evidence of a fleet prints all that its issue asks for, and each key comes from one part."""

from benchmarks.evidence_scale import PARTS

ISSUE = {
    "workers",
    "runs",
    "faults",
    "faults_in_flight",
    "failovers",
    "lost",
    "duplicates",
    "stranded",
    "needless_stops",
    "stale_writes_accepted",
    "async_promotion_detected",
    "broken_builds_caught",
    "x_dbos_32",
    "x_langgraph_32",
    "takeover_s",
    "feed_missed",
    "parked_runs",
    "claim_ms_parked",
}


def test_the_evidence_of_a_fleet_has_every_key_of_its_issue_once():
    keys = [key for _, _, named in PARTS for key in named]
    assert set(keys) >= ISSUE
    assert len(keys) == len(set(keys))
