"""Failovers with a real primary and a real streaming standby: what is lost, what is noticed, what is done twice.

``python -m benchmarks.scale.failover`` prints the figures as JSON, in less than a minute. The stories stand in
``benchmarks.scale.failing``; the figures of their broken builds must not be zero.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.scale.failing.kept import interrupted, kept
from benchmarks.scale.failing.torn import torn
from benchmarks.scale.failing.twins import Twins


def failovers(place: Path) -> dict[str, int | bool]:
    """Return what a run of all stories counts."""
    with Twins(place / "kept") as twins:
        come = kept(twins)
    with Twins(place / "believing") as twins:
        twins.synchronous()
        sound = interrupted(twins, "cancelled", "pg_cancel_backend")
        broken = interrupted(twins, "believed", "pg_cancel_backend", broken=True)
    with Twins(place / "torn") as twins:
        lost = torn(twins, place)
    return {
        "failovers": come.failovers + 2,
        "acknowledged": come.acknowledged,
        "lost": come.lost + sound.lost,
        "duplicates": come.duplicates + lost.fired_twice,
        "needless_stops": come.stopped + come.lossy,
        "async_promotion_detected": lost.detected == 2 and lost.explained,
        "old_primary_refused": lost.old_primary_refused,
        "lost_by_believing": broken.lost,
        "fired_twice_blind": lost.fired_twice_blind,
        "broken_builds_caught": int(broken.lost > 0) + int(lost.fired_twice_blind > 0),
    }


def main() -> int:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="perdure-failover-") as place:
        sys.stdout.write(json.dumps(failovers(Path(place))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
