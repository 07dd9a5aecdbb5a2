"""A folder of invoices to pay: one small JSON file each, the same for the same seed."""

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import msgspec

PaymentRoute = Literal["transfer", "wire", "express"]

_SUPPLIERS = (
    "Alder Paper",
    "Birch Hosting",
    "Cedar Couriers",
    "Dogwood Design",
    "Elm Electricity",
    "Fir Facilities",
    "Gorse Glazing",
    "Hazel Hardware",
)
_FIRST_DUE = date(2026, 3, 2)


class Invoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one supplier wants, and by which route the house pays that supplier."""

    number: str
    supplier: str
    amount_cents: int
    currency: str
    due: date
    route: PaymentRoute


def draw_invoices(count: int, *, seed: int, first: int = 1) -> tuple[Invoice, ...]:
    """Give `count` invoices, each route at least once from three on, exactly one of them express.

    The express one is last: it is the one that a person may have to settle, and the others
    shouldn't have to wait for it. They are numbered from `first` on.
    """
    draw = random.Random(seed)  # noqa: S311 - reproducible on purpose, and no secret
    return tuple(_invoice(nth, count, first, draw) for nth in range(1, count + 1))


def write_invoices(folder: Path, count: int, *, seed: int, first: int = 1) -> tuple[Invoice, ...]:
    """Fill the folder with one file per invoice, and give what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    invoices = draw_invoices(count, seed=seed, first=first)
    for invoice in invoices:
        text = msgspec.json.format(msgspec.json.encode(invoice), indent=2)
        (folder / f"{invoice.number}.json").write_bytes(text + b"\n")
    return invoices


def invoice_numbers(folder: Path) -> tuple[str, ...]:
    """Give the numbers of the invoices in the folder, in order."""
    return tuple(sorted(file.stem for file in folder.glob("*.json")))


def read_invoice(folder: Path, number: str) -> Invoice:
    """Read one invoice; a number that names no file of this very folder is a `KeyError`."""
    if number not in invoice_numbers(folder):
        raise KeyError(number)
    return msgspec.json.decode((folder / f"{number}.json").read_bytes(), type=Invoice)


def read_invoices(folder: Path) -> tuple[Invoice, ...]:
    """Read the whole folder, in the order of the numbers."""
    return tuple(read_invoice(folder, number) for number in invoice_numbers(folder))


def _invoice(nth: int, count: int, first: int, draw: random.Random) -> Invoice:
    either = draw.choice(("transfer", "wire"))
    return Invoice(
        number=f"INV-2026-{first + nth - 1:04d}",
        supplier=draw.choice(_SUPPLIERS),
        amount_cents=draw.randrange(1_000, 250_000),
        currency="EUR",
        due=_FIRST_DUE + timedelta(days=draw.randrange(30)),
        route=_route(nth, count, either),
    )


def _route(nth: int, count: int, either: PaymentRoute) -> PaymentRoute:
    match nth:
        case 1:
            return "transfer"
        case 2:
            return "wire"
        case _:
            return "express" if nth == count else either
