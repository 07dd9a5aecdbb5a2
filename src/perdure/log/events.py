"""Every kind of event: all that the system can remember, in one file.

Rules:
- A kind, once released, is only ever upcast (``perdure.log.upcast``); its name is never re-spelled.
- A body is small. What may be large stands in a blob and is named by ``Content`` or a digest.
- Some kinds are *facts* (the world, a person or a clock said so) and the rest are *decisions*
  (``orchestrator.step`` derived them); ``FACTS`` says which. A decision's cause is its fact.
- Times are nanoseconds since the epoch, from the driver's clock.
- A body is made of values that were there before it, so it is part of no cycle, and Python's collector of cycles needs
  not look at it (``gc=False``): a process that drives many runs holds them by the ten thousand.
"""

import msgspec

from perdure.values.digest import Json


class Body(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What an event says; the kind is the class."""


class Content(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """Text that stands here, or the blob that holds it. ``size`` is in bytes of UTF-8."""

    size: int
    text: str | None = None
    blob: str | None = None


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens of one model call as the provider counted them, and money in millionths of a dollar."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_microusd: int = 0


class ClaimSeen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A claim that another run of the lineage or tenant holds, as the store showed it."""

    key: str
    stem: str
    run: str
    position: int
    tool: str
    attempt: int
    arguments: str
    """digest of the canonical arguments without volatile fields"""
    outcome: str | None = None
    """None while it is open"""
    result: Content | None = None
    loose: str = ""


class CounterSeen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A budget or rate counter that several runs share, as the store showed it."""

    counter: str
    used: int


class DenialSeen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a person forbade in another run of the lineage: exactly this, whoever asks for it."""

    approval: str
    key: str
    arguments: str
    """digest of all arguments"""
    by: str = ""


# --- runs ---------------------------------------------------------------------------------------


class RunOpened(Body, frozen=True):
    """A run began."""

    agent: str
    definition: str
    """digest of the agent's definition: instructions, model and tool declarations"""
    contract: str
    lineage: str
    tenant: str
    step: int
    """version of the deciding logic"""
    depth: int = 0
    parent: str | None = None
    root: str = ""
    """the workspace's directory; empty without one"""


class RunForked(Body, frozen=True):
    """A run began as the prefix of another; positions up to ``at`` are the parent's."""

    parent: str
    at: int
    tenant: str
    step: int
    why: str = ""
    root: str = ""
    """the fork's own directory; empty without one"""
    tree: str = ""
    """what that directory begins with"""
    image: str = ""


class RunRewound(Body, frozen=True):
    """The run went back to ``to``; later events are an abandoned tail.

    Where ``to`` is the position right before, there is none: only the files and processes go back.
    """

    to: int
    by: str
    why: str = ""
    tree: str = ""
    """what the workspace is put back to; empty leaves the files as they are"""
    image: str = ""
    """processes to bring back with the files"""
    keep: tuple[str, ...] = ()
    """paths that are left as they are, as ``checkpoint.tree.spelled`` gives them"""
    session: str = ""
    """the foreign client's new session, which ends where ``to`` says; empty where none is written"""


class RunSuspended(Body, frozen=True):
    """The run waits for a person, a timer or a child."""

    why: str
    """'approval', 'doubt', 'divergence', 'person', 'timer', 'pending', 'child', 'backup'"""
    text: str
    needs_person: bool = True


class RunResumed(Body, frozen=True):
    """What the run waited for has come."""

    why: str


class RunClosed(Body, frozen=True):
    """The run ended: 'finished', 'failed' or 'cancelled'."""

    status: str
    answer: Content | None = None
    why: str = ""
    by: str = ""


class ContractAdopted(Body, frozen=True):
    """From here on the contract of this digest judges, and tools are as this definition says."""

    contract: str
    definition: str
    source: str = ""


class MessageReceived(Body, frozen=True):
    """A person, or perdure itself, said something to the model."""

    id: str
    sender: str
    text: Content


class NoteMade(Body, frozen=True):
    """Somebody left a note beside what happened; the model isn't told."""

    by: str
    text: Content


class TimerSet(Body, frozen=True):
    """A timer will fire at ``due``."""

    timer: str
    due: int
    why: str


class TimerFired(Body, frozen=True):
    """The timer's time has come."""

    timer: str


# --- the model ----------------------------------------------------------------------------------


class ModelRequested(Body, frozen=True):
    """The model is asked to go on from the conversation as it stands."""

    turn: int
    attempt: int
    entries: int
    """entries of the conversation that the prompt is made from"""


class ModelReplied(Body, frozen=True):
    """The model's whole reply."""

    turn: int
    reply: Content
    usage: Usage = Usage()


class ModelFailed(Body, frozen=True):
    """The model gave no reply."""

    turn: int
    error: str
    retryable: bool = True


# --- intentions and approvals -------------------------------------------------------------------


class IntentionProposed(Body, frozen=True):
    """The model wants this done; nothing is allowed yet."""

    call: str
    tool: str
    index: int
    """place among the reply's calls; the reply holds the arguments word for word"""
    digest: str
    """of the canonical arguments, all of them"""
    arguments: dict[str, Json] | None = None
    """None when they are large: read them from the reply"""


class IntentionRefused(Body, frozen=True):
    """It will not be done; the model is told why."""

    call: str
    rule: str
    reason: str
    hint: str = ""


class IntentionAccepted(Body, frozen=True):
    """It may be done, and nothing is promised for it: a wait, or a question to a person.

    An intention that leads to an effect is accepted by ``effect.started``, in the same breath.
    """

    call: str
    key: str
    approval: str = ""
    """the grant that it uses up"""


class ApprovalRequested(Body, frozen=True):
    """A person must allow exactly this: key, arguments and contract."""

    approval: str
    call: str
    key: str
    arguments: str
    contract: str
    expires: int
    why: str
    who: str = ""
    receipt: str = ""
    """key of the earlier act that it may repeat, where that is why a person is asked"""


class ApprovalGranted(Body, frozen=True):
    """A person allowed it."""

    approval: str
    by: str
    note: str = ""


class ApprovalDenied(Body, frozen=True):
    """A person forbade it."""

    approval: str
    by: str
    note: str = ""


class ApprovalExpired(Body, frozen=True):
    """Nobody answered in time."""

    approval: str


# --- calls of foreign clients -------------------------------------------------------------------


class CallReceived(Body, frozen=True):
    """A foreign client wants a tool called; nothing is allowed yet."""

    call: str
    """a stable name: the same call, sent again after a crash, has the same"""
    tool: str
    arguments: Content
    """a JSON object, word for word"""
    of: int = 0
    """where the request stands in whose reply the model made it; 0 where that isn't known"""
    via: str = "mcp"
    """'mcp', or 'hook' for what the client does itself"""


class CallAnswered(Body, frozen=True):
    """The client told what became of a call that it carried out itself: 'succeeded', 'failed' or 'unknown'."""

    call: str
    outcome: str
    result: Content | None = None
    error: str = ""


class CallReleased(Body, frozen=True):
    """The client was told that its call is not done yet, or went away: it waits no longer for an answer."""

    call: str
    why: str
    kind: str = "gone"
    """'waits' for a person's leave, 'doubt', or 'gone': nobody is there any more"""


class ClientAttached(Body, frozen=True):
    """A foreign client's process works in this run."""

    client: str
    """its name and version"""
    words: str = ""
    """how it was started, in a few words"""
    transcript: str = ""
    """the form in which it keeps its own transcript; empty where that isn't known"""


class ClientLeft(Body, frozen=True):
    """It doesn't any more."""

    why: str
    session: str = ""
    """the client's own name for its newest session, where it is known"""


# --- effects ------------------------------------------------------------------------------------


class Reservation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An amount that an effect takes from a counter; given back if it is known not done."""

    counter: str
    amount: int
    limit: int
    shared: bool = False
    """whether other runs count here too, so that the store must check it"""


class EffectStarted(Body, frozen=True):
    """The promise: durable before the deed. ``send`` counts requests of the same key."""

    key: str
    call: str
    tool: str
    effect: str
    stem: str
    attempt: int
    send: int
    arguments: str
    """digest of the canonical arguments without volatile fields"""
    loose: str = ""
    """digest of them with everything masked that looks like an id or a time"""
    what: str = ""
    """the act in a few words, for people and for the model"""
    reserved: tuple[Reservation, ...] = ()
    approval: str | None = None
    undoes: str | None = None


class EffectPending(Body, frozen=True):
    """The other side took it and is still working; ``reference`` finds it again."""

    key: str
    reference: Json
    poll_ns: int
    give_up: int


class EffectSettled(Body, frozen=True):
    """The outcome: 'succeeded', 'failed' (known not done) or 'partial'."""

    key: str
    outcome: str
    result: Content | None = None
    error: str = ""
    by: str = "tool"
    preview: Content | None = None
    """what could stand in the result's place from the start, where it is long and pages may move"""
    lines: int = 0
    """lines of a long result"""


class EffectDoubted(Body, frozen=True):
    """Whether it happened is not known. ``ended``: its sender can't send any more."""

    key: str
    why: str
    ended: bool


class EffectReconciled(Body, frozen=True):
    """What looking showed: 'found', 'never', 'barred' (can't come any more) or 'unknown'."""

    key: str
    verdict: str
    evidence: str = ""
    result: Content | None = None
    by: str = "probe"


class EffectReplayed(Body, frozen=True):
    """An equal intention was answered with the receipt of ``key``."""

    call: str
    key: str


class EffectCompensated(Body, frozen=True):
    """An undo took it back; its identity is free again."""

    key: str
    by: str


class MemoryLearned(Body, frozen=True):
    """What the store remembers of other runs that share a lineage, tenant or budget with this one."""

    claims: tuple[ClaimSeen, ...] = ()
    counters: tuple[CounterSeen, ...] = ()
    denials: tuple[DenialSeen, ...] = ()
    tell: bool = False
    """whether the model is told: a fork begins with it"""


# --- workspace and checkpoints ------------------------------------------------------------------


class PathChanged(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """One path that is otherwise than before."""

    path: str
    """relative to the workspace; what is no UTF-8 is escaped"""
    change: str
    """'created', 'changed' or 'deleted'"""
    by: str = "window"
    """'tool': a tool of the agent did it. 'window': it came while one ran. 'unknown': neither is so"""


class WorkspaceChanged(Body, frozen=True):
    """Files changed, from one tree to the next."""

    before: str
    after: str
    paths: tuple[PathChanged, ...] = ()
    """at most ``PATHS_IN_EVENT_MAX``, those by 'unknown' first"""
    key: str | None = None
    """the effect that did it, if there is only one that could have"""
    count: int = 0
    """how many paths changed"""
    full: str | None = None
    """the blob with all of them (JSON), where they are too many for the event"""


class DriftFound(Body, frozen=True):
    """The world is not as a receipt says it should be."""

    key: str
    text: str


class CheckpointTaken(Body, frozen=True):
    """The workspace stands in the store as this tree."""

    tree: str
    files: int
    new_bytes: int
    level: str = ""
    """the level of the ladder that looked and recorded: 'L0', 'L1' or 'L2'"""
    what: str = "files"
    """what had changed: 'files', 'processes', 'both', or 'unknown'"""
    image: str = ""
    """the tree of process images; empty where no processes were recorded"""
    torn: tuple[str, ...] = ()
    """paths that went on changing while they were read"""
    left: int = 0
    """paths that were left out by a rule; the tree names them"""
    notes: tuple[str, ...] = ()
    """what this level could not record"""
    of: int = 0
    """where what the look was for stands, in a foreign client's run: it goes on while it is looked at"""


class CheckpointSkipped(Body, frozen=True):
    """Nothing lasting has changed since the checkpoint before; ``tree`` may have newer times in it."""

    tree: str
    level: str = ""
    image: str = ""
    of: int = 0


class CheckpointFailed(Body, frozen=True):
    """The workspace could not be recorded, or not be put back."""

    error: str


class CheckpointRestored(Body, frozen=True):
    """The workspace is this tree again."""

    tree: str
    why: str
    written: int = 0
    deleted: int = 0
    image: str = ""
    """the processes that run again"""
    kept: int = 0
    """paths that were left as they are"""
    notes: tuple[str, ...] = ()
    """what could not be put back"""
    saved: str = ""
    """the tree of what was there before, so that this can be undone"""


class CheckpointPinned(Body, frozen=True):
    """A person wants to be able to go back to `position` always, or no longer does."""

    position: int
    by: str
    pinned: bool = True


class CheckpointReleased(Body, frozen=True):
    """Files of positions before `before` may go, but for those in `kept`: forks begin there, or they are pinned."""

    before: int
    by: str
    kept: tuple[int, ...] = ()
    trees: tuple[str, ...] = ()
    """what the kept positions need, of files and of process images"""


# --- pages --------------------------------------------------------------------------------------


class PageAdmitted(Body, frozen=True):
    """A page entered the window, 'whole' or as a 'preview'."""

    page: str
    """the handle"""
    content: Content
    """all of it, byte for byte"""
    tokens: int
    """about how many it takes whole"""
    shape: str
    shown: Content | None = None
    """what stands in its place; None: itself"""
    call: str = ""
    """id of the call that it answers"""
    tool: str = ""
    about: str = ""
    """path, address or command that it is found by"""
    before: int = 0
    """tokens in front of it"""
    number: int = 0
    """the request, or turn, that it entered with"""
    exempt: str = ""
    """why it is never moved: 'recall', 'error', 'media', 'short'; empty where it may be"""
    lines: int = 0
    """lines of its content; 0 where nobody counted"""


class PageEvicted(Body, frozen=True):
    """A page left the window; its handle stays, in ``shown``, which is what stands there from now on."""

    page: str
    why: str = ""
    """'used', 'cold', 'batch', 'room', 'uncached'"""
    shown: Content | None = None
    tokens: int = 0
    """what ``shown`` takes"""
    saves_microusd: int = 0
    """what was expected to be saved, the expected faults taken off"""


class PageFaulted(Body, frozen=True):
    """The model asked for a page again, and was given ``size`` bytes of it from ``start``."""

    page: str
    start: int = 0
    size: int = 0
    tokens: int = 0
    number: int = 0
    """the request, or turn, in which it was asked for"""


class RecallAnswered(Body, frozen=True):
    """A run of our own asked for pages, and was given this. No effect stands behind it: the log has the bytes."""

    call: str
    text: Content


class PagePinned(Body, frozen=True):
    """A page may not leave before request ``until``."""

    page: str
    until: int = 0


class PageUnpinned(Body, frozen=True):
    """A page may leave again."""

    page: str


# --- conversations of foreign agents, through the gateway ----------------------------------------


class Tariff(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a model's input costs, in millionths of a dollar per million tokens, and how its cache behaves.

    All zero where the price isn't known, and nothing is then decided by money.
    """

    input: int = 0
    read: int = 0
    write: int = 0
    output: int = 0
    ttl: int = 0
    """how long the cache lives after its last use, ns; 0: there is no prompt cache"""
    minimum: int = 0
    """tokens below which nothing is cached"""
    subscription: bool = False
    """room and rate limits count, not money"""
    look_back: int = 0
    """blocks before a mark within which the cache finds an older prefix; 0: it finds any"""


class ConversationOpened(Body, frozen=True):
    """A foreign agent's conversation came through the gateway for the first time."""

    client: str
    """its name and version, as it gives them"""
    api: str
    """'messages', 'chat' or 'responses'"""
    model: str
    session: str = ""
    """the client's own name for it"""
    credential: str = ""
    """digest of what it authenticates with"""
    mode: str = "safe"
    """'observe', 'safe', 'room' or 'nocache'"""
    recall: bool = False
    """whether the model is given the recall tool"""
    tariff: Tariff = Tariff()
    room: int = 0
    """tokens under which 'room' keeps the window"""
    kept: str = "full"
    """what is kept of requests and replies: 'full', 'hashed' or 'none'"""
    note: str = ""
    """why it is in this mode, where that wasn't asked for"""


class Arrived(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A result that a request holds for the first time."""

    page: str
    content: Content
    tokens: int
    call: str = ""
    tool: str = ""
    about: str = ""
    before: int = 0
    exempt: str = ""
    preview: Content | None = None
    """what could stand in its place from the start; None where it is too short for one"""
    preview_tokens: int = 0
    lines: int = 0
    """lines of its content"""


class ConversationJoined(Body, frozen=True):
    """Another conversation of the same client has a run of its own: a side call, or a sub-agent."""

    run: str
    why: str = ""


class RequestForwarded(Body, frozen=True):
    """A client's request came; with the moves that follow from it, it goes on to the provider."""

    number: int
    purpose: str = "main"
    """'main', 'side' or 'compaction'"""
    model: str = ""
    tokens: int = 0
    """about how many the client's request holds, nothing moved"""
    kept: int = 0
    """messages in front that stand as in the request before"""
    messages: tuple[str, ...] = ()
    """digests of the messages after those, as far as the cache is concerned with them"""
    arrived: tuple[Arrived, ...] = ()
    again: tuple[str, ...] = ()
    """evicted pages that are quoted or whose call is made anew since the request before: loose faults"""
    broken: str = ""
    """who rewrote what had been sent before: 'client', or nobody"""
    body: Content | None = None
    """the request as the client sent it, where that is kept"""
    moved: int = -1
    """tokens that earlier moves keep out of it, where the pages in it were counted; -1: as in the request before"""
    recalled: int = -1
    """and those that recalled pages add to it"""
    gone: tuple[str, ...] = ()
    """pages of the request before that aren't in this one"""
    session: str = ""
    """the client's own name for the conversation, where it is another than before: a resumed client gives a new one"""


class RequestAnswered(Body, frozen=True):
    """The provider answered a request to the end."""

    number: int
    usage: Usage = Usage()
    """of all calls that it took, hidden ones among them"""
    told: Usage = Usage()
    """of the last of them, which the client sees"""
    calls: int = 1
    stop: str = ""
    first_ms: int = 0
    whole_ms: int = 0
    reply: Content | None = None
    alone_microusd: int = 0
    """what it would have cost had nothing ever been moved"""
    held_ms: int = 0
    """how long its first call was held back until the workspace stood recorded"""
    unrecorded: bool = False
    """whether that call went to the client though the workspace didn't: it took too long, or failed"""


class RequestFailed(Body, frozen=True):
    """The provider refused a request, or the connection broke, or the client went away."""

    number: int
    status: int = 0
    error: str = ""


class RecallHidden(Body, frozen=True):
    """The model asked for pages and was answered within one reply to the client.

    Whenever the client sends the message ``merged`` again, ``split`` goes on in its place; ``joined`` joins
    the results of the client's own calls that follow it. Both are JSON in the words of the API.
    """

    number: int
    merged: str
    """digest of the message as the client has it"""
    split: Content
    joined: Content | None = None


class PagingSet(Body, frozen=True):
    """From here on paging works in this mode; ``frozen`` re-applies what was decided, and decides no more."""

    mode: str
    frozen: bool = False
    why: str = ""
    by: str = ""
    model: str = ""
    tariff: Tariff | None = None
    """None: as before"""
    room: int = -1
    """tokens under which 'room' keeps the window; -1: as before"""


# --- the rest -----------------------------------------------------------------------------------


class ChangeReverted(Body, frozen=True):
    """A person asked to undo what one event did, and keep what came after."""

    position: int
    key: str
    by: str
    tree: str = ""
    """what the workspace becomes; empty where a tool's undo does it"""
    paths: tuple[str, ...] = ()
    """the paths that it takes back, at most ``PATHS_IN_EVENT_MAX``"""


class ChildSpawned(Body, frozen=True):
    """A child run works on this call."""

    key: str
    child: str


class ChildFinished(Body, frozen=True):
    """The child run ended, or waits for a person ('waiting')."""

    key: str
    child: str
    status: str
    answer: Content | None = None
    why: str = ""


class LeaseAcquired(Body, frozen=True):
    """A writer took the run. ``attends``: it only records what people post, and drives nothing."""

    holder: str
    attends: bool = False
    dead: tuple[int, ...] = ()
    """epochs whose writers are proved to run no more"""
    open: tuple[int, ...] = ()
    """earlier epochs whose writers may still be alive"""
    root: str = ""
    """where this writer has the workspace, if that is another directory than before"""


class HeadSigned(Body, frozen=True):
    """The head at ``position`` was signed."""

    position: int
    digest: str
    signature: str


class PayloadErased(Body, frozen=True):
    """The key of a payload was destroyed."""

    blob: str
    by: str


KINDS: dict[str, type[Body]] = {
    "run.opened": RunOpened,
    "run.forked": RunForked,
    "run.rewound": RunRewound,
    "run.suspended": RunSuspended,
    "run.resumed": RunResumed,
    "run.closed": RunClosed,
    "contract.adopted": ContractAdopted,
    "message.received": MessageReceived,
    "note.made": NoteMade,
    "timer.set": TimerSet,
    "timer.fired": TimerFired,
    "model.requested": ModelRequested,
    "model.replied": ModelReplied,
    "model.failed": ModelFailed,
    "intention.proposed": IntentionProposed,
    "intention.refused": IntentionRefused,
    "intention.accepted": IntentionAccepted,
    "approval.requested": ApprovalRequested,
    "approval.granted": ApprovalGranted,
    "approval.denied": ApprovalDenied,
    "approval.expired": ApprovalExpired,
    "call.received": CallReceived,
    "call.answered": CallAnswered,
    "call.released": CallReleased,
    "client.attached": ClientAttached,
    "client.left": ClientLeft,
    "effect.started": EffectStarted,
    "effect.pending": EffectPending,
    "effect.settled": EffectSettled,
    "effect.doubted": EffectDoubted,
    "effect.reconciled": EffectReconciled,
    "effect.replayed": EffectReplayed,
    "effect.compensated": EffectCompensated,
    "memory.learned": MemoryLearned,
    "workspace.changed": WorkspaceChanged,
    "drift.found": DriftFound,
    "checkpoint.taken": CheckpointTaken,
    "checkpoint.skipped": CheckpointSkipped,
    "checkpoint.failed": CheckpointFailed,
    "checkpoint.restored": CheckpointRestored,
    "checkpoint.pinned": CheckpointPinned,
    "checkpoint.released": CheckpointReleased,
    "page.admitted": PageAdmitted,
    "page.evicted": PageEvicted,
    "page.faulted": PageFaulted,
    "page.pinned": PagePinned,
    "page.unpinned": PageUnpinned,
    "conversation.opened": ConversationOpened,
    "conversation.joined": ConversationJoined,
    "request.forwarded": RequestForwarded,
    "request.answered": RequestAnswered,
    "request.failed": RequestFailed,
    "recall.answered": RecallAnswered,
    "recall.hidden": RecallHidden,
    "paging.set": PagingSet,
    "change.reverted": ChangeReverted,
    "child.spawned": ChildSpawned,
    "child.finished": ChildFinished,
    "lease.acquired": LeaseAcquired,
    "head.signed": HeadSigned,
    "payload.erased": PayloadErased,
}

KIND_OF: dict[type[Body], str] = {body: kind for kind, body in KINDS.items()}
