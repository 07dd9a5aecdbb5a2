"""``perdure feed``: what is new in all runs, in one order, for programs that follow a whole store."""

import click

from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.feeding import feed_of, pages
from perdure.cli.drawing.ink import inked, span
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import put
from perdure.cli.place import Place, opened
from perdure.log.feed import FeedPage, Stall
from perdure.values.errors import BadInput
from perdure.values.limits import FEED_KEEP_SECONDS, FEED_PAGE_BATCHES_MAX

DAY_SECONDS = 24 * 3600.0


@click.command(
    epilog=example(
        "perdure feed --json",
        "perdure feed --reader mailer --follow --json",
        "perdure feed --readers",
        "perdure feed --prune",
    )
)
@click.option("-f", "--follow", is_flag=True, help="Go on as runs go on.")
@click.option("--after", metavar="CURSOR", help="Begin after what this cursor stands for.")
@click.option(
    "--reader", metavar="NAME", help="Go on where NAME has got to; the store remembers what was printed."
)
@click.option(
    "--limit",
    default=FEED_PAGE_BATCHES_MAX,
    metavar="N",
    type=click.IntRange(1, FEED_PAGE_BATCHES_MAX),
    help="Batches in one page.",
)
@click.option("--readers", "lag", is_flag=True, help="List the readers, and how far behind they are.")
@click.option("--forget", metavar="NAME", help="Keep nothing for the reader NAME any more.")
@click.option("--prune", is_flag=True, help="Forget what is old and was read by all readers.")
@click.option(
    "--keep-days",
    default=FEED_KEEP_SECONDS / DAY_SECONDS,
    metavar="N",
    type=click.FloatRange(min=0),
    help="With --prune: what is younger stays.",
)
@store_option
@json_option
def feed(
    *,
    follow: bool,
    after: str | None,
    reader: str | None,
    limit: int,
    lag: bool,
    forget: str | None,
    prune: bool,
    keep_days: float,
    store: Address | None,
    as_json: bool,
) -> int:
    """Follow all runs of a store: which have new events, up to which position, in one order that misses nothing.

    A reader with a name gets everything at least once, also after a crash of its own. With --json each line is a batch,
    {"run", "first", "last"}, or closes a page, {"cursor", "lag_seconds", "stalled_by"}.
    """
    if sum((lag, forget is not None, prune)) > 1:
        raise BadInput("--readers, --forget and --prune are three commands: say one")
    with opened(store) as place:
        if lag:
            _list(place, as_json=as_json)
        elif forget is not None:
            _forget(place, forget, as_json=as_json)
        elif prune:
            _prune(place, keep_days * DAY_SECONDS, as_json=as_json)
        else:
            for page in pages(place.store.books, after, reader=reader, follow=follow, limit=limit):
                _print_json(page) if as_json else _print(page)
    return FINISHED


def _print_json(page: FeedPage) -> None:
    for entry in page.entries:
        put(entry)
    put({"cursor": page.cursor, "lag_seconds": round(page.lag_seconds, 3), "stalled_by": page.stalled_by})


def _print(page: FeedPage) -> None:
    for run, first, last in page.entries:
        where = f"{first}" if first == last else f"{first}-{last}"
        click.echo(f"{inked(where.rjust(11), 'quiet')}  {run}")
    if page.stalled_by is not None:
        click.echo(f"{inked('!', 'doubt', bold=True)} {_stalled(page.stalled_by, page.lag_seconds)}")
        click.echo(f"  {page.stalled_by.cure}")
    if page.entries:
        click.echo(inked(f"cursor {page.cursor}", "quiet"))


def _stalled(stall: Stall, lag: float) -> str:
    who = {
        "session": f"session {stall.pid} of {stall.name or stall.user!r} in {stall.database}",
        "prepared": f"the prepared transaction {stall.name!r} in {stall.database}",
        "away": f"the shard {stall.name}, which is away",
        "unseen": "a transaction that can't be seen from here",
    }[stall.kind]
    doing = f", {stall.state}: {stall.query}" if stall.query else ""
    if stall.kind == "away":
        return f"held back by {who}: {stall.query}"
    return f"held back for {_for(lag)} by {who}, begun {_for(stall.seconds)} ago{doing}"


def _for(seconds: float) -> str:
    return span(int(seconds * 1e9))


def _list(place: Place, *, as_json: bool) -> None:
    found = feed_of(place.store.books).cursors()
    if as_json:
        put(list(found))
        return
    rows: list[list[Cell]] = [
        [
            (reader.name, "plain"),
            (f"{reader.lag_entries:,} behind", "quiet"),
            (_for(reader.lag_seconds) if reader.lag_entries else "", "quiet"),
            (reader.cursor, "quiet"),
        ]
        for reader in found
    ]
    click.echo(table(rows) if rows else "nobody with a name reads this feed")


def _forget(place: Place, name: str, *, as_json: bool) -> None:
    if not feed_of(place.store.books).forget(name):
        raise BadInput(f"there is no reader {name!r}", hint="`perdure feed --readers` lists them")
    if as_json:
        put({"forgotten": name})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} nothing is kept for {name} any more")


def _prune(place: Place, keep_seconds: float, *, as_json: bool) -> None:
    found = feed_of(place.store.books)
    gone = 0
    while more := found.prune(keep_seconds):
        gone += more
    if as_json:
        put({"forgotten": gone})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} {gone:,} forgotten; the events stay")
