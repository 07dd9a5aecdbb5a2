"""The oracle of the chaos trials sees what is wrong, whichever ledger it shows in."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

import perdure
from benchmarks.scale.chaos.agent import BANK, BOOK, PAYER
from benchmarks.scale.chaos.aim import has_flight
from benchmarks.scale.chaos.course import Fault
from benchmarks.scale.chaos.jobs import TENANT, Job, Step, drawn_jobs, message_of
from benchmarks.scale.chaos.journal import Acked, Called, Entry, Got, Journal, Turned
from benchmarks.scale.chaos.keeping import keep_logs
from benchmarks.scale.chaos.oracle import Evidence, Verdict, judged, unexcused
from perdure.demo.bank_launch import BankSettings, open_bank
from perdure.log import events as e

JOBS = (
    Job(
        1,
        (
            Step("transfer", "INV-0001-1", 500),
            Step("wire", "INV-0001-2", 700),
            Step("book", "INV-0001-3", 900),
            Step("express", "INV-0001-4", 900),
        ),
    ),
    Job(2, (Step("balance"), Step("express", "INV-0002-1", 100))),
)


class Played(NamedTuple):
    """A quiet trial, and what there is to read of it."""

    store: perdure.Store
    evidence: Evidence

    def judged(self, **changed: object) -> Verdict:
        return judged(self.store, self.evidence._replace(**changed))

    def journal(self, *entries: Entry, pid: int = 7) -> Verdict:
        return self.judged(journals={f"{pid}-1": entries})


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    place = tmp_path_factory.mktemp("quiet")
    with closing(sqlite3.connect(place / "book.db")) as db:
        db.execute("CREATE TABLE entries (invoice TEXT, cents INTEGER, reference TEXT)")
    known = {name: os.environ.get(name) for name in (BANK, BOOK)}
    with (
        open_bank(place / "bank.db", BankSettings(visible_ms=10)) as bank,
        perdure.open(place / "store") as store,
    ):
        os.environ.update({BANK: bank.url, BOOK: str(place / "book.db")})
        try:
            for job in JOBS:
                store.start(PAYER, message_of(job), run=job.run, tenant=TENANT).wait()
        finally:
            for name, value in known.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        yield Played(store, Evidence(JOBS, bank.statement(), place / "book.db", {}, [], []))


def test_a_quiet_trial_is_found_good(played: Played):
    verdict = played.judged()
    assert verdict.ok, verdict.lines()
    assert verdict.in_flight == verdict.stops == 0


def test_an_acknowledged_event_that_is_not_in_the_log_is_lost(played: Played):
    (row, _) = played.store.runs()
    there = Acked(1, 2, row.run, row.epoch, row.position, row.head.hex())
    assert played.journal(there).lost == ()
    assert len(played.journal(replace(there, position=row.position + 1)).lost) == 1
    assert len(played.journal(replace(there, head="0" * 64)).lost) == 1


def test_a_head_that_somebody_had_read_is_lost_with_its_tail(played: Played):
    (row, _) = played.store.runs()
    assert not played.judged(heads=[(row.run, row.position, row.head.hex())]).lost
    assert len(played.judged(heads=[(row.run, row.position + 3, row.head.hex())]).lost) == 1


def test_a_tool_that_was_called_without_a_promise_is_a_loss(played: Played):
    (started, *_) = [
        event for event in played.store.events("job-0001") if isinstance(event.body, e.EffectStarted)
    ]
    assert isinstance(started.body, e.EffectStarted)
    called = Called(3, "job-0001", started.position, started.body.key, 1, "INV-0001-1")
    assert played.journal(called).lost == ()
    assert len(played.journal(replace(called, position=started.position + 1)).lost) == 1
    request = replace(played.evidence.statement.requests[0], key="nobody's")
    statement = replace(played.evidence.statement, requests=(request,))
    assert len(played.judged(statement=statement).lost) == 1


def test_a_second_payment_of_an_invoice_is_a_duplicate(played: Played):
    first, *rest = played.evidence.statement.payments
    statement = replace(played.evidence.statement, payments=(first, first, *rest))
    assert played.judged(statement=statement).duplicates == (f"{first.invoice} was paid 2 times",)


def test_a_payment_that_a_receipt_tells_of_and_nobody_booked_is_an_untruth(played: Played):
    _, *rest = played.evidence.statement.payments
    statement = replace(played.evidence.statement, payments=tuple(rest))
    assert len(played.judged(statement=statement).untruths) == 2


def test_a_job_that_met_another_s_doubt_ends_there_and_no_other_does():
    first, second, third, _ = (step.about for step in JOBS[0].steps)
    assert list(unexcused(JOBS[0], {first, third}, {second})) == []
    assert list(unexcused(JOBS[0], {first}, {third})) == [second]
    assert list(unexcused(JOBS[0], {first}, {first})) == [second, third, "INV-0001-4"]


def test_a_batch_of_an_epoch_that_was_overtaken_is_a_stale_write(played: Played):
    (row, _) = played.store.runs()
    late = Acked(10, 12, row.run, row.epoch, row.position, row.head.hex())
    assert not played.journal(Got(11, row.run, row.epoch + 1), late).stale
    assert len(played.journal(Got(9, row.run, row.epoch + 1), late).stale) == 1
    refused = Turned(12, row.run, row.epoch, "Fenced")
    assert played.journal(Got(9, row.run, row.epoch + 1), refused).refusals == 1


def test_a_run_that_nobody_drives_is_stranded(played: Played):
    missing = Job(3, ())
    assert played.judged(jobs=(*JOBS, missing)).stranded == ("job-0003 was asked for and is not there",)


def test_a_fault_is_in_flight_only_between_a_promise_and_its_outcome(played: Played):
    events = list(played.store.events("job-0001"))
    started = next(event for event in events if isinstance(event.body, e.EffectStarted))
    settled = next(event for event in events if isinstance(event.body, e.EffectSettled))
    acks = [Acked(at, at, "job-0001", 1, at, "") for at in range(1, len(events) + 1)]

    def counted(at: int, pid: int = 7) -> int:
        journals = {"7-1": [Got(0, "job-0001", 1), *acks]}
        return played.judged(journals=journals, faults=[Fault(at, "kill", pid)]).in_flight

    assert counted(started.position) == 1
    assert counted(started.position, pid=0) == 1
    assert counted(started.position, pid=8) == 0
    assert counted(started.position - 1) == 0
    assert counted(settled.position) == 0


def test_a_strike_is_aimed_at_who_has_called_and_has_no_durable_outcome(tmp_path: Path):
    journal, pid = Journal(tmp_path), os.getpid()
    told: list[tuple[Entry, bool]] = [
        (Acked(1, 2, "a", 1, 4, ""), False),
        (Called(3, "a", 4, "k", 1, "INV-1"), True),
        (Acked(4, 5, "b", 1, 9, ""), True),
        (Acked(6, 7, "a", 1, 5, ""), False),
        (Called(8, "b", 10, "l", 1, "INV-2"), True),
        (Turned(9, "b", 1, "Fenced"), False),
    ]
    for entry, flies in told:
        journal.write(entry)
        assert has_flight(tmp_path, pid) == flies, entry
    assert not has_flight(tmp_path, pid + 1)


def test_the_logs_of_runs_that_a_verdict_names_are_kept(played: Played, tmp_path: Path):
    keep_logs(played.store, (), tmp_path / "none")
    keep_logs(played.store, ("INV-0002-1 was paid 2 times",), tmp_path / "runs")
    assert [path.name for path in tmp_path.rglob("*")] == ["runs", "job-0002.txt"]
    lines = (tmp_path / "runs" / "job-0002.txt").read_text().splitlines()
    assert len(lines) == played.store.state("job-0002").position
    assert "express" in "".join(lines)


def test_jobs_are_the_same_for_the_same_seed():
    assert drawn_jobs(30, 5) == drawn_jobs(30, 5)
    assert drawn_jobs(30, 5) != drawn_jobs(30, 6)
    paid = [step.about for job in drawn_jobs(60, 5) for step in job.steps if step.about.startswith("INV")]
    assert len(paid) > len(set(paid)), "some invoices are in two jobs"
