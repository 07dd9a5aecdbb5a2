"""Looking at runs: nothing here writes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from perdure.assembly.people import effect_at
from perdure.checkpoint.tree import objects
from perdure.contract import Law
from perdure.driver.books import Books, events_after, read_law, read_state, reply_of, stored_after, text_of
from perdure.log.envelope import GENESIS, Event, Stored
from perdure.log.naming import named_blobs, named_trees
from perdure.log.port import RunRow
from perdure.orchestrator.claims import is_claimed
from perdure.projection.state import Effect, State
from perdure.replay.redo import Replayed, redo
from perdure.replay.travel import Change, diff
from perdure.replay.verify import Lineage, Verdict, verify_events
from perdure.values.errors import BadPosition, BlobMissing, PerdureError, StoreDamaged, UnknownRun
from perdure.values.limits import READ_PAGE_EVENTS


class Verified(NamedTuple):
    """What ``verify`` found; ``wrong`` is empty where nothing is."""

    run: str
    events: int
    head: str
    position: int
    wrong: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


class Inspector:
    """Reads of one store."""

    def __init__(self, books: Books) -> None:
        """Read from ``books``."""
        self._books: Books = books
        self._laws: dict[tuple[str, str], Law] = {}

    def row(self, run: str) -> RunRow:
        """Return the run's row; raise ``UnknownRun``."""
        rows = self._books.rows(run)
        if not rows:
            raise UnknownRun(f"there is no run {run!r} in this store")
        return rows[0]

    def stored(self, run: str, after: int = 0) -> Iterator[Stored]:
        """Yield the run's events as they are stored."""
        for page in stored_after(self._books, run, after):
            yield from page

    def events(self, run: str, after: int = 0) -> Iterator[Event]:
        """Yield the run's events past position ``after``."""
        self.row(run)
        return events_after(self._books, run, after)

    def law(self, state: State) -> Law:
        """Return the law that ``state`` names."""
        return self._named(state.definition, state.contract)

    def effect_at(self, state: State, position: int) -> Effect | None:
        """Return the effect that began or was settled at ``position``."""
        return effect_at(state, position)

    def diff(self, run: str, before: int, after: int) -> tuple[Change, ...]:
        """Return what distinguishes the state at ``after`` from that at ``before``."""
        end = self.row(run).position
        for position in (before, after):
            if not 0 <= position <= end:
                raise BadPosition(f"run {run!r} has positions up to {end}, not {position}")
        return diff(read_state(self._books, run, before).state, read_state(self._books, run, after).state)

    def replay(self, run: str) -> Replayed:
        """Decide the run again."""
        return redo(
            self.events(run),
            laws=self._named,
            replies=lambda turn: reply_of(self._books, turn),
            texts=lambda content: text_of(self._books, content),
        )

    def verify(self, run: str, *, head: str | None = None, chain_only: bool = False) -> Verified:
        """Check the run; ``head`` is ``POSITION:DIGEST`` as remembered outside the store.

        Looks at the chain, gaps, places, causes, folds and snapshots, every blob that is named,
        and whether the stream still holds the remembered head.
        """
        remembered = _remembered(head)
        kept: list[Stored] = []
        try:
            verdict = self.verify_stream(run, chain_only=chain_only, noted=remembered, kept=kept)
        except PerdureError as error:
            position = self._unreadable(run)
            return Verified(run, max(position - 1, 0), "", position, str(error))
        row = self.row(run)
        if verdict.ok:
            verdict = self._against(row, verdict, remembered, kept)
        if verdict.ok and not chain_only:
            verdict = self._content(run, verdict)
        return Verified(run, verdict.events, verdict.head.hex(), verdict.position, verdict.wrong)

    def _unreadable(self, run: str) -> int:
        """Return the first position that the store won't read; 0 if it reads all of them."""
        after, limit = 0, READ_PAGE_EVENTS
        while True:
            try:
                page = self._books.read(run, after, limit)
            except PerdureError:
                if limit == 1:
                    return after + 1
                limit = max(limit // 2, 1)
                continue
            if not page:
                return 0
            after = page[-1].position

    def verify_stream(
        self,
        run: str,
        *,
        chain_only: bool = False,
        noted: tuple[int, str] | None = None,
        kept: list[Stored] | None = None,
    ) -> Verdict:
        """Check the stream alone: its chain, or all that can be told without reading blobs.

        The event at the position of ``noted`` is put into ``kept`` on the way.
        """
        pages = self._noting(run, noted, kept if kept is not None else [])
        if chain_only:
            return _chained(pages)
        return verify_events(chain.from_iterable(pages), self._lineage(self.row(run)))

    def _noting(
        self, run: str, noted: "tuple[int, str] | None", kept: list[Stored]
    ) -> Iterator[Sequence[Stored]]:
        for page in stored_after(self._books, run, 0):
            if noted is not None:
                kept += (stored for stored in page if stored.position == noted[0])
            yield page

    def _against(
        self,
        row: RunRow,
        verdict: Verdict,
        remembered: "tuple[int, str] | None",
        kept: list[Stored],
    ) -> Verdict:
        if (verdict.events, verdict.head) != (row.position, row.head):
            wrong = (
                f"the store's own note of the end is {row.position}, and the events end at {verdict.events}"
            )
            return verdict._replace(position=verdict.events + 1, wrong=wrong)
        if remembered is None:
            return verdict
        position, digest = remembered
        if not kept:
            wrong = f"position {position} was remembered, and the stream ends at {verdict.events}: it was cut or rolled back"
            return verdict._replace(position=verdict.events + 1, wrong=wrong)
        if kept[0].digest.hex() != digest:
            wrong = f"position {position} has another digest than was remembered: history was replaced"
            return verdict._replace(position=position, wrong=wrong)
        return verdict

    def _content(self, run: str, verdict: Verdict) -> Verdict:
        """Look at every blob that events name, trees to their leaves, and at the snapshot that the fold begins at."""
        seen: set[str] = set()
        kept_from: dict[str, int] = {}
        for event in self.events(run):
            if event.run not in kept_from:
                kept_from[event.run] = read_state(self._books, event.run).state.world.kept_from
            try:
                self._look_at(event, seen, kept_from[event.run])
            except (BlobMissing, StoreDamaged, msgspec.MsgspecError) as error:
                return verdict._replace(position=event.position, wrong=str(error))
        if read_state(self._books, run).state != verdict.state:
            return verdict._replace(position=verdict.events, wrong="a snapshot is not the fold of its events")
        return self._claimed(run, verdict)

    def _look_at(self, event: Event, seen: set[str], kept_from: int) -> None:
        """Read all that ``event`` names; trees only from ``kept_from`` on: earlier ones were let go."""
        trees = named_trees(event.body)
        for name in named_blobs(event.body):
            if name not in seen and name not in trees:
                seen.add(name)
                self._books.get(name)
        for tree in trees if event.position >= kept_from else ():
            for name in objects(self._books.get, tree, seen):
                self._books.get(name)

    def _claimed(self, run: str, verdict: Verdict) -> Verdict:
        """The store's claims of this run are what its events opened and closed, no more and no less."""
        world = verdict.state.world
        effects = (*world.receipts.values(), *world.open.values())
        step = verdict.state.step
        told = {each.key: each for each in effects if each.run == run and is_claimed(each.effect, step)}
        scopes = (f"lineage:{verdict.state.lineage}", f"tenant:{verdict.state.tenant}")
        held = {
            claim.key: claim
            for scope in scopes
            for claim in self._books.claims(scope=scope)
            if claim.run == run
        }
        for key in sorted(told.keys() | held.keys()):
            effect, claim = told.get(key), held.get(key)
            if effect is None:
                wrong = f"the store holds a claim {key} that no event of the run made"
                return verdict._replace(position=verdict.events, wrong=wrong)
            if claim is None:
                wrong = f"the claim of {effect.tool} {effect.what} ({key}) is gone from the store"
                return verdict._replace(position=effect.started, wrong=wrong)
            if (claim.outcome or "") != effect.outcome or claim.stem != effect.stem:
                wrong = f"the claim of {effect.tool} {effect.what} ({key}) says {claim.outcome}, its events {effect.outcome or 'open'}"
                return verdict._replace(position=effect.settled or effect.started, wrong=wrong)
        return verdict

    def _lineage(self, row: RunRow) -> tuple[Lineage, ...]:
        """Return whose events stand where; a fork may begin within what its parent inherited."""
        parts = [Lineage(row.run, row.position)]
        upto = row.position
        while row.parent is not None:
            upto = min(upto, row.forked_at)
            parts.insert(0, Lineage(row.parent, upto))
            row = self.row(row.parent)
        return tuple(parts)

    def _named(self, definition: str, contract: str) -> Law:
        law = self._laws.get((definition, contract))
        if law is None:
            law = self._laws[definition, contract] = read_law(self._books, definition, contract)
        return law


def _chained(pages: Iterable[Sequence[Stored]]) -> Verdict:
    """Return where the chain ends: a store checks each event that it reads against the one before.

    That is the port's promise, which ``tests/conformance`` holds every store to; hashing everything
    a second time would find nothing more.
    """
    events, head = 0, GENESIS
    for page in pages:
        events, head = events + len(page), page[-1].digest
    return Verdict(events, head, State())


def _remembered(head: str | None) -> "tuple[int, str] | None":
    if head is None:
        return None
    position, _, digest = head.partition(":")
    if not position.isdigit() or len(digest) != 64:
        raise BadPosition(
            f"head {head!r} is not POSITION:DIGEST", hint="take it from `perdure verify RUN --json`"
        )
    return int(position), digest
