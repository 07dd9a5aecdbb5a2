"""Who wrote which run, and when: read from what each process wrote down, and from the log.

Invariants:
- A position is durable, as far as anybody knew, from the first acknowledgement of it or of a later one.
- An effect is in flight from its acknowledged promise to its acknowledged outcome or doubt, in the process that had
  the run under that epoch.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.scale.chaos.journal import Acked, Entry, Got, pid_of
from perdure.log import events as e
from perdure.log.envelope import Event

NEVER = 1 << 62

Journals = Mapping[str, Sequence[Entry]]
"""What processes wrote down, by the name of the journal."""


class Fault(NamedTuple):
    """Something that was done to the fleet or its servers; ``pid`` is 0 where it struck a server."""

    at: int
    kind: str
    pid: int = 0
    about: str = ""


class Flight(NamedTuple):
    """An effect on its way: in which run and process, from when until when."""

    run: str
    pid: int
    began: int
    ended: int


def senders_of(journals: Journals) -> dict[tuple[str, int], str]:
    """Return the process that had each epoch of each run, by the name of its journal."""
    return {
        (entry.run, entry.epoch): name
        for name, entries in journals.items()
        for entry in entries
        if isinstance(entry, Got)
    }


def stale_writes(journals: Journals) -> Iterable[str]:
    """Yield batches that the store accepted after it had granted a later epoch."""
    granted = _grants(journals)
    for entries in journals.values():
        for entry in entries:
            if isinstance(entry, Acked) and any(
                epoch > entry.epoch and at < entry.began for at, epoch, _ in granted[entry.run]
            ):
                yield f"{entry.run} at {entry.position} by epoch {entry.epoch}"


def overtaken(senders: Mapping[tuple[str, int], str]) -> int:
    """Return how often a run went from one process to another."""
    return sum(
        (run, epoch + 1) in senders and senders[run, epoch + 1] != name
        for (run, epoch), name in senders.items()
    )


def flights(events: Mapping[str, Sequence[Event]], journals: Journals) -> list[Flight]:
    """Return every effect but reads, as it was on its way."""
    durable, senders = _Durable(journals), senders_of(journals)
    found: list[Flight] = []
    for run, told in events.items():
        open_since: dict[str, tuple[int, int]] = {}
        for event in told:
            match event.body:
                case e.EffectStarted(key=key, effect=effect) if effect != "read" and event.run == run:
                    sender = senders.get((run, event.epoch))
                    open_since[key] = (durable.since(run, event.position), pid_of(sender) if sender else -1)
                case e.EffectSettled(key=key) | e.EffectDoubted(key=key) if key in open_since:
                    began, pid = open_since.pop(key)
                    found.append(Flight(run, pid, began, durable.since(run, event.position)))
                case _:
                    pass
        found += [Flight(run, pid, began, NEVER) for began, pid in open_since.values()]
    return found


def struck_in_flight(flown: Sequence[Flight], faults: Sequence[Fault]) -> int:
    """Return how many faults landed while an effect was on its way in what they struck."""
    return sum(
        any(flight.began <= fault.at < flight.ended and fault.pid in (0, flight.pid) for flight in flown)
        for fault in faults
        if fault.kind != "end"
    )


def takeovers(flown: Sequence[Flight], faults: Sequence[Fault], journals: Journals) -> Iterable[float]:
    """Yield the seconds from the death of a process to the next grant of each run in which it had an effect."""
    granted = _grants(journals)
    for death in faults:
        if not death.kind.startswith("kill"):
            continue
        for run in {
            each.run for each in flown if each.pid == death.pid and each.began <= death.at < each.ended
        }:
            later = [at for at, _, name in granted[run] if at > death.at and pid_of(name) != death.pid]
            if later:
                yield (later[0] - death.at) / 1e9


def _grants(journals: Journals) -> Mapping[str, list[tuple[int, int, str]]]:
    found: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name, entries in journals.items():
        for entry in entries:
            if isinstance(entry, Got):
                found[entry.run].append((entry.at, entry.epoch, name))
    for grants in found.values():
        grants.sort()
    return found


class _Durable:
    """When positions were first known to be durable."""

    def __init__(self, journals: Journals) -> None:
        acks: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for entries in journals.values():
            for entry in entries:
                if isinstance(entry, Acked):
                    acks[entry.run].append((entry.position, entry.at))
        self._known: dict[str, tuple[list[int], list[int]]] = {}
        for run, found in acks.items():
            found.sort()
            earliest = NEVER
            times: list[int] = []
            for _, at in reversed(found):
                earliest = min(earliest, at)
                times.append(earliest)
            self._known[run] = ([position for position, _ in found], times[::-1])

    def since(self, run: str, position: int) -> int:
        """Return the time, or ``NEVER``."""
        positions, times = self._known.get(run, ([], []))
        place = bisect_left(positions, position)
        return times[place] if place < len(times) else NEVER
