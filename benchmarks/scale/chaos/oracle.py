"""What an all-knowing reader says of a trial, once it has ended.

It reads the log through the public API, the bank's and the book's own ledgers, and what each process wrote down. It
shares no rule with the fleet: it counts.

Invariants of what it counts:
- *Lost*: what a process was told is durable, or what follows from it (a tool was called, a payment carries the key of
  a promise), and isn't in the log.
- *Duplicates*: payments or entries beyond the first of their invoice, whoever made them.
- *Stale writes*: batches that the store accepted of an epoch although it had granted a later one before they came.
- *Needless stops*: runs that wait for a person about an effect which the rules of its class could have settled, or
  whose sender was neither killed nor stopped.
- *Stranded*: runs that neither ended nor wait for a person.
- *In flight*: a fault that landed between an acknowledged ``effect.started`` and its acknowledged outcome (or doubt),
  in the process that it struck, or anywhere if it struck a server.
"""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import perdure
from benchmarks.scale.chaos.agent import TRIES_MAX
from benchmarks.scale.chaos.course import (
    Fault,
    flights,
    overtaken,
    senders_of,
    stale_writes,
    struck_in_flight,
    takeovers,
)
from benchmarks.scale.chaos.jobs import Job
from benchmarks.scale.chaos.journal import Acked, Called, Entry, Got, Struck, Turned, pid_of
from benchmarks.scale.chaos.people import doubts_of
from perdure.assembly.submitting import placements_of
from perdure.demo.bank_words import Statement
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import Effect, State
from perdure.values.limits import WORKER_TRIES_MAX

ENDED = ("finished", "failed", "cancelled")
PARKED_AFTER = WORKER_TRIES_MAX - 1
"""So many leases of one run are no accident; the try that was the last may have died before its own."""


class Evidence(NamedTuple):
    """All that there is to read."""

    jobs: Sequence[Job]
    statement: Statement
    book: Path
    journals: Mapping[str, Sequence[Entry]]
    faults: Sequence[Fault]
    heads: Sequence[tuple[str, int, str]]
    """run, position and digest, as somebody read them while faults landed, and a commit of theirs went through behind"""


class Verdict(NamedTuple):
    """What is to be said. Everything but the counts of the second half has to be empty."""

    lost: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    untruths: tuple[str, ...] = ()
    """receipts that the ledgers belie, and jobs that are finished and not done"""
    stranded: tuple[str, ...] = ()
    needless: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    """broken chains, epochs that go back"""
    in_flight: int = 0
    stops: int = 0
    """runs that wait for a person, with reason"""
    refusals: int = 0
    """batches of writers that had been overtaken, refused"""
    parked: tuple[str, ...] = ()
    """runs that workers gave up since so many processes had died over them, as they had"""
    overtaken: int = 0
    """runs that went from one process to another"""
    takeovers_s: tuple[float, ...] = ()
    """from a process's death to the next grant of each run that it had"""
    acknowledged: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.lines()

    def lines(self) -> list[str]:
        """Return what is wrong, line by line."""
        named = {
            "lost": self.lost,
            "duplicate": self.duplicates,
            "untruth": self.untruths,
            "stranded": self.stranded,
            "needless stop": self.needless,
            "stale write": self.stale,
            "fault": self.faults,
        }
        return [f"{name}: {each}" for name, found in named.items() for each in found]


class _Run(NamedTuple):
    row_status: str
    state: State
    events: tuple[Event, ...]
    digests: tuple[str, ...]


def judged(store: perdure.Store, evidence: Evidence) -> Verdict:
    """Return what is to be said of the trial."""
    runs = {row.run: _read(store, row.run, row.status) for row in store.runs()}
    senders = senders_of(evidence.journals)
    flown = flights({name: run.events for name, run in runs.items()}, evidence.journals)
    stopped = _waits(runs)
    parked, spared = _parked(store, runs, evidence)
    needless = _needless(stopped, senders, _victims(evidence))
    return Verdict(
        lost=tuple(_lost(runs, evidence)),
        duplicates=tuple(_duplicates(evidence)),
        untruths=tuple(_untruths(runs, evidence)),
        stranded=tuple(_stranded(runs, {*stopped, *parked, *spared}, evidence.jobs)),
        needless=(*needless, *(f"{name} was parked, and few had died over it" for name in spared)),
        parked=tuple(parked),
        stale=tuple(stale_writes(evidence.journals)),
        faults=tuple(_unsound(store, runs)),
        in_flight=struck_in_flight(flown, evidence.faults),
        stops=len(stopped),
        refusals=sum(
            isinstance(entry, Turned) and entry.why == "Fenced"
            for entries in evidence.journals.values()
            for entry in entries
        ),
        overtaken=overtaken(senders),
        takeovers_s=tuple(takeovers(flown, evidence.faults, evidence.journals)),
        acknowledged=sum(
            isinstance(entry, Acked) for entries in evidence.journals.values() for entry in entries
        ),
    )


def _read(store: perdure.Store, run: str, status: str) -> _Run:
    stored = []
    after = 0
    while page := store.books.read(run, after):
        stored += page
        after = page[-1].position
    return _Run(
        status, store.state(run), tuple(store.events(run)), tuple(each.digest.hex() for each in stored)
    )


# -- the log beside what was acknowledged -------------------------------------------------------------


def _lost(runs: Mapping[str, _Run], evidence: Evidence) -> Iterable[str]:
    promised = {
        (event.run, event.position): event.body.key
        for run in runs.values()
        for event in run.events
        if isinstance(event.body, e.EffectStarted)
    }
    for entries in evidence.journals.values():
        for entry in entries:
            match entry:
                case Acked() if not _stands(runs, entry.run, entry.position, entry.head):
                    yield f"{entry.run} at {entry.position}, which epoch {entry.epoch} was told is durable"
                case Called() if promised.get((entry.run, entry.position)) != entry.key:
                    yield f"{entry.run} at {entry.position}: the promise of {entry.about}, which was called"
                case _:
                    pass
    for run, position, head in evidence.heads:
        if not _stands(runs, run, position, head):
            yield f"{run} at {position}, which somebody had read"
    keys = set(promised.values())
    for payment in evidence.statement.requests:
        if payment.key not in keys:
            yield f"the promise of {payment.invoice}, which the bank was asked for"


def _stands(runs: Mapping[str, _Run], run: str, position: int, head: str) -> bool:
    digests = runs[run].digests if run in runs else ()
    return position <= len(digests) and digests[position - 1] == head


def _duplicates(evidence: Evidence) -> Iterable[str]:
    paid = Counter(payment.invoice for payment in evidence.statement.payments)
    for invoice, count in (paid + Counter(_entered(evidence.book))).items():
        if count > 1:
            yield f"{invoice} was paid {count} times"


def _entered(book: Path) -> list[str]:
    with closing(sqlite3.connect(book)) as db:
        return [str(invoice) for (invoice,) in db.execute("SELECT invoice FROM entries")]


def _untruths(runs: Mapping[str, _Run], evidence: Evidence) -> Iterable[str]:
    done = {payment.invoice for payment in evidence.statement.payments} | set(_entered(evidence.book))
    for name, run in runs.items():
        for receipt in run.state.world.receipts.values():
            invoice = receipt.what.partition("=")[2]
            if receipt.run != name or not invoice.startswith("INV-"):
                continue
            if (receipt.outcome == "succeeded") != (invoice in done) and receipt.outcome != "failed":
                yield f"{name}: {receipt.tool} {invoice} is {receipt.outcome}"
    doubted = {effect.what.partition("=")[2] for run in runs.values() for effect in doubts_of(run.state)}
    for job in evidence.jobs:
        run = runs.get(job.run)
        if run is None or run.state.status != "finished":
            continue
        if _refusals(run) > TRIES_MAX:
            continue
        for invoice in unexcused(job, done, doubted):
            yield f"{job.run} is finished, and nobody paid {invoice}"


def _refusals(run: _Run) -> int:
    """Return how often the run was told that another one has its payment under way: after so many its model gives up."""
    return sum(
        isinstance(each.body, e.IntentionRefused) and each.body.rule == "in doubt" for each in run.events
    )


def unexcused(job: Job, done: Collection[str], doubted: Collection[str]) -> Iterable[str]:
    """Return the invoices of a finished job that nobody paid, though nothing kept it from paying them.

    One that another run has in doubt is refused to this one, whose model then ends there.
    """
    unpaid = (step.about for step in job.steps if step.about.startswith("INV-") and step.about not in done)
    return itertools.takewhile(lambda invoice: invoice not in doubted, unpaid)


def _unsound(store: perdure.Store, runs: Mapping[str, _Run]) -> Iterable[str]:
    for name, run in runs.items():
        verified = store.verify(name)
        if not verified.ok:
            yield f"{name}: {verified.wrong}"
        epochs = [event.epoch for event in run.events if event.run == name]
        if epochs != sorted(epochs):
            yield f"{name}: a writer of an earlier epoch wrote after a later one"


# -- who waits, and why -------------------------------------------------------------------------------


def _waits(runs: Mapping[str, _Run]) -> dict[str, list[Effect]]:
    """Return the runs that only a person can help on, with the doubts that hold them up, others' too."""
    doubted = {name: doubts_of(run.state) for name, run in runs.items()}
    everywhere = {effect.stem: effect for effects in doubted.values() for effect in effects}
    found: dict[str, list[Effect]] = {}
    for name, run in runs.items():
        state = run.state
        if state.status != "waiting":
            continue
        others = [everywhere[stem] for stem in dict(state.world.elsewhere) if stem in everywhere]
        below = [
            effect
            for open_effect in state.world.open.values()
            for effect in doubted.get(open_effect.child, [])
            if open_effect.child
        ]
        reasons = doubted[name] or others or below
        if reasons and (state.needs_person or state.wait == "child"):
            found[name] = reasons
    return found


def is_parked(store: perdure.Store, run: str) -> bool:
    """Tell whether workers have given the run up until a person says otherwise."""
    placements = placements_of(store.books, run)
    placed = None if placements is None else placements.look(run)
    return placed is not None and bool(placed.parked)


def _parked(
    store: perdure.Store, runs: Mapping[str, _Run], evidence: Evidence
) -> tuple[list[str], list[str]]:
    """Return the runs that workers parked: those over which so many processes had ended, and the others."""
    given = Counter(
        entry.run for entries in evidence.journals.values() for entry in entries if isinstance(entry, Got)
    )
    found: tuple[list[str], list[str]] = ([], [])
    for name in runs:
        if is_parked(store, name):
            found[given[name] < PARKED_AFTER].append(name)
    return found


def _stranded(runs: Mapping[str, _Run], stopped: Collection[str], jobs: Sequence[Job]) -> Iterable[str]:
    for job in jobs:
        if job.run not in runs:
            yield f"{job.run} was asked for and is not there"
    for name, run in runs.items():
        if run.state.status not in ENDED and name not in stopped:
            state = run.state
            yield f"{name} is {state.status} ({state.wait or 'nothing'}: {state.wait_text}) at {state.position}"
        elif run.state.status in ("failed", "cancelled"):
            yield f"{name} is {run.state.status}: {run.state.why}"


def _needless(
    stopped: Mapping[str, Sequence[Effect]],
    senders: Mapping[tuple[str, int], str],
    victims: set[int],
) -> Iterable[str]:
    for name, effects in stopped.items():
        for effect in effects:
            sender = senders.get((effect.run, effect.epoch))
            if effect.effect != "once":
                yield f"{name}: {effect.tool} {effect.what} is {effect.effect}, and {effect.doubt}"
            elif sender is not None and pid_of(sender) not in victims:
                yield f"{name}: {effect.tool} {effect.what}, whose sender was left alone: {effect.doubt}"


def _victims(evidence: Evidence) -> set[int]:
    """Return the processes that were killed or stopped, by us or by themselves."""
    struck = {
        pid_of(name)
        for name, entries in evidence.journals.items()
        if any(isinstance(entry, Struck) for entry in entries)
    }
    return struck | {fault.pid for fault in evidence.faults if fault.kind.startswith(("kill", "stop"))}
