"""A worker of whom nothing is seen any more doesn't live on."""

import threading
from collections.abc import Iterator

import pytest

import perdure
from perdure.assembly.stores.fleet import Base, bases_of, begun_here
from perdure.worker.pulse import JUDGED, Bounds, Pulse


@pytest.fixture
def base(dsn: str) -> Iterator[Base]:
    perdure.open(dsn).close()
    (found,) = bases_of(dsn)
    yield found
    found.close()


def test_a_process_whose_signs_of_life_end_for_any_reason_ends(base: Base):
    ends: list[int] = []
    ended = threading.Event()
    said: list[str] = []

    def end(code: int) -> None:
        ends.append(code)
        ended.set()

    def broken(_: str) -> int:
        raise KeyError("a fault of ours")

    begun = begun_here(address="", version="0", engine="none", agents={}, concurrency=1)
    pulse = Pulse(
        [base],
        begun,
        bounds=Bounds(beat=0.01),
        driving=broken,
        tell=lambda event, **_: said.append(event),
        end=end,
    )
    pulse.begin()
    assert ended.wait(60)
    pulse.close(how="")
    assert ends == [JUDGED]
    assert said == ["worker.broke"]
