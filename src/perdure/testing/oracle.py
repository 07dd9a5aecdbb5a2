"""What an all-knowing reader says of one history, once it has ended.

It knows three things that perdure doesn't: what the world really did, what a history without deaths
looks like, and when the program died. From these follow duplicates, losses and needless stops.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from perdure.assembly.inspect import Inspector
from perdure.driver.books import read_state, reply_of, text_of
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.projection.state import Effect, State
from perdure.replay.redo import redo
from perdure.testing.lives import Ending
from perdure.testing.operator import Stop
from perdure.testing.witness import WHOLE, law_named
from perdure.testing.world import CountingWorld
from perdure.values.limits import PROBES_MAX


class Calm(NamedTuple):
    """What a history without deaths did."""

    counts: Mapping[str, int]
    approvals: int
    waits: Mapping[str, int]
    statuses: Mapping[str, str]


class Judged(NamedTuple):
    """One history, judged. Everything but ``stops`` has to be empty."""

    lost: tuple[str, ...] = ()
    """events that the store had acknowledged and has no more"""
    duplicates: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    """acts of the calm history that a run which finished all the same has not done"""
    needless: tuple[str, ...] = ()
    """stops for a person where the rules of the class could have known"""
    faults: tuple[str, ...] = ()
    """anything else: a broken chain, a replay that differs, an unpaired call, a run that can't go on"""
    stops: int = 0
    """stops that only a person could end"""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicates or self.forgotten or self.needless or self.faults)

    def lines(self) -> list[str]:
        """Return what is wrong, line by line."""
        return [
            *(f"lost: {each}" for each in self.lost),
            *(f"duplicate: {each}" for each in self.duplicates),
            *(f"forgotten: {each}" for each in self.forgotten),
            *(f"needless stop: {each}" for each in self.needless),
            *(f"fault: {each}" for each in self.faults),
        ]


def calm_of(ending: Ending) -> Calm:
    """Return what the history without deaths did."""
    return Calm(
        ending.counts,
        _approvals(ending),
        ending.operator.waits(),
        {row.run: row.status for row in ending.store.rows()},
    )


def judged(ending: Ending, calm: Calm | None) -> Judged:
    """Return what is to be said of ``ending``, beside ``calm``.

    Where nothing is known of a calm history, each act may be done once, and once more for each undo.
    """
    counts = ending.counts
    statuses = {row.run: row.status for row in ending.store.rows()}
    faults = (*ending.witness.faults, *_unsound(ending), *_untruths(ending))
    if ending.fault:
        faults = (*faults, ending.fault)
    if calm is None:
        needless, needed = _doubts(ending)
        allowed = {act: 1 + counts.get(f"undo {act}", 0) for act in counts}
        allowed.update(
            {act: counts.get(act.removeprefix("undo "), 0) for act in counts if act.startswith("undo ")}
        )
        return Judged(_lost(ending), _doubled(counts, allowed), (), tuple(needless), faults, needed)
    needless, needed = _stops(ending, calm)
    missing = tuple(
        f"{act} was done {counts.get(act, 0)} times, not {count}"
        for act, count in calm.counts.items()
        if counts.get(act, 0) < count and statuses == calm.statuses
    )
    faults = (*faults, *_ended_otherwise(statuses, calm.statuses))
    return Judged(_lost(ending), _doubled(counts, calm.counts), missing, needless, faults, needed)


def _doubled(counts: Mapping[str, int], allowed: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        f"{act} was done {count} times, not {max(1, allowed.get(act, 0))}"
        for act, count in counts.items()
        if count > max(1, allowed.get(act, 0))
    )


def _untruths(ending: Ending) -> list[str]:
    """Return receipts that the world belies: what is believed must not part from what is."""
    world = ending.world
    if not isinstance(world, CountingWorld):
        return []
    wrong: list[str] = []
    for row in ending.store.rows():
        state = read_state(ending.store, row.run).state if row.position else State()
        for receipt in state.world.receipts.values():
            if (
                receipt.run != row.run
                or receipt.effect in ("transactional", "workspace")
                or receipt.by == "child"
            ):
                continue
            done = world.did(receipt.key)
            if done != (receipt.outcome != "failed"):
                wrong.append(
                    f"{receipt.tool} {receipt.what} is {receipt.outcome}, and was{'' if done else ' not'} done"
                )
    return wrong


def _ended_otherwise(statuses: Mapping[str, str], calm: Mapping[str, str]) -> list[str]:
    """Return the runs that ended in another way; one that waits for a person hasn't ended."""
    return [
        f"{run} is {status}, and was to be {calm.get(run, 'nothing')}"
        for run, status in statuses.items()
        if status in {"finished", "failed", "cancelled"} and status != calm.get(run)
    ]


def _lost(ending: Ending) -> tuple[str, ...]:
    gone = ending.witness.lost | ending.witness.missing()
    return tuple(f"{run} at {position}" for run, position in sorted(gone))


def _approvals(ending: Ending) -> int:
    return sum(
        isinstance(unseal(stored).body, e.ApprovalRequested)
        for row in ending.store.rows()
        for stored in ending.store.read(row.run, row.forked_at, WHOLE)
    )


def _stops(ending: Ending, calm: Calm) -> tuple[tuple[str, ...], int]:
    """Return the needless stops of all kinds, and how many doubts only a person could settle."""
    needless, needed = _doubts(ending)
    others = Counter(stop.why for stop in ending.operator.stops if stop.why != "doubt")
    for why, count in others.items():
        extra = count - calm.waits.get(why, 0)
        needless += [f"{why}: {count} times, not {calm.waits.get(why, 0)}"] * max(extra, 0)
    if _approvals(ending) > calm.approvals:
        needless.append(f"{_approvals(ending)} approvals were asked for, not {calm.approvals}")
    return tuple(needless), needed


def _doubts(ending: Ending) -> tuple[list[str], int]:
    """Return the doubts that the rules of their class could have settled, and how many could not be."""
    stops = [stop for stop in ending.operator.stops if stop.why == "doubt"]
    needless = [
        stop.text for stop in stops if not all(_needed(effect, ending, stop) for effect in stop.doubts)
    ]
    return needless, len(stops) - len(needless)


def _needed(effect: Effect, ending: Ending, stop: Stop) -> bool:
    """Tell whether the rules of the effect's class leave only a person to know."""
    witness, key = ending.witness, effect.key
    match effect.effect:
        case "idempotent":
            state = read_state(ending.store, stop.run).state
            law = law_named(ending.store, state.definition, state.contract)
            declared = law.definition.tool(effect.tool)
            if declared is None:
                return True
            late = declared.key_lifetime is not None and stop.at >= effect.first_at + declared.key_lifetime
            reasons = len(ending.course.deaths) + witness.doubts[key]
            return stop.closed or late or declared.sends_max <= effect.send <= 1 + reasons
        case "probeable" | "transactional" if not effect.undoes:
            return witness.blind[key] >= PROBES_MAX or key in witness.let_go
        case "read" | "workspace":
            return False
        case _:
            return key in witness.exposed or key in witness.let_go


def _unsound(ending: Ending) -> list[str]:
    """Return where a chain, a fold or a decision isn't what it should be; every run is replayed."""
    wrong: list[str] = []
    inspector = Inspector(ending.store)
    for row in ending.store.rows():
        if not row.position:
            continue
        verified = inspector.verify(row.run)
        if not verified.ok:
            wrong.append(f"verify {row.run}: {verified.wrong}")
        wrong += _replayed(ending, inspector, row.run)
    return wrong


def _replayed(ending: Ending, inspector: Inspector, run: str) -> list[str]:
    store = ending.store
    replayed = redo(
        inspector.events(run),
        laws=lambda definition, contract: law_named(store, definition, contract),
        replies=lambda turn: reply_of(store, turn),
        texts=lambda content: text_of(store, content),
    )
    if replayed.difference is None:
        return []
    return [f"replay {run} at {replayed.difference.position}:\n{replayed.difference.diff()}"]
