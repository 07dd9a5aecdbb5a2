"""What the driver reads of a store: the law, the state, and the content that events name.

Invariant: everything here is a fold or a cache of the log; nothing of it is written anywhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from perdure.contract import Law, compile_law, read_contract
from perdure.intention.declaration import read_definition
from perdure.intention.reply import Call, Reply, call_of, read_reply
from perdure.log.envelope import GENESIS, Event, Stored, unseal
from perdure.log.events import CallReceived, Content, IntentionProposed, ModelReplied
from perdure.log.port import BlobStore, ClaimStore, LeaseStore, LogStore, SnapshotStore
from perdure.projection.evolve import evolve
from perdure.projection.snapshot import thaw
from perdure.projection.state import Effect, State, Turn
from perdure.values.digest import Json
from perdure.values.errors import BadInput, Broken
from perdure.values.limits import READ_PAGE_EVENTS, RECENT_BYTES_MAX


class Books(LogStore, LeaseStore, ClaimStore, BlobStore, SnapshotStore, Protocol):
    """A whole store: all the ports of ``perdure.log.port`` in one."""


@runtime_checkable
class Parted(Protocol):
    """Books in several parts, each with its runs whole."""

    def within(self, run: str) -> Books:
        """Return the part that ``run`` is in. Raises ``UnknownRun``, ``StoreAway``."""
        ...

    def name_for(self, run: str, tenant: str) -> str:
        """Return the name under which a new run of ``tenant`` is made: it says the part."""
        ...

    def shards(self) -> Mapping[str, Books]:
        """Return the parts that can be reached, by name."""
        ...

    def missing(self) -> Mapping[str, str]:
        """Return the parts that were away when they were last asked, and why: lists lack what is there."""
        ...


def within(books: Books, run: str) -> Books:
    """Return the books that ``run`` is in, of which whoever writes it writes nothing else."""
    return books.within(run) if isinstance(books, Parted) else books


def name_for(books: Books, run: str, tenant: str) -> str:
    """Return the name under which a new run of ``tenant`` is made: as it is, or with its part before it."""
    return books.name_for(run, tenant) if isinstance(books, Parted) else run


def shards(books: Books) -> Mapping[str, Books]:
    """Return the parts of ``books`` by name: one without a name, or those of its shards that can be reached."""
    return books.shards() if isinstance(books, Parted) else {"": books}


def full_name(books: Books, run: str) -> str:
    """Return ``run`` with the part that it is in before it, if it has no name without and one part alone has it.

    Raises ``BadInput`` where several have it.
    """
    if not isinstance(books, Parted) or books.rows(run):
        return run
    found = [f"{name}.{run}" for name, part in books.shards().items() if part.rows(f"{name}.{run}")]
    if len(found) > 1:
        raise BadInput(f"there are several runs {run!r}", hint=f"say which: {' or '.join(found)}")
    return found[0] if found else run


def missing(books: Books) -> Mapping[str, str]:
    """Return the parts of ``books`` that are away, and why."""
    return books.missing() if isinstance(books, Parted) else {}


class Recent:
    """Blobs as read from a store, those of the newest batches from memory: most are read at once."""

    def __init__(self, store: BlobStore, most: int = RECENT_BYTES_MAX) -> None:
        """Read from ``store`` what isn't remembered, which is at most ``most`` bytes."""
        self._store: BlobStore = store
        self._most: int = most
        self._kept: dict[str, bytes] = {}
        self._bytes: int = 0

    def keep(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        """Remember blobs that are durable now, and forget the oldest beyond what may be remembered."""
        for name, content in blobs:
            if name not in self._kept and len(content) <= self._most:
                self._kept[name] = content
                self._bytes += len(content)
        while self._bytes > self._most:
            oldest = next(iter(self._kept))
            self._bytes -= len(self._kept.pop(oldest))

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        """Return the blob's bytes; raises as ``BlobStore.get`` does."""
        content = self._kept.get(digest)
        if content is None:
            return self._store.get(digest, start, size)
        return content[start:] if size is None else content[start : start + size]


class Readable(Protocol):
    """Where blobs are read from: a store, or ``Recent`` in front of one."""

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        """Return the blob's bytes from ``start``, at most ``size`` of them."""
        ...


class Standing(NamedTuple):
    """A run's state and the digest of its last event."""

    state: State
    head: bytes


def read_state(store: Books, run: str, at: int | None = None) -> Standing:
    """Return the run's state at position ``at`` (its end if None), from the nearest snapshot.

    Raises ``UnknownRun``, ``StoreDamaged``.
    """
    state, head, after = State(), GENESIS, 0
    found = store.latest(run, 2**62 if at is None else at)
    if found is not None:
        thawed = thaw(found[1], store.chunk)
        if thawed is not None:
            state, head, after = thawed.state, thawed.head, found[0]
    while at is None or after < at:
        limit = READ_PAGE_EVENTS if at is None else min(READ_PAGE_EVENTS, at - after)
        page = store.read(run, after, limit)
        for stored in page:
            state = evolve(state, unseal(stored))
            head, after = stored.digest, stored.position
        if len(page) < limit:
            break
    return Standing(state, head)


def stored_after(store: LogStore, run: str, after: int) -> Iterator[Sequence[Stored]]:
    """Yield the run's events past position ``after`` as they are stored, as many at a time as are read at once."""
    while page := store.read(run, after, READ_PAGE_EVENTS):
        yield page
        if len(page) < READ_PAGE_EVENTS:
            return
        after = page[-1].position


def events_after(store: LogStore, run: str, after: int) -> Iterator[Event]:
    """Yield the run's events past position ``after``."""
    for page in stored_after(store, run, after):
        yield from map(unseal, page)


def read_law(store: BlobStore, definition: str, contract: str) -> Law:
    """Return the law of the definition and the contract of these digests, compiled."""
    known = read_definition(store.get(definition))
    return compile_law(known, read_contract(store.get(contract)))


def text_of(store: Readable, content: Content | None) -> str:
    """Return the text that ``content`` holds or names; empty for None."""
    if content is None:
        return ""
    if content.text is not None:
        return content.text
    if content.blob is None:
        raise Broken("content with neither text nor blob")
    return store.get(content.blob).decode()


def reply_of(store: Readable, turn: Turn | None) -> Reply | None:
    """Return the reply of ``turn`` in full; None while there is none."""
    if turn is None or turn.reply is None:
        return None
    return read_reply(text_of(store, turn.reply).encode())


def arguments_of(store: Books, state: State, effect: Effect) -> dict[str, Json]:
    """Return the recorded arguments of ``effect``, word for word: a later send repeats these."""
    root = effect
    while root.undoes:
        undone = state.world.receipts.get(root.undoes)
        if undone is None:
            raise Broken(f"the receipt {root.undoes} that {root.key} undoes is gone")
        root = undone
    call = _call(store, root)
    if call.arguments is None:
        raise Broken(f"the effect {root.key} was promised without arguments")
    return call.arguments


def _call(store: Books, effect: Effect) -> Call:
    """Return the proposed call: from what is the cause of its intention, a reply or a foreign client's call."""
    (proposed,) = store.read(effect.run, effect.proposed - 1, 1)
    cause = unseal(proposed).cause
    (replied,) = store.read(effect.run, cause - 1, 1)
    body = unseal(replied).body
    intention = unseal(proposed).body
    if isinstance(body, CallReceived):
        return call_of(body.call, body.tool, text_of(store, body.arguments))
    if not isinstance(body, ModelReplied) or not isinstance(intention, IntentionProposed):
        raise Broken(f"{effect.run} at {cause}: no reply, though an intention came from it")
    reply = read_reply(text_of(store, body.reply).encode())
    return reply.calls[intention.index]


def asked_of(store: Books, state: State) -> dict[str, Call]:
    """Return the calls of a foreign client that aren't answered, in full, by their names."""
    found: dict[str, Call] = {}
    for record in state.live.received.values():
        if not record.answered:
            # its intention follows it at once
            (stored,) = store.read(state.run, record.proposed - 2, 1)
            body = unseal(stored).body
            if not isinstance(body, CallReceived):
                raise Broken(
                    f"{state.run} at {record.proposed - 1}: no call, though an intention came from it"
                )
            found[record.id] = call_of(body.call, body.tool, text_of(store, body.arguments))
    return found
