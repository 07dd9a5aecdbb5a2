"""When the agent is killed: drawn from a seed before anything runs.

- `unsent`: the payment is promised and the request is about to be written; the process is frozen
  there, then killed.
- `received`: the bank has the request and hasn't booked it. It will: a request can't be taken back.
- `booked`: the bank has booked it, and nobody has read the reply.
- `anywhere`: after a while, wherever that is.

The first three lie between the durable promise of an effect and its settlement.
"""

import random
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

Moment = Literal["unsent", "received", "booked", "anywhere"]

KILLS_PER_INVOICE_MAX: Final = 4
"""Kills that one payment has to survive at most: well below what its tool allows to be requested."""

ANYWHERE_SHARE: Final = 0.2
ANYWHERE_S_MAX: Final = 0.06
"""About as long as the agent needs for a dozen steps once it runs."""

STRIDE_MAX: Final = 2
UNSENT_MAX: Final = 3
"""Times in a row that a payment is stopped before it is sent, unless there is none to spare."""

LOSSES_MAX: Final = 2
REWOUND: Final = 2
"""Payments that the rewind goes back over."""


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """One start of the agent and its end."""

    moment: Moment
    stride: int = 0
    """payments that may go through before the one that is hit"""
    after_s: float = 0.0
    """for `anywhere`: how long after it took up the run"""
    rivals: int = 1
    """how many processes are started at once"""
    loses: bool = False
    """whether the reply about the payment before the one that is hit is lost on the wire"""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes wrong in one run of the agent."""

    strikes: tuple[Strike, ...]
    last: Strike | None
    """hits the payment that can't be probed"""
    rewound: int
    """payments that a rewind goes back over, before the last strike"""


def draw_script(kills: int, invoices: int, *, seed: int, rivals: int = 2) -> Script:
    """Return what happens to a run that pays so many invoices, the last of them express.

    Every strike finds a payment to hit: as many are kept owing as later strikes need.
    """
    draw = random.Random(seed)  # noqa: S311 - reproducible on purpose, and no secret
    owed = invoices - 1
    strikes: list[Strike] = []
    for left in range(kills - 1, 0, -1):
        spare = owed - -(-(left - 1) // KILLS_PER_INVOICE_MAX)
        often = all(strike.moment == "unsent" for strike in strikes[-UNSENT_MAX:])
        strike = _draw(draw, spare=spare, unsent=not often or len(strikes) < UNSENT_MAX)
        owed -= _used_up(strike)
        strikes.append(strike)
    contested = _contested(strikes, rivals)
    alone = all(strike.rivals == 1 for strike in contested)
    last = Strike(
        moment=draw.choice(("received", "booked")), loses=True, rivals=rivals if alone and strikes else 1
    )
    return Script(
        strikes=_unlucky(contested), last=last if kills else None, rewound=min(REWOUND, invoices - 2)
    )


def kills_max(invoices: int) -> int:
    """Return how many kills so many invoices have room for."""
    return (KILLS_PER_INVOICE_MAX - 1) * (invoices - 1)


def hit_by(strike: Strike, owed: Sequence[str], express: str) -> str:
    """Return the invoice whose payment the strike hits; `owed` are those that the bank hasn't booked."""
    ordinary = [invoice for invoice in owed if invoice != express]
    return ordinary[min(strike.stride, len(ordinary) - 1)] if ordinary else express


def lost_before(strike: Strike, owed: Sequence[str], hit: str) -> tuple[str, ...]:
    """Return the invoice whose reply is lost before the strike hits, if the script says so."""
    earlier = owed[: owed.index(hit)] if hit in owed else ()
    return tuple(earlier[-1:]) if strike.loses else ()


def _draw(draw: random.Random, *, spare: int, unsent: bool) -> Strike:
    """Return a strike that uses up at most `spare` payments; `unsent` says whether it may use up none."""
    if spare <= 0:
        return Strike(moment="unsent")
    stride = draw.randint(0, min(STRIDE_MAX, spare - 1))
    if spare > 1 and draw.random() < ANYWHERE_SHARE:
        return Strike(moment="anywhere", stride=1, after_s=draw.uniform(0, ANYWHERE_S_MAX))
    moments: tuple[Moment, ...] = ("received", "booked", "unsent")
    return Strike(moment=draw.choice(moments if unsent else moments[:2]), stride=stride)


def _used_up(strike: Strike) -> int:
    return strike.stride + (strike.moment != "unsent")


def _unlucky(strikes: list[Strike]) -> tuple[Strike, ...]:
    """Let the first two strikes before which a payment goes through lose its reply."""
    able = [nth for nth, strike in enumerate(strikes) if strike.stride and strike.moment != "anywhere"]
    for nth in able[:LOSSES_MAX]:
        strikes[nth] = msgspec.structs.replace(strikes[nth], loses=True)
    return tuple(strikes)


def _contested(strikes: list[Strike], rivals: int) -> list[Strike]:
    """Let one of the later strikes hit several processes that go on with the run at once."""
    held = [nth for nth, strike in enumerate(strikes) if strike.moment in {"received", "booked"} and nth]
    if held:
        nth = held[len(held) // 2]
        strikes[nth] = msgspec.structs.replace(strikes[nth], rivals=rivals)
    return strikes
