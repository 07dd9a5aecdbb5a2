"""Runs move from one store to another with their proof whole; at every moment at most one copy can be driven."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from perdure.adapters.memory.store import MemoryStore
from perdure.assembly.stores.copying import Relocating
from perdure.assembly.stores.selecting import units_of
from perdure.log.envelope import Event, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import CounterMoved, NewRun, Post
from perdure.values.errors import BadInput, Held, Moved, PerdureError, RunExists
from tests.conformance.stores import Store, blob, claim, holder, opened_run
from tests.copying.dying import ClaimsLast, DyingStore, ForgetsClaims, Killed, Moments, NoMark
from tests.copying.kit import COUNTER, OWNED, copying, drivable, ends, lived, moved, told

PAIRS = [(first, second) for first in sorted(OWNED) for second in sorted(OWNED)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_copy_is_what_every_reader_was_told_and_its_runs_go_on(first: str, second: str, tmp_path: Path):
    source, target = OWNED[first](tmp_path / "1"), OWNED[second](tmp_path / "2")
    lived(source)
    before = told(source)
    (done,) = moved(source, target)
    assert sorted(done.runs) == ["april", "march", "may"]
    assert (done.events, done.claims) == (10, 3)
    assert told(target) == before == told(source)
    assert (drivable(source), drivable(target)) == (set(), {"march", "april", "may"})
    ends(target)
    source.close()
    target.close()


def test_a_source_says_where_its_runs_went_and_takes_nothing_for_them():
    source, target = MemoryStore(), MemoryStore()
    lived(source)
    moved(source, target)
    refused: list[Callable[[], object]] = [
        lambda: source.acquire("march", holder("w")),
        lambda: source.acquire("march", holder("w"), take_over=True),
        lambda: source.post("march", Post("p7", "timer.fired", msgspec.Raw(b"{}"), 1)),
        lambda: source.create(NewRun("june", "lineage-of-march", "acme", 1, "march", 2)),
    ]
    for call in refused:
        with pytest.raises(Moved, match="moved to TARGET"):
            call()
    assert len(source.read("march")) == 7


def test_runs_come_back_with_what_was_done_since():
    source, target = MemoryStore(), MemoryStore()
    lived(source)
    moved(source, target)
    ends(target)
    after = told(target)
    moved(target, source)
    assert told(source) == after
    assert (drivable(target), drivable(source)) == (set(), {"march", "april", "may"})
    ends(source)


def test_an_unused_copy_is_taken_back_and_a_used_one_is_not():
    source, target = MemoryStore(), MemoryStore()
    lived(source)
    moved(source, target)
    (unit,) = units_of(source, (), ())
    copying(source, target).take_back(unit)
    assert (drivable(source), drivable(target)) == ({"march", "april", "may"}, set())
    moved(source, target)
    ends(target)
    with pytest.raises(BadInput, match="went on in TARGET"):
        copying(source, target).take_back(unit)
    assert (drivable(source), drivable(target)) == (set(), {"march", "april", "may"})


def test_a_run_that_is_driven_is_not_moved_and_nothing_is_marked():
    source, target = MemoryStore(), MemoryStore()
    lived(source)
    lease = source.acquire("may", holder("living"))
    with pytest.raises(Held, match="may"):
        moved(source, target)
    (unit,) = units_of(source, (), ())
    with pytest.raises(Held, match="may"):
        copying(source, target).move(unit)
    assert "march" in drivable(source)
    assert not drivable(target)
    source.release("may", lease.epoch)
    moved(source, target)
    assert len(drivable(target)) == 3


def test_a_name_that_is_taken_in_the_target_is_refused_before_anything_is_marked():
    source, target = MemoryStore(), MemoryStore()
    lived(source)
    lived(target)
    with pytest.raises(RunExists):
        moved(source, target)
    assert len(drivable(source)) == 3


def test_blobs_that_events_name_come_along():
    source, target = MemoryStore(), MemoryStore()
    digest, content = blob(b"x" * 5000)
    writer = opened_run(source)
    body = MessageReceived("m1", "ann", Content(5000, None, digest))
    stored = seal(Event("march", 1, 1000, 1, 0, body), bytes(32))
    source.append(writer.batch(0, blobs=[(digest, content)])._replace(events=[stored])).result()
    source.release("march", 1)
    (done,) = moved(source, target)
    assert (done.blobs, done.blob_bytes) == (1, 5000)
    assert target.get(digest) == content


def test_a_run_takes_its_family_along_and_runs_with_claims_in_common_are_not_parted():
    source = MemoryStore()
    lived(source)
    other = opened_run(source, "july", "w7", "other")
    other.append()
    source.release("july", 1)
    (unit,) = units_of(source, ("july",), ())
    assert unit.runs == ("july",)
    with pytest.raises(BadInput, match="claims in common") as refused:
        units_of(source, ("march",), ())
    assert "--tenant acme" in refused.value.hint
    assert [each.tenant for each in units_of(source, (), ("acme",))] == ["acme"]
    alone = MemoryStore()
    for run in ("march", "may"):
        writer = opened_run(alone, run, run)
        writer.append(writer.batch(opened=[claim(f"k-{run}", scope=f"lineage-of-{run}")]))
        alone.release(run, 1)
    assert [each.runs for each in units_of(alone, ("may",), ())] == [("may",)]


def test_two_stores_merge_and_budgets_add_up_once():
    first, second, target = MemoryStore(), MemoryStore(), MemoryStore()
    lived(first)
    writer = opened_run(second, "other", "w5")
    writer.append(writer.batch(counters=[CounterMoved(COUNTER, 5, 100)]))
    second.release("other", 1)
    moved(first, target)
    moved(second, target)
    assert [seen.used for seen in target.counters([COUNTER])] == [12]
    moved(target, first)
    assert [seen.used for seen in first.counters([COUNTER])] == [12]


def _played(kind: type[Relocating], dies_at: int | None, dies_again: int | None = None) -> tuple[int, str]:
    """Copy with deaths, look at every one, end it; return how many moments there were, and what was wrong."""
    moments = Moments()
    source, target = DyingStore(moments), DyingStore(moments)
    lived(source)
    before = told(source)
    total = 0
    for death in (dies_at, dies_again, None):
        moments.passed, moments.dies_at = 0, death
        try:
            moved(source, target, kind)
        except Killed:
            pass
        except PerdureError as error:
            return total, f"{type(error).__name__}: {error}"
        total = max(total, moments.passed)
        moments.dies_at = None
        wrong = _wrong(source, target, before)
        if wrong:
            return total, wrong
    moments.dies_at = None
    if drivable(target) != {"march", "april", "may"} or told(target) != before:
        return total, "the copy isn't whole in the end"
    try:
        ends(target)
    except AssertionError as error:
        return total, f"the copy doesn't go on as it has to: {error}"
    return total, ""


def _wrong(source: Store, target: Store, before: object) -> str:
    both = drivable(source) & drivable(target)
    if both:
        return f"two copies can be driven: {sorted(both)}"
    if drivable(target) and told(target) != before:
        return "a copy counts before all of it is there"
    return ""


def test_copying_that_is_killed_at_any_moment_goes_on_and_ends_the_same():
    moments, wrong = _played(Relocating, None)
    assert not wrong
    assert moments > 30
    for dies_at in range(1, moments + 1):
        assert not _played(Relocating, dies_at)[1], dies_at


def test_copying_that_is_killed_twice_goes_on_as_well():
    moments, _ = _played(Relocating, None)
    for first in range(1, moments + 1, 3):
        for second in range(1, moments + 1, 4):
            assert not _played(Relocating, first, second)[1], (first, second)


def test_where_a_part_can_not_be_taken_back_all_of_it_stays():
    source, target = MemoryStore(), MemoryStore()
    lived(source)
    moved(source, target)
    (unit,) = units_of(source, (), ())
    # The first in order may be taken back, the last is driven.
    last = unit.runs[-1]
    lease = target.acquire(last, holder("w9"))
    with pytest.raises(Held) as caught:
        copying(source, target).take_back(unit)
    assert "stores exchanged" in caught.value.hint
    assert (drivable(source), drivable(target)) == (set(), {"march", "april", "may"} - {last})
    target.release(last, lease.epoch)
    target.post(last, Post("p9", "timer.fired", msgspec.Raw(b"{}"), 1))
    with pytest.raises(BadInput, match="went on in TARGET"):
        copying(source, target).take_back(unit)
    assert (drivable(source), drivable(target)) == (set(), {"march", "april", "may"})


@pytest.mark.parametrize("kind", [ForgetsClaims, ClaimsLast, NoMark])
def test_copying_that_breaks_a_promise_is_caught(kind: type[Relocating]):
    moments, wrong = _played(kind, None)
    found = [wrong] if wrong else [_played(kind, dies_at)[1] for dies_at in range(1, moments + 1)]
    assert any(found), kind


def test_taking_back_that_is_killed_at_any_moment_ends_the_same():
    for dies_at in range(1, 40):
        moments = Moments()
        source, target = DyingStore(moments), DyingStore(moments)
        lived(source)
        moved(source, target)
        (unit,) = units_of(source, (), ())
        moments.passed, moments.dies_at = 0, dies_at
        with contextlib.suppress(Killed):
            copying(source, target).take_back(unit)
        moments.dies_at = None
        assert not drivable(source) & drivable(target)
        copying(source, target).take_back(unit)
        assert (drivable(source), drivable(target)) == ({"march", "april", "may"}, set())
