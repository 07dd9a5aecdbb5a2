"""The invoices that the demo pays."""

from collections import Counter
from pathlib import Path

import pytest

from perdure.demo.invoices import (
    draw_invoices,
    invoice_numbers,
    read_invoice,
    read_invoices,
    write_invoices,
)


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    written = write_invoices(tmp_path / "march", 12, seed=3)
    assert read_invoices(tmp_path / "march") == written
    assert invoice_numbers(tmp_path / "march") == tuple(invoice.number for invoice in written)
    assert read_invoice(tmp_path / "march", written[4].number) == written[4]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        write_invoices(tmp_path / folder, 5, seed=3)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()
    assert draw_invoices(5, seed=3) != draw_invoices(5, seed=4)


@pytest.mark.parametrize("count", [3, 8, 40])
def test_every_route_is_used_and_exactly_one_invoice_goes_by_express(count: int) -> None:
    routes = Counter(invoice.route for invoice in draw_invoices(count, seed=1))
    assert routes["express"] == 1
    assert routes["transfer"] >= 1
    assert routes["wire"] >= 1
    assert sum(routes.values()) == count


def test_a_number_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write_invoices(tmp_path / "march", 3, seed=1)
    write_invoices(tmp_path / "secret", 3, seed=2)
    with pytest.raises(KeyError):
        read_invoice(tmp_path / "march", "../secret/INV-2026-0001")
