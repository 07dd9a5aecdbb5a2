"""The same script of strikes for the agent without perdure's claims: what the bank makes of that."""

import itertools

from perdure.demo.bank_words import Statement
from perdure.demo.invoices import Invoice
from perdure.demo.killing import Lane, rest, strike_at
from perdure.demo.naive import Steps, checkpoint_of, read_steps, save_steps
from perdure.demo.strikes import Script, hit_by, lost_before
from perdure.wire.prompt import Answered, Said


def play_unclaimed(lane: Lane, script: Script, invoices: tuple[Invoice, ...], *, wording: int) -> Statement:
    """Play the whole script and return what the bank has booked."""
    wordings = itertools.count(wording)
    express = invoices[-1].number
    strikes = [*script.strikes, None, *([script.last] if script.last else [])]
    for strike in strikes:
        if strike is None:
            _rewind(lane, script.rewound)
            continue
        booked = {payment.invoice for payment in lane.bank.statement().payments}
        owed = [invoice.number for invoice in invoices if invoice.number not in booked]
        hit = express if strike is script.last else hit_by(strike, owed, express)
        words = list(itertools.islice(wordings, strike.rivals))
        strike_at(lane, strike, hit, words, lost_before(strike, owed, hit))
    rest(lane, wording=next(wordings))
    return lane.bank.statement()


def _rewind(lane: Lane, payments: int) -> None:
    """Send the run back to before its last payments: the steps after that are gone."""
    file = checkpoint_of(lane.errand.store, lane.errand.run)
    steps = read_steps(file)
    asking = _paying(steps)[-payments:] if payments else []
    if asking:
        save_steps(file, steps[: asking[0]])


def _paying(steps: Steps) -> list[int]:
    """Return the steps in which a payment was asked for that succeeded."""
    done = {
        entry.call_id
        for step in steps
        for entry in step
        if isinstance(entry, Answered) and not entry.is_error
    }
    return [
        nth
        for nth, step in enumerate(steps)
        for entry in step
        if isinstance(entry, Said)
        and any(call.tool.startswith("pay_") and call.id in done for call in entry.reply.calls)
    ]
