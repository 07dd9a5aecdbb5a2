"""A client that does whatever comes to its mind to one store, and writes down what it is told.

    python -m benchmarks.scale.history.client ERRAND

``ERRAND`` is JSON: see ``Errand``. It ends after so many seconds, or when the store has failed for good.
"""

import contextlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from benchmarks.scale.history.acts import (
    Act,
    Answer,
    At,
    Claim,
    Claims,
    Done,
    End,
    Give,
    Granted,
    Line,
    Look,
    Names,
    Read,
    Refused,
    Remember,
    Row,
    Send,
    Take,
    Waiting,
    Write,
    write_line,
)
from benchmarks.scale.history.broken import BROKEN, WAIT_SECONDS, Sound
from benchmarks.scale.history.model import GENESIS
from perdure.adapters.holders import this_holder
from perdure.driver.books import Books
from perdure.log.envelope import Event, Stored, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import Appended, Batch, ClaimClosed, ClaimOpened, Post
from perdure.values.errors import Conflict, Fenced, Held, StoreFailed, TryAgain

WEIGHTS = {
    "take": 14,
    "over": 7,
    "give": 4,
    "write": 42,
    "send": 9,
    "waiting": 8,
    "look": 6,
    "read": 4,
    "remember": 6,
}
POSTS_OF_A_RUN = 400
UNSURE_SECONDS = 0.3
OPEN_SECONDS = 30.0
READ_EVENTS_MAX = 100_000


class Errand(msgspec.Struct, frozen=True):
    """What a client is to do."""

    location: str
    name: str
    out: str
    runs: tuple[str, ...]
    stems: tuple[str, ...]
    seed: int
    seconds: float
    calls_max: int = 100_000
    broken: str = ""


class Mine(NamedTuple):
    """A lease as this client knows it."""

    epoch: int
    position: int
    head: str


def opened(location: str) -> Books:
    """Open the store at ``location``: a directory, or a PostgreSQL database."""
    if not location.startswith("postgres"):
        from perdure.adapters.sqlite.store import SqliteStore

        return SqliteStore(Path(location))
    from perdure.adapters.postgres.store import PostgresStore

    return PostgresStore(location)


class Client:
    """One client, with what it believes of the store."""

    def __init__(self, errand: Errand, books: Books, file: IO[bytes]) -> None:
        """Act on ``books`` and write to ``file``."""
        self._errand: Errand = errand
        self._books: Books = books
        self._store: Sound = BROKEN[errand.broken](books)
        self._file: IO[bytes] = file
        self._chance: random.Random = random.Random(f"{errand.seed} {errand.name}")
        self._leases: dict[str, Mine] = {}
        self._inboxes: dict[str, tuple[str, ...]] = {}
        self._stems: dict[str, tuple[tuple[str, str, str | None], ...]] = {}
        self._named: int = 0

    def act(self) -> None:
        """Do one thing and believe what the answer says."""
        act = self._drawn()
        write_line(self._file, Line(time.monotonic_ns(), act))
        try:
            answer = self.ask(act)
        except (TryAgain, TimeoutError):
            answer = None
        write_line(self._file, Line(time.monotonic_ns(), None, answer))
        self._believe(act, answer)
        if answer is None:
            # Calls that nobody knows the end of are what makes a history hard to decide.
            time.sleep(UNSURE_SECONDS)

    def ask(self, act: Act) -> Answer | None:
        """Ask the store, and return what it says; None where that says nothing certain."""
        try:
            return self._asked(act)
        except Held:
            return Refused("held")
        except Fenced:
            return Refused("fenced")
        except Conflict:
            return Refused("conflict")

    def _asked(self, act: Act) -> Answer:
        books = self._books
        match act:
            case Take():
                lease = self._store.acquire(act.run, this_holder(act.token), take_over=act.take_over)
                return Granted(lease.epoch, tuple(lease.dead))
            case Give():
                books.release(act.run, act.epoch)
                return Done()
            case Write():
                said = self._store.append(self._batch(act)).result(WAIT_SECONDS)
                return At(said.position) if isinstance(said, Appended) else Refused("remembered")
            case Send():
                # No two posts are the same: one whose answer is lost is known again by its time.
                post = Post(act.post, "message.received", msgspec.Raw(b"{}"), time.monotonic_ns())
                return Done(books.post(act.run, post))
            case Waiting():
                return Names(tuple(post.id for post in books.inbox(act.run)))
            case Look():
                (row,) = books.rows(act.run)
                return Row(row.position, row.head.hex(), row.epoch, row.holder.token if row.holder else None)
            case Read():
                events = books.read(act.run, 0, READ_EVENTS_MAX)
                return At(len(events), events[-1].digest.hex()) if events else At(0, GENESIS)
            case Remember():
                return Claims(
                    tuple((seen.key, seen.run, seen.outcome) for seen in books.claims(stem=act.stem))
                )

    # -- what to do next -----------------------------------------------------------------------------

    def _drawn(self) -> Act:
        run = self._chance.choice(self._errand.runs)
        (kind,) = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        makers: dict[str, Callable[[str], Act]] = {
            "over": lambda run: Take(run, self._fresh(), take_over=True),
            "give": self._give,
            "write": self._write,
            "send": lambda run: Send(run, f"p{self._chance.randrange(POSTS_OF_A_RUN)}"),
            "waiting": Waiting,
            "look": Look,
            "read": Read,
            "remember": lambda _: Remember(self._chance.choice(self._errand.stems)),
        }
        make = makers.get(kind)
        return Take(run, self._fresh()) if make is None else make(run)

    def _fresh(self) -> str:
        self._named += 1
        return f"{self._errand.name}/{self._named}"

    def _give(self, run: str) -> Act:
        mine = self._leases.get(run)
        return Look(run) if mine is None else Give(run, mine.epoch)

    def _write(self, run: str) -> Act:
        held = sorted(self._leases)
        if not held:
            return Take(run, self._fresh())
        run = run if run in self._leases else self._chance.choice(held)
        mine, count = self._leases[run], self._chance.choice((1, 1, 2, 5))
        self._fresh()  # No two batches have one content.
        consumed = self._inboxes.get(run, ())[: self._chance.choice((0, 1, 2))]
        stem = self._chance.choice(self._errand.stems)
        claims, closed = self._stems.get(stem, ()), list[End]()
        opened = (Claim(f"{stem}-{self._fresh()}", stem),) if self._chance.random() < 0.5 else ()
        for key, owner, outcome in claims:
            if outcome is None and owner == run and self._chance.random() < 0.6:
                closed.append(
                    End(key, stem, self._chance.choice(("succeeded", "failed", "compensated", "failed")))
                )
        act = Write(run, mine.epoch, mine.position, mine.head, "", count, consumed, opened, tuple(closed))
        return msgspec.structs.replace(act, head=self._events(act)[-1].digest.hex())

    # -- what is believed ----------------------------------------------------------------------------

    def _believe(self, act: Act, answer: Answer | None) -> None:
        match act, answer:
            case Take(), Granted():
                self._begin(act.run, answer.epoch)
            case Give(), _:
                # Kept at times: a writer that goes on after it gave back has to be refused.
                if self._chance.random() < 0.7:
                    self._leases.pop(act.run, None)
            case Write(), _:
                self._believe_write(act, answer)
            case Waiting(), Names():
                self._inboxes[act.run] = answer.posts
            case Remember(), Claims():
                self._stems[act.stem] = answer.claims
            case _:
                pass

    def _believe_write(self, act: Write, answer: Answer | None) -> None:
        for stem in {claim.stem for claim in act.opened} | {end.stem for end in act.closed}:
            self._stems.pop(stem, None)
        match answer:
            case At():
                self._leases[act.run] = Mine(act.epoch, answer.position, act.head)
            case Refused():
                # Tried again at times, and refused again, if all is well.
                if answer.why == "fenced" and self._chance.random() < 0.5:
                    self._leases.pop(act.run, None)
                self._inboxes.pop(act.run, None)
            case _:
                self._leases.pop(act.run, None)

    def _begin(self, run: str, epoch: int) -> None:
        """Learn where the stream ends, as a writer does that has just taken the run."""
        look = Look(run)
        write_line(self._file, Line(time.monotonic_ns(), look))
        answer = None
        with contextlib.suppress(TryAgain, TimeoutError):
            answer = self.ask(look)
        write_line(self._file, Line(time.monotonic_ns(), None, answer))
        if isinstance(answer, Row):
            self._leases[run] = Mine(epoch, answer.position, answer.head)

    # -- batches -------------------------------------------------------------------------------------

    def _events(self, act: Write) -> list[Stored]:
        events: list[Stored] = []
        head = bytes.fromhex(act.before)
        for position in range(act.expected + 1, act.expected + 1 + act.count):
            text = f"{self._errand.name} {self._named}"
            body = MessageReceived(f"{self._errand.name}-{position}", "ann", Content(len(text), text))
            events.append(seal(Event(act.run, position, position, act.epoch, position - 1, body), head))
            head = events[-1].digest
        return events

    def _batch(self, act: Write) -> Batch:
        return Batch(
            act.run,
            act.expected,
            act.epoch,
            self._events(act),
            opened=[
                ClaimOpened(claim.key, claim.stem, "acme", "pay", 1, act.expected + 1, "a" * 64)
                for claim in act.opened
            ],
            closed=[ClaimClosed(end.key, end.outcome) for end in act.closed],
            consumed=act.consumed,
        )


def patiently_opened(location: str, until: float) -> Books:
    """Open the store; while its server is away, try again until the time is over."""
    while True:
        try:
            return opened(location)
        except TryAgain:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def main(words: str) -> int:
    """Act until the time is over."""
    errand = msgspec.json.decode(words, type=Errand)
    until = time.monotonic() + errand.seconds
    with Path(errand.out).open("ab") as file:
        # A client that begins late, on a busy machine or while the server is away, does one thing at least.
        client = Client(errand, patiently_opened(errand.location, until + OPEN_SECONDS), file)
        for number in range(errand.calls_max):
            if number and time.monotonic() > until:
                break
            try:
                client.act()
            except StoreFailed as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
