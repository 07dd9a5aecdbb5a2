"""The demo's bank: a process of its own, with its own ledger, that knows nothing of perdure.

    python -m perdure.demo.bank --ledger FILE --port 0 [--seed N] [--lose-replies P]
           [--slow-ms M] [--visible-ms M] [--opening-cents C] [--parent PID]

It prints `listening on http://127.0.0.1:PORT` when it can be asked. It has exactly two payment
routes, because the world has two kinds of bank:

- `POST /transfers` honours the header `Idempotency-Key`: the same key with the same order is
  answered from the book, with another order it is refused (422). Sending again is safe.
- `POST /wires` ignores that header: every POST is a new payment. What a client can do instead is
  look: `GET /wires?memo=KEY` lists the wires with that memo, once they are `--visible-ms` old. So
  an empty answer means "never" only after that lag. An `express` wire isn't listed before
  `POST /admin/end-of-day`: for it there is nothing to ask, and a person has to look at the
  statement. One route with two speeds, rather than a third route, because that is the trap of the
  real world: the same call, the same reply, and only one field decides whether it can be probed.

`POST /refunds`, `GET /ledger` and `GET /balance` complete the business. A 4xx answer means that
nothing was done. No answer means that nobody knows.

What goes wrong goes wrong on order. Every payment request passes: held at `received`, delayed,
booked (durable), held at `booked`, answered or its reply lost. `POST /admin/faults` sets the
faults, `POST /admin/hold` and `POST /admin/release` hold requests, `GET /admin/held` answers when
one is held and `GET /admin/quiet` when no payment request is in progress, so that whoever kills an
agent exactly there waits for a fact and not for a while.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from perdure.demo.bank_faults import Faults
from perdure.demo.bank_http import BankServer
from perdure.demo.bank_ledger import Ledger
from perdure.demo.bank_routes import Bank

ENDS: Final = (signal.SIGINT, signal.SIGTERM)
PARENT_SECONDS: Final = 0.1
"""Between two looks at who started us."""


class Settings(NamedTuple):
    """What the command line says."""

    ledger: Path
    port: int
    seed: int
    lose_replies: float
    slow_ms: int
    visible_ms: int
    opening_cents: int
    parent: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the end of the parent; what was booked stays booked."""
    settings = _settings(arguments)
    # Before there are threads: blocked in all of them, a signal waits until it is asked for.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    ledger = Ledger(settings.ledger, opening_cents=settings.opening_cents)
    faults = Faults(
        seed=settings.seed,
        lose_replies=settings.lose_replies,
        slow_ms=settings.slow_ms,
        visible_ms=settings.visible_ms,
    )
    bank = Bank(ledger=ledger, faults=faults, now_ns=time.time_ns, wait_s=time.sleep)
    server = BankServer(bank, settings.port)
    # Daemons: a held request must not keep the bank from closing.
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if settings.parent is not None:
        threading.Thread(target=_end_with, args=(settings.parent,), daemon=True).start()
    sys.stdout.write(f"listening on {server.url}\n")
    sys.stdout.flush()
    signal.sigwait(ENDS)
    ledger.close()
    return 0


def _end_with(parent: int) -> None:
    """Ask for our end once ``parent``, who started us, has ended: whoever has ended has no children any more."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _settings(arguments: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m perdure.demo.bank")
    parser.add_argument("--ledger", type=Path, required=True, help="the bank's own SQLite file")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=0, help="decides which replies are lost")
    parser.add_argument("--lose-replies", type=float, default=0.0, help="share of replies lost")
    parser.add_argument("--slow-ms", type=int, default=0, help="delay before each booking")
    parser.add_argument("--visible-ms", type=int, default=0, help="age at which wires are listed")
    parser.add_argument("--opening-cents", type=int, default=100_000_000, help="first balance")
    parser.add_argument(
        "--parent", type=int, default=None, help="end when this process, which has started us, ends"
    )
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
