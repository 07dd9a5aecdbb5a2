"""The scripted model wants the same and says it in other words."""

import asyncio

import msgspec

from perdure.demo.clerk import make_clerk
from perdure.demo.invoices import draw_invoices
from perdure.intention.reply import Call, Reply
from perdure.wire.prompt import Answered, Entry, Prompt, Said, UserText

BILLS = {bill.number: bill for bill in draw_invoices(3, seed=1)}


def ask(seed: int, *entries: Entry) -> Reply:
    prompt = Prompt("", entries=(UserText("Pay."), *entries))
    return asyncio.run(make_clerk(seed).ask(prompt, key="k"))


def answered(reply: Reply, *texts: str, is_error: bool = False) -> tuple[Entry, ...]:
    made = zip(reply.calls, texts, strict=True)
    return (Said(reply), *(Answered(call.id, text, is_error) for call, text in made))


def after_reading(seed: int) -> tuple[Entry, ...]:
    listed = answered(ask(seed), msgspec.json.encode(list(BILLS)).decode())
    reading = ask(seed, *listed)
    bills = (BILLS[str((call.arguments or {})["invoice"])] for call in reading.calls)
    return (*listed, *answered(reading, *(msgspec.json.encode(bill).decode() for bill in bills)))


def payment(reply: Reply) -> Call:
    (call,) = reply.calls
    return call


def test_it_lists_then_reads_all_then_pays_the_first() -> None:
    call = payment(ask(1, *after_reading(1)))
    first = next(iter(BILLS.values()))
    assert call.tool == f"pay_{first.route}"
    assert call.arguments is not None
    assert (call.arguments["invoice"], call.arguments["amount_cents"]) == (first.number, first.amount_cents)


def test_asked_again_by_another_process_it_wants_the_same_in_other_words() -> None:
    conversation = after_reading(1)
    said = [payment(ask(seed, *conversation)) for seed in range(20)]
    meant = {
        (call.tool, str(arguments["invoice"]), str(arguments["amount_cents"]))
        for call in said
        if (arguments := call.arguments) is not None
    }
    assert len(meant) == 1
    assert len({call.id for call in said}) == 20
    assert len({str((call.arguments or {})["reference"]) for call in said}) == 20
    assert len({tuple(call.arguments or {}) for call in said}) > 3, "the order of the arguments changes"
    assert len({str((call.arguments or {})["note"]) for call in said}) > 1


def test_the_same_seed_and_conversation_give_the_same_words() -> None:
    conversation = after_reading(1)
    assert ask(5, *conversation) == ask(5, *conversation)


def test_it_asks_again_for_what_failed_and_not_for_what_was_done() -> None:
    conversation = after_reading(1)
    first = ask(1, *conversation)
    done = answered(first, '{"payment_id":"P-1"}')
    failed = answered(first, "Not done.", is_error=True)
    assert payment(ask(2, *conversation, *done)).tool != payment(first).tool
    assert payment(ask(2, *conversation, *failed)).tool == payment(first).tool
