"""A run's ledger as one page that loads nothing."""

from collections.abc import Iterator

from perdure.cli.drawing.amounts import dollars, percent, tokens
from perdure.cli.drawing.ink import clock, count
from perdure.cli.drawing.pages import cards, document, legend, row, section, table, words
from perdure.cli.drawing.plots import line_plot
from perdure.cli.spending.cost_view import WHYS
from perdure.page.ledger import Billed, Ledger

LISTED_MAX = 2_000
"""Requests in the table of a page: a browser scrolls through these."""


def page(run: str, book: Ledger) -> str:
    """Return the whole page."""
    return document(
        f"What {run} cost",
        [
            _head(run, book),
            section(
                "Money",
                "What was paid, and what the same requests would have cost had nothing been moved.",
                *_money(book),
            ),
            section(
                "The window",
                "Tokens of each request as they were sent, beside what the client's own would have held.",
                _windows(book),
            ),
            section("What it came to", "Money paid up to each request, beside append-only.", _sums(book)),
            section(
                "Moves",
                "Each page that left or came as a preview: what was expected of it, what it has saved so far with its "
                "faults taken off, and whether it was needed again.",
                _moves(book),
            ),
            section("Requests", "", _requests(book)),
            "<footer>Written by <b>perdure cost</b>. Nothing on this page is loaded from anywhere.</footer>",
        ],
    )


def _head(run: str, book: Ledger) -> str:
    sums = book.totals
    figures = [
        (tokens(sums.input_tokens), "tokens in"),
        (percent(sums.read_tokens, sums.input_tokens), "read from the cache"),
        (tokens(sums.output_tokens), "tokens out"),
        (tokens(sums.peak_tokens), "tokens in the largest window"),
    ]
    if sums.left:
        figures.append((f"{sums.left:,}", "pages left the window or came as previews"))
        figures.append((f"{sums.faulted:,}", "of them asked for again"))
    if sums.client_breaks or sums.our_breaks:
        figures.append(
            (f"{sums.client_breaks:,} / {sums.our_breaks:,}", "prefixes rewritten by the client / by moves")
        )
    stood = "".join(
        f"<p class='bad'>{words(name)}: {words(said)}</p>"
        for name, said in (("Alarm", book.alarm), ("Frozen", book.frozen))
        if said
    )
    money = dollars(sums.cost_microusd) if sums.cost_microusd else f"{tokens(sums.input_tokens)} tokens"
    saved = sums.saved_microusd
    kind, word = ("good", "saved") if saved >= 0 else ("bad", "lost")
    tail = f"<p class='{kind}'>{dollars(abs(saved))} {word} against append-only</p>" if saved else ""
    return (
        f"<h1>perdure cost <span>{words(run)}  ·  {count(sums.requests, 'request')}</span></h1>"
        f"<div class='big'>{words(money)}</div>{tail}{stood}{cards(figures)}"
    )


def _money(book: Ledger) -> Iterator[str]:
    sums = book.totals
    largest = max(sums.cost_microusd, sums.alone_microusd)
    if not largest:
        return
    yield "<div class='rows'>"
    for name, value, colour in (
        ("paid", sums.cost_microusd, "said"),
        ("append-only", sums.alone_microusd, "other"),
    ):
        yield row(name, value / largest, colour, (dollars(value), percent(value, sums.alone_microusd), ""))
    yield "</div>"


def _windows(book: Ledger) -> str:
    rows = _main(book)
    if len(rows) < 2:
        return ""
    series = [("append-only", "other", [float(each.alone_tokens) for each in rows])]
    series.append(("as sent", "result", [float(each.window_tokens) for each in rows]))
    return f"{legend(series)}<figure>{line_plot(series, 'tokens of each request', f'{tokens(max(series[0][2]))} tokens')}</figure>"


def _sums(book: Ledger) -> str:
    rows = _main(book)
    if len(rows) < 2 or not book.totals.cost_microusd:
        return ""
    paid, alone = [0.0], [0.0]
    for each in rows:
        paid.append(paid[-1] + each.cost_microusd / 1e6)
        alone.append(alone[-1] + each.alone_microusd / 1e6)
    series = [("append-only", "other", alone[1:]), ("paid", "said", paid[1:])]
    return f"{legend(series)}<figure>{line_plot(series, 'money up to each request', dollars(max(paid[-1], alone[-1]) * 1e6))}</figure>"


def _main(book: Ledger) -> list[Billed]:
    return [each for each in book.rows if each.status == "answered" and each.purpose == "main"]


def _moves(book: Ledger) -> str:
    head = (
        "page",
        "what",
        "with request",
        "tokens",
        "kept out",
        "expected",
        "saved",
        "faults",
        "first needed by",
    )
    return table(
        head,
        (
            (
                move.page,
                f"{move.tool} {move.about}: {WHYS.get(move.why, move.why)}"[:120],
                f"{move.number:,}",
                f"{move.tokens:,}",
                f"{move.kept_out:,}",
                dollars(move.expected_microusd),
                dollars(move.saved_microusd),
                f"{move.faults:,}",
                f"{move.needed:,}" if move.needed else "-",
            )
            for move in sorted(book.moves, key=lambda move: -abs(move.saved_microusd))[:LISTED_MAX]
        ),
    )


def _requests(book: Ledger) -> str:
    head = (
        "#",
        "at",
        "status",
        "window",
        "alone",
        "read",
        "written",
        "out",
        "cost",
        "append-only",
        "faults",
        "broken by",
    )
    return table(
        head,
        (
            (
                f"{each.number:,}",
                clock(each.at)[:8],
                each.status if each.purpose == "main" else f"{each.status}, {each.purpose}",
                f"{each.window_tokens:,}",
                f"{each.alone_tokens:,}",
                f"{each.read_tokens:,}",
                f"{each.write_tokens:,}",
                f"{each.output_tokens:,}",
                dollars(each.cost_microusd),
                dollars(each.alone_microusd),
                f"{each.faults:,}",
                each.broken_by or "-",
            )
            for each in book.rows[-LISTED_MAX:]
        ),
    )
