"""The demo: an agent pays invoices, is killed wherever it hurts, and each invoice is paid once.

    perdure demo [--seed N] [--invoices N] [--kills N] [--json] [--keep DIR] [--model SPEC] [--base-url URL]

Exit 0: it is as promised. 4: it is not. 2: wrong use.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from perdure.demo.agent import payables
from perdure.demo.figures import Order
from perdure.demo.show import show
from perdure.demo.strikes import kills_max
from perdure.demo.telling import Teller
from perdure.demo.trial import missing

PROMISED, BROKEN, INTERRUPTED = 0, 4, 130
INVOICES_MIN = 3
"""A transfer, a wire and an express wire."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it, and say whether it was as promised."""
    parser = _parser()
    chosen = parser.parse_args(arguments, namespace=Chosen())
    if chosen.invoices < INVOICES_MIN:
        parser.error(f"--invoices: at least {INVOICES_MIN}, one for each route")
    if not 0 <= chosen.kills <= kills_max(chosen.invoices):
        parser.error(f"--kills: {chosen.invoices} invoices have room for 0 to {kills_max(chosen.invoices)}")
    if chosen.model is not None:
        wrong = asyncio.run(missing(payables(chosen.model, base_url=chosen.base_url)))
        if wrong:
            parser.error(f"--model: {wrong}")
    with ExitStack() as stack:
        folder = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-demo-")))
        if chosen.keep and any(folder.glob("*")):
            parser.error(f"--keep: {folder} is not empty")
        folder.mkdir(parents=True, exist_ok=True)
        order = Order(
            folder=folder,
            seed=secrets.randbelow(10_000) if chosen.seed is None else chosen.seed,
            invoices=chosen.invoices,
            kills=chosen.kills,
            model=chosen.model,
            base_url=chosen.base_url,
        )
        shown = show(order, Teller(sys.stderr if chosen.json else sys.stdout))
    if chosen.json:
        print(msgspec.json.encode(shown).decode())
    return PROMISED if shown.promised else BROKEN


class Chosen(argparse.Namespace):
    """What the command line says."""

    seed: int | None
    invoices: int
    kills: int
    json: bool
    keep: Path | None
    model: str | None
    base_url: str | None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="perdure demo", description="Each invoice is paid once.")
    parser.add_argument("--seed", type=int, help="decides all that goes wrong; drawn and printed if left out")
    parser.add_argument("--invoices", type=int, default=12, metavar="N")
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="SIGKILLs of the agent")
    parser.add_argument("--json", action="store_true", help="one line of figures on standard output")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the log and the ledgers there")
    parser.add_argument("--model", metavar="SPEC", help="a real model, as in anthropic:claude-sonnet-4-5")
    parser.add_argument("--base-url", metavar="URL", help="where another server speaks its API")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
