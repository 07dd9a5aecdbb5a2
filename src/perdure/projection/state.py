"""The nouns of a run's state.

Invariants:
- Values are frozen; ``evolve`` returns new ones, so a decision can't disturb the state it reads.
- ``live`` follows the path the run is on: every datum in it carries the position that made it, so
  rewinding is leaving out what is newer (``perdure.projection.cut``).
- ``world`` is what really happened outside, or was decided by people: it never goes back.
"""

from typing import Literal

from perdure.log.events import Content, Reservation, Tariff
from perdure.projection.trail import Noun, Trail
from perdure.values.digest import Json
from perdure.values.table import Table

Status = Literal["running", "waiting", "finished", "failed", "cancelled"]
Phase = Literal["started", "pending", "doubted", "settled"]
ApprovalPhase = Literal["asked", "granted", "denied", "expired", "used", "void"]
Shape = Literal["whole", "preview", "evicted"]
Answered = Literal[
    "", "refused", "succeeded", "failed", "partial", "replayed", "told", "waits", "doubt", "gone"
]


class CallRecord(Noun, frozen=True):
    """One call of a reply; a position of 0 says 'not yet'."""

    id: str
    tool: str
    index: int
    digest: str
    proposed: int
    accepted: int = 0
    key: str = ""
    approval: str = ""
    answered: int = 0
    answer: Answered = ""
    content: Content | None = None
    text: str = ""
    preview: Content | None = None
    """what could stand in the content's place from the start"""
    lines: int = 0
    of: int = 0
    """the request in whose reply a foreign client's model made it"""
    via: str = ""


class Turn(Noun, frozen=True, tag="turn"):
    """One request to the model, its reply, and what became of the reply's calls."""

    number: int
    requested: int
    attempt: int = 1
    failures: int = 0
    failed_at: int = 0
    replied: int = 0
    reply: Content | None = None
    calls: tuple[CallRecord, ...] = ()

    @property
    def open(self) -> bool:
        """Whether the reply or an answer to one of its calls is still missing."""
        return not self.replied or any(not call.answered for call in self.calls)


class Message(Noun, frozen=True, tag="message"):
    """Something said to the model, by a person or by perdure."""

    position: int
    id: str
    sender: str
    text: Content


class Effect(Noun, frozen=True):
    """One effect by its key: open, or settled and then a receipt. Times are ns."""

    key: str
    stem: str
    tool: str
    effect: str
    run: str
    call: str
    proposed: int
    started: int
    attempt: int
    arguments: str
    loose: str = ""
    what: str = ""
    phase: Phase = "started"
    send: int = 1
    epoch: int = 0
    first_at: int = 0
    sent_at: int = 0
    reserved: tuple[Reservation, ...] = ()
    approval: str = ""
    undoes: str = ""
    reference: Json = None
    poll_ns: int = 0
    give_up: int = 0
    doubt: str = ""
    ended_at: int = 0
    """when its sender was known to send no more; 0 if it isn't known"""
    probes: int = 0
    probed_at: int = 0
    verdict: str = ""
    evidence: str = ""
    settled: int = 0
    outcome: str = ""
    result: Content | None = None
    error: str = ""
    by: str = ""
    child: str = ""


class Approval(Noun, frozen=True):
    """A question to a person about exactly one act."""

    id: str
    call: str
    key: str
    stem: str
    arguments: str
    contract: str
    expires: int
    asked: int
    phase: ApprovalPhase = "asked"
    why: str = ""
    who: str = ""
    by: str = ""
    note: str = ""
    receipt: str = ""
    """key of the earlier act that it may repeat"""


class Timer(Noun, frozen=True):
    """A timer that was set and has not fired."""

    name: str
    due: int
    why: str
    position: int


class Page(Noun, frozen=True):
    """A page of context, as it stands, with its newest moves as (position, move), oldest first."""

    page: str
    content: Content
    tokens: int
    admitted: int
    """the position"""
    moves: tuple[tuple[int, str], ...]
    shape: Shape = "whole"
    shown: Content | None = None
    """what stands in its place; None: itself"""
    shown_tokens: int = 0
    call: str = ""
    tool: str = ""
    about: str = ""
    before: int = 0
    """tokens in front of it when it came"""
    number: int = 0
    """the request, or turn, that it came with"""
    exempt: str = ""
    faults: int = 0
    pinned_until: int = 0
    """the request before which it may not leave"""
    lines: int = 0
    left: int = 0
    """the request with which it left, or entered as a preview; 0: it is whole"""
    needed: int = 0
    """the request whose reply was the first that needed it after that; 0: none has"""
    gone: bool = False
    """whether the client left it out of its newest request"""


class Conversation(Noun, frozen=True):
    """A foreign agent's conversation through the gateway, as far as decisions look at it."""

    client: str
    api: str
    model: str
    session: str = ""
    credential: str = ""
    mode: str = "safe"
    frozen: bool = False
    recall: bool = False
    room: int = 0
    kept: str = "full"
    tariff: Tariff = Tariff()
    requests: int = 0
    """the newest request's number"""
    asked_at: int = 0
    """when it came, ns"""
    tokens: int = 0
    """what the client's newest request held, nothing moved"""
    moved: int = 0
    """tokens that all moves together keep out of the window now"""
    window: int = 0
    """tokens that the provider counted in the newest answered request"""
    cached: int = 0
    """those of them that it read from its cache"""
    uncached: int = 0
    """answered requests in a row without any"""
    evicted: int = 0
    """pages that were ever moved out, each once; and of those the ones that came back:"""
    faulted: int = 0
    again: int = 0
    lost_microusd: int = 0
    """what faults have cost"""
    saved_microusd: int = 0
    """alone - cost, over all answered requests; below zero where moves didn't pay"""
    alone_microusd: int = 0
    """what it would all have cost had nothing been moved"""
    breaks: int = 0
    """prefixes that the client rewrote"""
    trail: Trail = Trail()


class Touch(Noun, frozen=True):
    """An effect that may have changed the workspace since it was recorded; ns, ``ends`` 0 while it is open."""

    key: str
    begins: int
    ends: int = 0


class PutBack(Noun, frozen=True):
    """What the workspace has to become before anything goes on: the event at ``position`` said so."""

    tree: str
    position: int
    image: str = ""
    keep: tuple[str, ...] = ()
    why: str = ""
    asked: bool = True
    """whether somebody was asked what becomes of changes that aren't the run's"""
    seen: str = ""
    """the tree that stood recorded when they were asked; what differs from it and came after ``at`` stays"""
    at: int = 0
    """when that was, in ns; both empty where nobody else's work can be in the way"""


class Live(Noun, frozen=True):
    """What follows the path the run is on."""

    entries: Table[int, Turn | Message] = Table()
    """the conversation, by ordinal from 0"""
    newest: int = -1
    """ordinal of the newest turn; -1 while there is none"""
    met: Table[str, int] = Table()
    """stems of acts met on this path, with the position"""
    recognised: Table[str, int] = Table()
    """stems of acts of an abandoned tail that a person has recognised in a call that differs from them"""
    pages: Table[str, Page] = Table()
    timers: Table[str, Timer] = Table()
    tree: str = ""
    """the workspace tree last recorded"""
    tree_position: int = 0
    fresh: bool = False
    """whether nothing has touched the workspace since ``tree`` was recorded, and no turn has begun"""
    stirred: int = 0
    """the event that last ended ``fresh``: a look that began before it does not answer for it"""
    workspace_error: str = ""
    refreshed: int = 0
    """the waiting call (by its proposal) for which the store was asked about other runs"""
    image: str = ""
    """the process images last recorded with ``tree``"""
    touched: tuple[Touch, ...] = ()
    """effects that ran since ``tree`` was recorded, oldest first"""
    put_back: PutBack | None = None
    conversation: Conversation | None = None
    """a foreign agent's, through the gateway; its pages are in ``pages``"""
    sent: Table[int, str] = Table()
    """digests of the messages of its newest request, by their place from 0"""
    hidden: Table[str, Content] = Table()
    """messages that are split again: digest of the merged one -> what goes on in its place"""
    joined: Table[str, Content] = Table()
    """and what joins the results that follow it"""
    received: Table[str, CallRecord] = Table()
    """calls of a foreign client, by their names, as many of the answered as are remembered"""
    client: str = ""
    """the foreign client whose process works in this run; empty while none does"""

    @property
    def turn(self) -> Turn | None:
        """The newest turn, if any."""
        if self.newest < 0:
            return None
        entry = self.entries[self.newest]
        return entry if isinstance(entry, Turn) else None


class World(Noun, frozen=True):
    """What happened, for ever: kept through rewinds, and carried into forks."""

    open: Table[str, Effect] = Table()
    """effects without an outcome, reads among them"""
    receipts: Table[str, Effect] = Table()
    """settled effects other than reads"""
    approvals: Table[str, Approval] = Table()
    denied: Table[str, str] = Table()
    """(stem, arguments) of acts that a person forbade -> approval"""
    reverts: Table[str, int] = Table()
    """receipts that a person asked to undo, and whose undo has not begun -> position"""
    counters: Table[str, int] = Table()
    started: Table[str, int] = Table()
    """effects started, per tool"""
    tokens: int = 0
    cost_microusd: int = 0
    turns: int = 0
    opened_at: int = 0
    dead: Table[int, int] = Table()
    """epochs of dead writers -> when that was proved"""
    rewinds: int = 0
    elsewhere: Table[str, Effect] = Table()
    """acts that other runs have begun, by stem: ask the store again before deciding on them"""
    kept_from: int = 0
    """files of earlier positions were let go, but for those in ``kept``"""
    kept: tuple[int, ...] = ()
    pins: tuple[int, ...] = ()
    """positions that a person wants to be able to go back to, in order"""


class State(Noun, frozen=True):
    """A run at one position."""

    run: str = ""
    position: int = 0
    at: int = 0
    epoch: int = 0
    agent: str = ""
    definition: str = ""
    contract: str = ""
    lineage: str = ""
    tenant: str = ""
    step: int = 0
    depth: int = 0
    parent: str = ""
    forked_at: int = 0
    status: Status = "running"
    attended: bool = False
    """whether the present writer only records and drives nothing"""
    wait: str = ""
    wait_text: str = ""
    needs_person: bool = False
    answer: Content | None = None
    why: str = ""
    live: Live = Live()
    world: World = World()
    root: str = ""
    """the directory of this run's workspace; empty without one"""

    @property
    def closed(self) -> bool:
        """Whether the run ended."""
        return self.status in ("finished", "failed", "cancelled")
