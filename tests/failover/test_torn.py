"""What an asynchronous standby lost is noticed, explained, and not done twice."""

from pathlib import Path

from benchmarks.scale.failing.torn import torn
from benchmarks.scale.failing.twins import Twins


def test_a_payment_that_a_standby_never_heard_of_is_noticed_and_not_made_again(tmp_path: Path):
    with Twins(tmp_path / "servers") as twins:
        come = torn(twins, tmp_path)
        assert come.detected == 2
        assert come.explained
        assert come.fired_twice == 0
        assert come.finished == 2
        assert come.old_primary_refused
        assert come.fired_twice_blind == 1
