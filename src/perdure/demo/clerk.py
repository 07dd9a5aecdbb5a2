"""A model that says the same thing in other words each time it is asked, as real models do.

What it wants depends on the conversation alone, so it goes on where it should after a crash or a
rewind. How it says it depends on the seed and on how often it was asked: it mints new references
and call ids, words its notes anew, and puts its arguments in another order. A process that starts
again brings another seed. A model that is asked again is not a replay.
"""

import random
from collections.abc import Mapping

import msgspec

from perdure.demo.invoices import Invoice
from perdure.intention.reply import Call, Reply
from perdure.testing.scripted import ScriptedModel, call, together
from perdure.wire.prompt import Answered, Prompt, Said

_READING = ("Let me see what there is.", "I will read them first.", "Looking at the folder.")
_PAYING = ("Next one.", "Paying {}.", "{} is due, so I pay it now.", "On to {}.")
_NOTES = (
    "payment of {}",
    "settling {} as agreed",
    "your invoice {}, with thanks",
    "re: {}",
    "{} - paid in full",
)
_REFERENCES = ("AP-{:08x}", "ref {:06x}", "{:010d}", "pay/{:07x}")
_DONE = (
    "All {} invoices are dealt with.",
    "That was the last of the {} invoices.",
    "Done: {} invoices, and none is left.",
)


def make_clerk(seed: int) -> ScriptedModel:
    """Return the model; another seed words everything differently."""
    draw = random.Random(seed)  # noqa: S311 - wording is no secret
    return ScriptedModel(lambda prompt: _next(prompt, draw), reword=seed)


def _next(prompt: Prompt, draw: random.Random) -> Reply:
    """List, read, pay one after the other, and end; whatever was answered is not asked again."""
    answers = _answers(prompt)
    listed = [text for made, text in answers if made.tool == "list_invoices"]
    if not listed:
        return _saying(draw.choice(_READING), call("list_invoices"))
    numbers = msgspec.json.decode(listed[-1], type=list[str])
    read = [msgspec.json.decode(text, type=Invoice) for made, text in answers if made.tool == "read_invoice"]
    known = {bill.number: bill for bill in read}
    unread = [number for number in numbers if number not in known]
    if unread:
        return _saying(draw.choice(_READING), *(call("read_invoice", invoice=each) for each in unread))
    paying = [made for made, _ in answers if made.tool.startswith("pay_")]
    dealt_with = {str((made.arguments or {}).get("invoice")) for made in paying}
    owed = [known[number] for number in numbers if number not in dealt_with]
    if owed:
        return _saying(draw.choice(_PAYING).format(owed[0].number), _payment(owed[0], draw))
    return Reply(text=draw.choice(_DONE).format(len(numbers)))


def _payment(bill: Invoice, draw: random.Random) -> Reply:
    return call(
        f"pay_{bill.route}",
        invoice=bill.number,
        amount_cents=bill.amount_cents,
        reference=draw.choice(_REFERENCES).format(draw.getrandbits(32)),
        note=draw.choice(_NOTES).format(bill.number),
    )


def _saying(text: str, *calls: Reply) -> Reply:
    return together(*calls, text=text)


def _answers(prompt: Prompt) -> list[tuple[Call, str]]:
    """Return every call that was answered without an error, with its answer."""
    calls: Mapping[str, Call] = {
        made.id: made for entry in prompt.entries if isinstance(entry, Said) for made in entry.reply.calls
    }
    return [
        (calls[entry.call_id], entry.text)
        for entry in prompt.entries
        if isinstance(entry, Answered) and not entry.is_error
    ]
