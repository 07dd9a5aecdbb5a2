"""The agent in a process of its own: starts the run, or goes on with it, until it rests.

    python -m perdure.demo.worker --store DIR --run NAME --bank URL --invoices DIR [--wording N]
           [--model SPEC] [--base-url URL] [--take-over] [--freeze INVOICE]

It ends like `perdure run`: 0 finished, 3 waiting for a person, 4 failed, 5 another process holds
the run. Its last line says why.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import msgspec

import perdure
from perdure import Agent, Failed, Finished, PerdureError, Run, Store, Waiting
from perdure.demo.agent import BANK, INVOICES, SMALL_MODEL, payables
from perdure.demo.clerk import make_clerk
from perdure.demo.freeze import freeze_before_payment
from perdure.demo.invoices import invoice_numbers, read_invoices
from perdure.values.errors import Fenced, Held, RunExists

FINISHED, WAITS, FAILED, HELD = 0, 3, 4, 5


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    store: str
    run: str
    bank: str
    invoices: str
    wording: int = 0
    model: str | None = None
    base_url: str | None = None
    take_over: bool = False
    freeze: str | None = None

    def arguments(self) -> list[str]:
        """Return the command line that says this."""
        given: dict[str, object] = msgspec.structs.asdict(self)
        flags = ["--take-over"] if given.pop("take_over") else []
        named = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value is not None]
        return [*named, *flags]


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive the run until it rests, and say how."""
    errand = read_errand(arguments)
    agent = prepared(errand)
    with perdure.open(errand.store) as store:
        try:
            run = _driven(store, agent, errand)
            print("the run is taken up", flush=True)
            outcome = run.wait()
        except (Held, Fenced) as error:
            print(error)
            return HELD
        except PerdureError as error:
            print(f"{error} ({error.hint})")
            return FAILED
    match outcome:
        case Finished(answer=answer):
            print(answer)
            return FINISHED
        case Waiting(text=text):
            print(text)
            return WAITS
        case Failed(why=why):
            print(why)
            return FAILED
        case _:
            assert_never(outcome)


def task(errand: Errand) -> str:
    """Return what the agent is told to do; a small model is told what others read for themselves."""
    folder = Path(errand.invoices)
    if errand.model != SMALL_MODEL:
        return f"Pay all invoices in the folder: {', '.join(invoice_numbers(folder))}."
    words = (
        f"{bill.number} with pay_{bill.route}, amount_cents {bill.amount_cents}"
        for bill in read_invoices(folder)
    )
    return f"Pay these invoices: {'; '.join(words)}."


def prepared(errand: Errand) -> Agent:
    """Return the agent with its world in the environment, and the freeze set if one is ordered."""
    os.environ[BANK], os.environ[INVOICES] = errand.bank, errand.invoices
    if errand.freeze is not None:
        freeze_before_payment(errand.freeze)
    return payables(errand.model or make_clerk(errand.wording), base_url=errand.base_url)


def _driven(store: Store, agent: Agent, errand: Errand) -> Run:
    try:
        return store.start(agent, task(errand), run=errand.run)
    except RunExists:
        return store.resume(agent, errand.run, take_over=errand.take_over)


def read_errand(arguments: Sequence[str] | None) -> Errand:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m perdure.demo.worker")
    parser.add_argument("--store", required=True, help="the directory of the log")
    parser.add_argument("--run", required=True)
    parser.add_argument("--bank", required=True, help="the bank's address")
    parser.add_argument("--invoices", required=True, help="the folder of invoices")
    parser.add_argument("--wording", type=int, default=0, help="seed of the scripted model's words")
    parser.add_argument("--model", help="a real model instead, as in anthropic:claude-sonnet-4-5")
    parser.add_argument("--base-url", help="where another server speaks the model's API")
    parser.add_argument("--take-over", action="store_true", help="from a process that may still live")
    parser.add_argument("--freeze", metavar="INVOICE", help="stop before its payment is written")
    return msgspec.convert(vars(parser.parse_args(arguments)), Errand)


if __name__ == "__main__":
    sys.exit(main())
