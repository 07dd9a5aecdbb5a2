"""The agent that the fleet drives: it pays at the bank in every way that there is, waits, asks, and sends for others.

It is given to workers as ``--agents benchmarks.scale.chaos.agent:AGENTS``. Where the bank and the book are is in
the environment: ``CHAOS_BANK``, ``CHAOS_BOOK``.
"""

import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from benchmarks.scale.chaos.hooks import arm
from benchmarks.scale.chaos.jobs import LIMIT_CENTS, PAYING, Step, read_job, task_of
from benchmarks.scale.chaos.journal import Called, Returned
from perdure import (
    Agent,
    Context,
    Contract,
    Found,
    Never,
    NotDone,
    SQLiteDatabase,
    Unknown,
    ask_person,
    tool,
    wait,
)
from perdure.adapters.tools.context import Transaction
from perdure.contract.rules import ApprovalRule
from perdure.demo.bank_client import NoReply, NotSent, Rejected, bank_at
from perdure.demo.bank_words import Transfer, Wire
from perdure.intention.reply import Call, Reply
from perdure.testing import ScriptedModel, call, say
from perdure.values.digest import Json
from perdure.wire.prompt import Answered, Prompt, Said, UserText

BANK: Final = "CHAOS_BANK"
BOOK: Final = "CHAOS_BOOK"
LISTED_WITHIN_S: Final = 3.0
"""The bank books after 0.7 s and lists 0.3 s later: that, and as long again twice for a machine that is busy."""
WAITS_S: Final = 1.0
AGAIN_S: Final = 1.5
"""Before what failed is tried again; not what a step of a job waits, so that none is taken for the other."""
SENDS_MAX: Final = 50
ARCHIVE_BYTES: Final = 1_300_000
"""More than a store keeps in its database where it has a bucket."""
TRIES_MAX: Final = 12

JOURNAL: Final = arm()


class OurBook:
    """The database of our own that the environment names when it is written to."""

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        """Run ``body`` in one transaction with its outcome."""
        return SQLiteDatabase(os.environ[BOOK]).perform(key, send, time_limit, body)

    def resolve(self, key: str, sends: int) -> Found | Never:
        """Return what was committed."""
        return SQLiteDatabase(os.environ[BOOK]).resolve(key, sends)


T = TypeVar("T")


async def find_wire(ctx: Context) -> Found | Never | Unknown:
    """Look for the wire by its memo."""
    try:
        wire = await bank_at(os.environ[BANK]).find_wire(ctx.key)
    except (NotSent, Rejected, NoReply) as error:
        return Unknown(str(error))
    return Never() if wire is None else Found(wire.payment_id)


@tool(
    effect="idempotent", identity=("invoice",), scope="tenant", volatile=("reference",), sends_max=SENDS_MAX
)
async def transfer(ctx: Context, invoice: str, cents: int, reference: str) -> str:
    """Pay by transfer."""
    _called(ctx, invoice)
    order = Transfer(invoice=invoice, creditor="c", amount_cents=cents, reference=reference)
    return await _answered(ctx, bank_at(os.environ[BANK]).pay_transfer(order, key=ctx.key))


@tool(
    effect="probeable",
    identity=("invoice",),
    scope="tenant",
    volatile=("reference",),
    probe=find_wire,
    visible_within=LISTED_WITHIN_S,
    sends_max=SENDS_MAX,
)
async def wire(ctx: Context, invoice: str, cents: int, reference: str) -> str:
    """Pay by wire."""
    _called(ctx, invoice)
    return await _answered(ctx, bank_at(os.environ[BANK]).pay_wire(_wire(ctx, invoice, cents, reference)))


@tool(effect="once", identity=("invoice",), scope="tenant", volatile=("reference",))
async def express(ctx: Context, invoice: str, cents: int, reference: str) -> str:
    """Pay by express wire, which can't be looked up today."""
    _called(ctx, invoice)
    order = _wire(ctx, invoice, cents, reference, express=True)
    return await _answered(ctx, bank_at(os.environ[BANK]).pay_wire(order))


@tool(
    effect="transactional",
    identity=("invoice",),
    scope="tenant",
    volatile=("reference",),
    database=OurBook(),
)
def book(ctx: Context, invoice: str, cents: int, reference: str) -> str:
    """Enter it into our own book."""
    _called(ctx, invoice)
    ctx.transaction.execute("INSERT INTO entries VALUES (?, ?, ?)", (invoice, cents, reference))
    return "entered"


@tool(effect="read")
async def balance() -> int:
    """Read the account."""
    try:
        return (await bank_at(os.environ[BANK]).balance()).balance_cents
    except (NotSent, NoReply) as error:
        raise NotDone(str(error)) from error


@tool(effect="read")
def archive(of: str) -> str:
    """Read something large."""
    return random.Random(of).randbytes(ARCHIVE_BYTES // 2).hex()


def _called(ctx: Context, invoice: str) -> None:
    if JOURNAL is not None:
        JOURNAL.write(Called(time.monotonic_ns(), ctx.run, ctx.position, ctx.key, ctx.send, invoice))


async def _answered(ctx: Context, paying: Awaitable[T]) -> str:
    """Return what the bank calls the payment; say what is known not to be done, and leave unknown what is unknown."""
    try:
        payment = await paying
    except (NotSent, Rejected) as error:
        raise NotDone(str(error)) from error
    if JOURNAL is not None:
        JOURNAL.write(Returned(time.monotonic_ns(), ctx.key))
    return str(getattr(payment, "payment_id", ""))


def _wire(ctx: Context, invoice: str, cents: int, reference: str, *, express: bool = False) -> Wire:
    return Wire(
        invoice=invoice, creditor="c", amount_cents=cents, reference=reference, memo=ctx.key, express=express
    )


# -- the model ---------------------------------------------------------------------------------------


def play(prompt: Prompt) -> Reply:
    """Return the first step of the job that isn't done; one that failed is tried again after a while."""
    first = next(entry.text for entry in prompt.entries if isinstance(entry, UserText))
    calls = {
        call.id: call for entry in prompt.entries if isinstance(entry, Said) for call in entry.reply.calls
    }
    answers = [entry for entry in prompt.entries if isinstance(entry, Answered)]
    failed = sum(answer.is_error for answer in answers)
    steps = read_job(first).steps
    left = list(steps)
    for answer in answers:
        done = (
            None
            if answer.is_error
            else next((each for each in left if _means(calls[answer.call_id], each)), None)
        )
        if done is not None:
            left.remove(done)
    if not left or failed > TRIES_MAX:
        return say(f"{len(steps) - len(left)} of {len(steps)} steps are done.")
    if answers and answers[-1].is_error:
        return call("wait", seconds=AGAIN_S)
    return _spoken(left[0], f"ref-{len(answers)}-{os.getpid()}")


def _means(called: Call, step: Step) -> bool:
    """Tell whether the call is this step's: a model words its request anew each time, and what it is about stays."""
    spoken = _spoken(step, "").calls[0]
    said, meant = (dict(each.arguments or {}) for each in (called, spoken))
    return called.tool == spoken.tool and {**said, "reference": ""} == {**meant, "reference": ""}


def _spoken(step: Step, reference: str) -> Reply:
    match step.tool:
        case "wait":
            return call("wait", seconds=WAITS_S)
        case "ask_person":
            return call("ask_person", question=step.about)
        case "errand":
            return call("errand", task=task_of(step.steps))
        case "balance":
            return call("balance")
        case "archive":
            return call("archive", of=step.about)
        case _:
            return call(step.tool, invoice=step.about, cents=step.cents, reference=reference)


CONTRACT: Final = Contract(
    approvals=(
        ApprovalRule(
            name="large payments", tools=PAYING, when=f"args.cents > {LIMIT_CENTS}", why="it is a large one"
        ),
    )
)
TOOLS: Final = (transfer, wire, express, book, balance, archive, wait, ask_person)

ERRAND: Final = Agent(
    name="errand", instructions="Do what you are told.", tools=TOOLS, model=ScriptedModel(play), context="off"
)
PAYER: Final = Agent(
    name="payer",
    instructions="Do the job.",
    tools=(*TOOLS, ERRAND.as_tool("Send somebody with a task.")),
    model=ScriptedModel(play),
    contract=CONTRACT,
    context="off",
)
AGENTS: Final = (PAYER,)
