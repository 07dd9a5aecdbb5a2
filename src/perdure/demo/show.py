"""The whole demo: a bank, an agent under strikes, a rewind, a person, and the books side by side."""

import os
import time
from contextlib import AbstractContextManager, ExitStack
from typing import Final

import msgspec

import perdure
from perdure.demo.audit import Tally, duplicates, tally
from perdure.demo.bank_launch import BankSettings, RunningBank, open_bank
from perdure.demo.bank_words import Statement
from perdure.demo.figures import Order, Shown, as_promised
from perdure.demo.invoices import Invoice, write_invoices
from perdure.demo.killing import CATCH_SECONDS_MAX, Ended, Lane
from perdure.demo.play import Play, Rewound
from perdure.demo.strikes import Script, draw_script
from perdure.demo.telling import Teller
from perdure.demo.unclaimed import play_unclaimed
from perdure.demo.worker import FINISHED, WAITS, Errand

RUN: Final = "payables"
VISIBLE_MS: Final = 300
"""Until the bank lists a wire; the agent's tool allows for more."""

SETTLEMENTS_MAX: Final = 8
"""Times that a person looks: once for the express payment, and once for each retry that fails again."""

MODEL_PATIENCE_S: Final = 900.0
"""For a real model; a small one on two cores takes minutes."""


def show(order: Order, teller: Teller) -> Shown:
    """Play it, tell it, and count."""
    began = time.monotonic()
    invoices = write_invoices(order.folder / "invoices", order.invoices, seed=order.seed)
    script = draw_script(order.kills, order.invoices, seed=order.seed)
    with ExitStack() as stack:
        bank = stack.enter_context(_bank(order, "bank.db"))
        store = stack.enter_context(perdure.open(order.folder / "store"))
        play = Play(_lane(order, bank, "store"), store, invoices, wording=order.seed * 1000)
        teller.opening(order, bank)
        rewound = _strikes(play, script, teller)
        end, waited = _person(play, teller)
        again = play.asked_again(rewound.to) if rewound is not None else ()
        teller.asked_again(again)
        teller.ended(end.said, finished=end.code == FINISHED)
        without = None if order.model else _unclaimed(order, script, invoices, teller)
        found = play.accounts()
        teller.table(found, without)
        wrong = play.wrong()
        for each in wrong:
            teller.trouble(each)
        shown = _figures(order, play, tally(found), without, began)
        shown = msgspec.structs.replace(
            shown, in_doubt=waited, asked_again=len(again), verified=not wrong, finished=end.code == FINISHED
        )
        shown = msgspec.structs.replace(shown, promised=as_promised(order, shown))
        teller.closing(shown, events=play.store.state(play.run).position)
    return shown


def _bank(order: Order, ledger: str) -> AbstractContextManager[RunningBank]:
    settings = BankSettings(seed=order.seed, visible_ms=VISIBLE_MS, parent=os.getpid())
    return open_bank(order.folder / ledger, settings)


def _lane(order: Order, bank: RunningBank, store: str, *, module: str = "perdure.demo.worker") -> Lane:
    errand = Errand(
        store=str(order.folder / store),
        run=RUN,
        bank=bank.url,
        invoices=str(order.folder / "invoices"),
        model=order.model,
        base_url=order.base_url,
    )
    patience_s = CATCH_SECONDS_MAX if order.model is None else MODEL_PATIENCE_S
    return Lane(errand=errand, bank=bank, module=module, patience_s=patience_s)


def _strikes(play: Play, script: Script, teller: Teller) -> Rewound | None:
    """Play the script up to its last strike; return how far the run was sent back on the way."""
    for strike in script.strikes:
        hit = play.strike(strike)
        teller.hit(hit)
        if not hit.caught.killed:
            break
    rewound = play.rewind(script.rewound)
    if rewound is not None:
        teller.rewound(rewound)
    if script.last is not None:
        teller.hit(play.strike(script.last, play.invoices[-1].number))
    return rewound


def _person(play: Play, teller: Teller) -> tuple[Ended, int]:
    """Let the agent rest, and be the person who looks at the bank while something waits for one."""
    waited: set[str] = set()
    for _ in range(SETTLEMENTS_MAX):
        end = play.rest()
        state = play.store.state(play.run)
        teller.before(play.news(state))
        doubts = play.doubts()
        if end.code != WAITS or not doubts:
            break
        for effect in doubts:
            waited.add(effect.key)
            teller.waiting(end.said, effect, run=play.run, store=play.lane.errand.store)
            teller.settled(effect, play.settle(effect))
    else:
        raise RuntimeError(f"a person looked {SETTLEMENTS_MAX} times, and the run still waits")
    return end, len(waited)


def _unclaimed(order: Order, script: Script, invoices: tuple[Invoice, ...], teller: Teller) -> Statement:
    teller.unclaimed()
    with _bank(order, "bank-without-claims.db") as bank:
        lane = _lane(order, bank, "without-claims", module="perdure.demo.naive")
        return play_unclaimed(lane, script, invoices, wording=order.seed * 1000)


def _figures(order: Order, play: Play, counted: Tally, without: Statement | None, began: float) -> Shown:
    return Shown(
        invoices=counted.invoices,
        paid_once=counted.paid_once,
        duplicates=counted.duplicates,
        lost=counted.lost,
        kills=play.kills,
        seed=order.seed,
        kills_in_flight=play.kills_in_flight,
        replies_lost=play.replies_lost,
        settled_by_probe=counted.by_probe,
        settled_by_person=counted.by_person,
        resumers_refused=play.refused,
        duplicates_without_claims=None if without is None else duplicates(without),
        seconds=round(time.monotonic() - began, 1),
    )
