"""The bank's ledger beside perdure's log: what each invoice came to, told by both.

Neither is asked to explain the other: the ledger is the bank's own statement, and the log is the
fold of its events.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from perdure.demo.bank_words import Payment, Statement
from perdure.demo.chronicle import Told
from perdure.demo.invoices import Invoice
from perdure.projection.state import Effect, State


class Account(NamedTuple):
    """What became of one invoice, by the bank and by the log."""

    invoice: Invoice
    booked: tuple[Payment, ...]
    effects: tuple[Effect, ...]
    told: tuple[Told, ...]

    @property
    def settled(self) -> int:
        """How many payments the log holds for done."""
        return sum(effect.outcome == "succeeded" for effect in self.effects)

    @property
    def doubted(self) -> int:
        """Of how many payments the log says that it doesn't know."""
        return sum(effect.phase == "doubted" for effect in self.effects)

    @property
    def lost(self) -> int:
        """How many payments one side knows and the other doesn't; what is in doubt is not lost."""
        return 0 if self.doubted else abs(len(self.booked) - self.settled)

    @property
    def paid_once(self) -> bool:
        """Whether the bank has booked it once, with its amount."""
        return [payment.amount_cents for payment in self.booked] == [self.invoice.amount_cents]


class Tally(NamedTuple):
    """The figures of all accounts."""

    invoices: int
    paid_once: int
    duplicates: int
    lost: int
    in_doubt: int
    by_probe: int
    by_person: int


def accounts(
    invoices: Sequence[Invoice], statement: Statement, state: State, told: Mapping[str, Told]
) -> tuple[Account, ...]:
    """Put the ledger and the log side by side, one line for each invoice."""
    known = (*state.world.receipts.values(), *state.world.open.values())
    found: list[Account] = []
    for invoice in invoices:
        booked = tuple(payment for payment in statement.payments if payment.invoice == invoice.number)
        effects = tuple(effect for effect in known if effect.what == f"invoice={invoice.number}")
        said = tuple(told.get(effect.key, Told()) for effect in effects)
        found.append(Account(invoice, booked, effects, said))
    return tuple(found)


def tally(found: Sequence[Account]) -> Tally:
    """Count what the accounts say."""
    told = [each for account in found for each in account.told]
    return Tally(
        invoices=len(found),
        paid_once=sum(account.paid_once for account in found),
        duplicates=sum(max(0, len(account.booked) - 1) for account in found),
        lost=sum(account.lost for account in found),
        in_doubt=sum(account.doubted for account in found),
        by_probe=sum(each.found for each in told),
        by_person=sum(each.person for each in told),
    )


def in_flight(state: State) -> tuple[Effect, ...]:
    """Return the effects on the world that are promised, and of which the log knows no end."""
    return tuple(effect for effect in state.world.open.values() if effect.effect != "read")


def duplicates(statement: Statement) -> int:
    """Count the payments beyond the first of each invoice."""
    return len(statement.payments) - len({payment.invoice for payment in statement.payments})
