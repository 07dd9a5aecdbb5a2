"""An agent that pays a folder of invoices at a bank: a real agent, whole, in one file.

What to look at is what each payment tool says of itself:

- `pay_transfer` is `idempotent`: the bank honours our key, so sending again is safe.
- `pay_wire` is `probeable`: the bank takes every request for a new one, but a wire can be looked
  up by its memo, which is our key; and after `LISTED_WITHIN_S` it is listed if it ever will be.
- `pay_express` is `once`: an express wire is listed only the next day, so if a reply is missing
  there is nobody to ask but a person.

For all three an invoice is paid once (`identity`), in whichever run (`scope`), however the model
words the reference and the note of its request (`volatile`).

Where the bank and the folder are is in the environment: see `BANK` and `INVOICES`.
"""

import os
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from perdure import Agent, Context, Found, Never, NotDone, Unknown, tool
from perdure.demo import invoices
from perdure.demo.bank_client import BankClient, NoReply, NotSent, Rejected, bank_at
from perdure.demo.bank_words import Payment, Refund, Transfer, Wire
from perdure.demo.invoices import Invoice, PaymentRoute
from perdure.values.digest import Json

if TYPE_CHECKING:
    from perdure.testing.scripted import ScriptedModel

BANK = "PERDURE_DEMO_BANK"
"""Names the bank's address, as in http://127.0.0.1:8080."""

INVOICES = "PERDURE_DEMO_INVOICES"
"""Names the folder of invoices."""

LISTED_WITHIN_S = 1.0
"""A wire whose sender is dead for longer than this is listed by the bank, or was never received."""

SENDS_MAX = 10
"""A payment that was never received may be requested this often; the demo's kills stay below."""

REFERENCE_CHARACTERS_MAX = 200
"""What the bank takes."""

Number = Annotated[str, msgspec.Meta(pattern="^INV-[0-9]{4}-[0-9]{4}$")]
"""An invoice's number. What a schema can rule out never reaches a tool."""

Cents = Annotated[int, msgspec.Meta(gt=0)]

Answer = TypeVar("Answer", Payment, Refund)

INSTRUCTIONS = """\
You pay the invoices in a folder. List them, read every one of them, then pay each with the tool
that its route names: transfer, wire or express. Give the exact amount in cents, a payment reference
of your own and a short note. Pay one invoice after the other and the express one last. When every
invoice is paid, answer with one sentence and call no tool."""


@tool(effect="read")
def list_invoices() -> list[str]:
    """List the numbers of all invoices."""
    return list(invoices.invoice_numbers(_folder()))


@tool(effect="read")
def read_invoice(invoice: Number) -> Invoice:
    """Read one invoice: supplier, amount in cents, and the route by which it is to be paid."""
    return invoices.read_invoice(_folder(), invoice)


async def find_wire(ctx: Context) -> Found | Never | Unknown:
    """Look for the wire in the bank's list; its memo is the key that we gave it."""
    try:
        wire = await _bank().find_wire(ctx.key)
    except (NotSent, Rejected, NoReply) as error:
        return Unknown(str(error))
    return Never() if wire is None else Found(wire)


async def refund(_: Context, receipt: dict[str, Json]) -> Refund:
    """Take a payment back, whole."""
    payment = msgspec.convert(receipt, Payment)
    return await _answered(_bank().refund(payment.payment_id, reason="taken back"))


@tool(
    effect="idempotent",
    identity=("invoice",),
    scope="tenant",
    volatile=("reference", "note"),
    undo=refund,
    timeout=20,
    sends_max=SENDS_MAX,
)
async def pay_transfer(
    ctx: Context, invoice: Number, amount_cents: Cents, reference: str, note: str = ""
) -> Payment:
    """Pay an invoice whose route is 'transfer'."""
    bill = _bill(invoice, amount_cents, "transfer")
    order = Transfer(
        invoice=bill.number,
        creditor=bill.supplier,
        amount_cents=bill.amount_cents,
        reference=_words(reference, note),
    )
    return await _answered(_bank().pay_transfer(order, key=ctx.key))


@tool(
    effect="probeable",
    identity=("invoice",),
    scope="tenant",
    volatile=("reference", "note"),
    probe=find_wire,
    visible_within=LISTED_WITHIN_S,
    undo=refund,
    timeout=20,
    sends_max=SENDS_MAX,
)
async def pay_wire(
    ctx: Context, invoice: Number, amount_cents: Cents, reference: str, note: str = ""
) -> Payment:
    """Pay an invoice whose route is 'wire'."""
    bill = _bill(invoice, amount_cents, "wire")
    order = _wire(bill, _words(reference, note), memo=ctx.key)
    return await _answered(_bank().pay_wire(order))


@tool(
    effect="once",
    identity=("invoice",),
    scope="tenant",
    volatile=("reference", "note"),
    undo=refund,
    timeout=20,
)
async def pay_express(
    ctx: Context, invoice: Number, amount_cents: Cents, reference: str, note: str = ""
) -> Payment:
    """Pay an invoice whose route is 'express'."""
    bill = _bill(invoice, amount_cents, "express")
    order = _wire(bill, _words(reference, note), memo=ctx.key, express=True)
    return await _answered(_bank().pay_wire(order))


TURNS_MAX = 200
SMALL_MODEL, SMALL_TURNS_MAX, SMALL_TOKENS_MAX, SMALL_TEMPERATURE = "local", 24, 160, 0.3
"""A model of 135 million parameters rambles, and seldom knows when it is done: it is given an end."""

TOOLS = (list_invoices, read_invoice, pay_transfer, pay_wire, pay_express)


def payables(model: "str | ScriptedModel", *, base_url: str | None = None) -> Agent:
    """Return the agent; ``model`` is a name like ``"anthropic:claude-..."``, or a scripted one."""
    small = model == SMALL_MODEL
    return Agent(
        name="payables",
        instructions=INSTRUCTIONS,
        tools=TOOLS,
        model=model,
        base_url=base_url,
        turns_max=SMALL_TURNS_MAX if small else TURNS_MAX,
        settings={"max_tokens": SMALL_TOKENS_MAX, "temperature": SMALL_TEMPERATURE} if small else None,
    )


def _bank() -> BankClient:
    return bank_at(os.environ[BANK])


def _folder() -> Path:
    return Path(os.environ[INVOICES])


def _bill(number: str, amount_cents: int, route: PaymentRoute) -> Invoice:
    """Return the invoice as it stands in the folder, or refuse: models mix up numbers and routes."""
    try:
        bill = invoices.read_invoice(_folder(), number)
    except KeyError:
        there_are = ", ".join(invoices.invoice_numbers(_folder()))
        raise NotDone(f"there is no invoice {number!r}; there are {there_are}") from None
    if bill.route != route:
        raise NotDone(f"{number} is paid by {bill.route}: use pay_{bill.route}")
    if bill.amount_cents != amount_cents:
        raise NotDone(f"{number} is about {bill.amount_cents} cents, not {amount_cents}")
    return bill


def _wire(bill: Invoice, reference: str, *, memo: str, express: bool = False) -> Wire:
    return Wire(
        invoice=bill.number,
        creditor=bill.supplier,
        amount_cents=bill.amount_cents,
        reference=reference,
        memo=memo,
        express=express,
    )


def _words(reference: str, note: str) -> str:
    """Return what the bank prints beside the payment: at least one character, as it demands."""
    return f"{reference} {note}".strip()[:REFERENCE_CHARACTERS_MAX] or "-"


async def _answered(request: Awaitable[Answer]) -> Answer:
    """Return the bank's answer; say what is known not to be done, and leave unknown what is unknown."""
    try:
        return await request
    except (NotSent, Rejected) as error:
        raise NotDone(str(error)) from error
