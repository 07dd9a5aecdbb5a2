"""Whatever is changed in the file behind perdure's back, `verify` tells; the harness tries every way."""

from pathlib import Path

import pytest

import perdure
from benchmarks.harness.tampering import Verdict, make, try_all


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return list(try_all())


def test_every_tampering_is_detected(verdicts: list[Verdict]):
    assert len(verdicts) >= 20
    assert [each.name for each in verdicts if not each.detected] == []


def test_what_is_said_names_the_place_or_the_thing(verdicts: list[Verdict]):
    for each in verdicts:
        assert any(word in each.said for word in ("march", "position", "claim", "blob", "event")), each


def test_an_untouched_store_is_in_order(tmp_path: Path):
    make(tmp_path / "store")
    with perdure.open(tmp_path / "store") as store:
        for row in store.runs():
            head = f"{row.position}:{row.head.hex()}"
            assert store.verify(row.run, head=head).ok
            assert store.replay(row.run).difference is None
