"""One run of the agent under a script of strikes, with perdure; and what is seen of it.

Whoever plays this script is the world: it kills, loses replies, sends a run back, and at the end is
the person who looks at the bank's statement. It never writes to the log but through the store's
own doors.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import msgspec

from perdure import Store
from perdure.demo.audit import Account, accounts, in_flight
from perdure.demo.chronicle import PERSON, Told, told_by
from perdure.demo.invoices import Invoice
from perdure.demo.killing import Caught, Ended, Lane, rest, strike_at
from perdure.demo.strikes import Strike, hit_by, lost_before
from perdure.demo.worker import HELD
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import Effect, State
from perdure.values.digest import Json


class Hit(NamedTuple):
    """What one strike hit, and what had been done since the one before."""

    nth: int
    strike: Strike
    caught: Caught
    flying: tuple[Effect, ...]
    """promised, sent or not, and not settled when the process died"""
    before: tuple[tuple[Effect, Told], ...]
    """what became of payments that were in flight earlier, or whose reply was lost"""

    @property
    def refused(self) -> tuple[str, ...]:
        """What processes said that found the run held by another."""
        return tuple(ended.said for ended in self.caught.ended if ended.code == HELD)


class Rewound(NamedTuple):
    """How far a run was sent back."""

    to: int
    paid: tuple[Effect, ...]
    """payments of the abandoned tail"""


class Again(NamedTuple):
    """A payment that the model asked for twice, in other words."""

    effect: Effect
    first: dict[str, Json]
    then: dict[str, Json]


class Play:
    """One run: its lane, its log, and what was counted on the way."""

    def __init__(self, lane: Lane, store: Store, invoices: tuple[Invoice, ...], *, wording: int) -> None:
        """Play on ``lane``; the agent's n-th process words its requests by ``wording + n``."""
        self.lane: Lane = lane
        self.store: Store = store
        self.invoices: tuple[Invoice, ...] = invoices
        self.run: str = lane.errand.run
        self.kills: int = 0
        self.kills_in_flight: int = 0
        self.replies_lost: int = 0
        self.refused: int = 0
        self.heads: list[str] = []
        """ends of the log as they were seen after each kill"""
        self._wordings: Iterator[int] = count(wording)
        self._seen: int = 0
        self._flying: tuple[Effect, ...] = ()

    def strike(self, strike: Strike, invoice: str | None = None) -> Hit:
        """Start the agent and kill it where the strike says; by itself it chooses a payment still owed.

        A real model may never pay the one that the strike waits for, so each hits another.
        """
        owed = self.owed()
        if self.lane.errand.model is not None:
            owed = [
                number for number in owed if f"invoice={number}" not in {each.what for each in self._flying}
            ]
        hit = hit_by(strike, owed, self.invoices[-1].number) if invoice is None else invoice
        words = [next(self._wordings) for _ in range(strike.rivals)]
        caught = strike_at(self.lane, strike, hit, words, lost_before(strike, owed, hit))
        state = self.store.state(self.run)
        before, self._flying = self.news(state), in_flight(state)
        self.kills += caught.killed
        self.kills_in_flight += caught.killed if self._flying else 0
        found = Hit(self.kills, strike, caught, self._flying, before)
        self.refused += len(found.refused)
        self.heads.append(self.head())
        return found

    def rest(self) -> Ended:
        """Let the agent run until it rests."""
        return rest(self.lane, wording=next(self._wordings))

    def news(self, state: State) -> tuple[tuple[Effect, Told], ...]:
        """Say what the log tells since the last look of payments that were in flight, or lost a reply."""
        told = told_by(self.store.events(self.run, self._seen))
        self._seen = state.position
        flying = {effect.key for effect in self._flying}
        lost = {key for key, each in told.items() if each.unanswered}
        self.replies_lost += len(lost)
        known = (*state.world.receipts.values(), *state.world.open.values())
        return tuple(
            (effect, told.get(effect.key, Told()))
            for effect in known
            if effect.key in flying | lost and effect.effect != "read"
        )

    def owed(self) -> list[str]:
        """Return the invoices that the bank has not booked."""
        booked = {payment.invoice for payment in self.lane.bank.statement().payments}
        return [invoice.number for invoice in self.invoices if invoice.number not in booked]

    def head(self) -> str:
        """Return the end of the log, to be remembered outside of it."""
        (row,) = self.store.books.rows(self.run)
        return f"{row.position}:{row.head.hex()}"

    def rewind(self, payments: int) -> Rewound | None:
        """Send the run back to before its last payments were asked for; None if it has made none."""
        if not self.kills:
            return None
        world = self.store.state(self.run).world
        paid = [effect for effect in world.receipts.values() if effect.outcome == "succeeded"]
        gone = tuple(sorted(paid, key=lambda effect: effect.started)[-payments:]) if payments else ()
        if not gone:
            return None
        asked = [
            event.position
            for event in self.store.events(self.run)
            if isinstance(event.body, e.ModelRequested) and event.position < gone[0].proposed
        ]
        self.store.rewind(self.run, to=asked[-1], by=PERSON, why="to see whether anything is paid twice")
        return Rewound(asked[-1], gone)

    def asked_again(self, since: int) -> tuple[Again, ...]:
        """Return the payments that were asked for again past position ``since`` and got their receipt."""
        proposed: dict[str, dict[str, Json]] = {}
        first: dict[str, str] = {}
        again: list[Again] = []
        receipts = self.store.state(self.run).world.receipts
        for event in self.store.events(self.run):
            match event.body:
                case e.IntentionProposed(call=call, arguments=arguments):
                    proposed[call] = arguments or {}
                case e.EffectStarted(key=key, call=call):
                    first[key] = call
                case e.EffectReplayed(key=key, call=call) if event.position > since:
                    again.append(Again(receipts[key], proposed[first[key]], proposed[call]))
                case _:
                    pass
        return tuple(again)

    def doubts(self) -> tuple[Effect, ...]:
        """Return what waits for a person to look at the bank."""
        world = self.store.state(self.run).world
        return tuple(effect for effect in world.open.values() if effect.phase == "doubted")

    def settle(self, effect: Effect) -> str:
        """Settle a doubt as the person who looked for its key in the bank's statement; say what was found."""
        payments = self.lane.bank.statement().payments
        payment = next((payment for payment in payments if payment.memo == effect.key), None)
        if payment is None:
            self.store.settle(self.run, effect.key, "retry", by=PERSON, note="the statement doesn't show it")
            return ""
        result = msgspec.json.decode(msgspec.json.encode(payment), type=dict[str, Json])
        self.store.settle(self.run, effect.key, "succeeded", result=result, by=PERSON)
        return payment.payment_id

    def accounts(self) -> tuple[Account, ...]:
        """Put the bank's ledger and the log side by side."""
        state = self.store.state(self.run)
        told = told_by(self.events())
        return accounts(self.invoices, self.lane.bank.statement(), state, told)

    def events(self) -> Iterator[Event]:
        """Yield all events of the run."""
        return self.store.events(self.run)

    def wrong(self) -> tuple[str, ...]:
        """Verify the log, and that it extends every end that was seen; say what is wrong."""
        found = (self.store.verify(self.run, head=head) for head in self.heads or [None])
        return tuple(f"position {each.position}: {each.wrong}" for each in found if not each.ok)
