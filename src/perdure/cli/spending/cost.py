"""``perdure cost``: what a run's requests took and cost, and what moving pages saved or lost."""

from pathlib import Path

import click

from perdure.assembly.accounts import ledger_of
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import count, inked
from perdure.cli.drawing.writing import write_page
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, run_argument, store_option
from perdure.cli.out import plain, put
from perdure.cli.place import opened
from perdure.cli.spending import cost_view as view
from perdure.cli.spending.cost_page import page
from perdure.page.ledger import Ledger
from perdure.values.digest import Json


@click.command(
    epilog=example("perdure cost march", "perdure cost march --plot", "perdure cost march --html cost.html")
)
@run_argument
@click.option("--plot", is_flag=True, help="Draw the window and the money over the requests.")
@click.option("--all", "whole", is_flag=True, help="List every request, not only the newest.")
@click.option(
    "--html", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to look at."
)
@store_option
@json_option
def cost(
    *, run: str, plot: bool, whole: bool, html: Path | None, store: Address | None, as_json: bool
) -> int:
    """Show what each request of RUN took and cost, beside what it would have cost had nothing been moved.

    RUN is an agent's run, or a conversation that came through the gateway. A move that saved less than it
    cost is shown as lost; a prefix that the client rewrote is counted apart from ours.
    """
    with opened(store) as place:
        book = ledger_of(place.store, run)
    if html is not None:
        write_page(html, page(run, book))
    if as_json:
        put(_shape(run, book, html))
        return FINISHED
    for line in view.summary(run, book):
        click.echo(line.rstrip())
    if plot:
        click.echo()
        for line in view.plot(book):
            click.echo(line.rstrip())
    _tables(book, whole=whole)
    if html is not None:
        click.echo(f"written to {html}")
    return FINISHED


def _tables(book: Ledger, *, whole: bool) -> None:
    if book.moves:
        click.echo(f"\n{inked('moves, those that did most', 'quiet')}")
        click.echo(view.moves(book.moves))
    if book.rows:
        click.echo()
        click.echo(view.requests(book.rows, whole=whole))
        left = len(book.rows) - view.ROWS_SHOWN
        if left > 0 and not whole:
            click.echo(inked(f"and {count(left, 'earlier request')}: --all lists them", "quiet"))


def _shape(run: str, book: Ledger, html: Path | None) -> dict[str, Json]:
    totals = book.totals
    return {
        "run": run,
        "totals": {**_named(totals), "saved_microusd": totals.saved_microusd},
        "requests": [{**_named(row), "saved_microusd": row.saved_microusd} for row in book.rows],
        "moves": [_named(move) for move in book.moves],
        "frozen": book.frozen,
        "alarm": book.alarm,
        "html": str(html) if html else None,
    }


def _named(row: tuple[object, ...]) -> dict[str, Json]:
    shape = plain(row)
    return shape if isinstance(shape, dict) else {}
