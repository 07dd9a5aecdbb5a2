"""A run's ledger on a terminal: the sum first, then how it came to it."""

import shutil
from collections.abc import Iterator, Sequence
from typing import Final

from perdure.cli.drawing.amounts import dollars, percent, tokens
from perdure.cli.drawing.bars import bar, curve
from perdure.cli.drawing.ink import Tone, clock, count, inked, is_terminal, one_line
from perdure.cli.drawing.tables import Cell, table
from perdure.page.ledger import Billed, Ledger, MovedPage

ROWS_SHOWN: Final = 40
"""The newest requests; a screen holds no more."""

MOVES_SHOWN: Final = 12
WIDTH: Final = 100

WHYS: Final = {
    "preview": "came as a preview",
    "used": "left after its first use",
    "cold": "left while the cache was cold",
    "batch": "left in a batch",
    "room": "left to make room",
    "uncached": "left where there is no cache",
}


def summary(run: str, book: Ledger) -> Iterator[str]:
    """Yield what it came to."""
    sums = book.totals
    said = [count(sums.requests, "request")]
    if sums.calls > sums.requests:
        said.append(f"{sums.calls:,} calls to the provider")
    if sums.failed:
        said.append(f"{sums.failed:,} failed")
    yield f"{inked(run, 'head', bold=True)}  {'  ·  '.join(said)}"
    yield ""
    yield from _money(book)
    cells = [
        (tokens(sums.input_tokens), "tokens in"),
        (percent(sums.read_tokens, sums.input_tokens), "read from the cache"),
        (percent(sums.write_tokens, sums.input_tokens), "written to it"),
        (tokens(sums.output_tokens), "tokens out"),
        (tokens(sums.peak_tokens), "largest window"),
    ]
    widths = [max(len(value), len(name)) + 3 for value, name in cells]
    yield "".join(
        inked(value.ljust(size), "plain", bold=True) for (value, _), size in zip(cells, widths, strict=True)
    )
    yield inked("".join(name.ljust(size) for (_, name), size in zip(cells, widths, strict=True)), "quiet")
    yield from _pages(book)
    if book.alarm:
        yield f"{inked('alarm', 'bad', bold=True)}  {one_line(book.alarm)}"
    if book.frozen:
        yield f"{inked('frozen', 'doubt', bold=True)}  {one_line(book.frozen)}"


def _money(book: Ledger) -> Iterator[str]:
    sums = book.totals
    if not sums.cost_microusd and not sums.alone_microusd:
        yield inked(
            "no price known" if sums.input_tokens else "no usage was counted: the model told none", "quiet"
        )
        return
    cost = inked(dollars(sums.cost_microusd), "plain", bold=True)
    if sums.cost_microusd == sums.alone_microusd:
        yield f"{cost}  {inked('nothing was moved that changed it', 'quiet')}"
        return
    saved = sums.saved_microusd
    words = f"{dollars(abs(saved))} {'saved' if saved >= 0 else 'lost'}"
    share = percent(abs(saved), sums.alone_microusd)
    yield f"{cost}  of {dollars(sums.alone_microusd)} append-only:  {inked(f'{words}, {share}', 'good' if saved >= 0 else 'bad')}"
    largest = max(sums.cost_microusd, sums.alone_microusd)
    for name, value, tone in (
        ("paid", sums.cost_microusd, "good"),
        ("append-only", sums.alone_microusd, "quiet"),
    ):
        shade: Tone = "good" if tone == "good" else "quiet"
        yield f"{name:<12} {inked(bar(value, largest, 50), shade)} {dollars(value)}"


def _pages(book: Ledger) -> Iterator[str]:
    sums = book.totals
    if sums.pages:
        said = [
            count(sums.pages, "page"),
            f"{sums.previews:,} came as previews",
            f"{sums.evicted:,} left",
            f"{sums.faulted:,} of them asked for again ({percent(sums.faulted, sums.left)})",
            f"{sums.needed:,} needed by any sign ({percent(sums.needed, sums.left)})",
        ]
        yield "pages   " + inked(", ".join(said), "quiet")
    if sums.client_breaks or sums.our_breaks:
        said = [f"{sums.client_breaks:,} by the client", f"{sums.our_breaks:,} by perdure's moves"]
        yield "breaks  " + inked(f"of the cached prefix: {', '.join(said)}", "quiet")


def plot(book: Ledger) -> Iterator[str]:
    """Yield the window and the money over the requests."""
    rows = [row for row in book.rows if row.status == "answered" and row.purpose == "main"]
    if not rows:
        return
    wide = min(shutil.get_terminal_size((WIDTH, 40)).columns, WIDTH) if is_terminal() else WIDTH
    room = max(min(wide - 24, len(rows)), 8)
    moved = any(row.alone_tokens != row.window_tokens for row in rows)
    top = max(max(row.window_tokens, row.alone_tokens) for row in rows)
    yield (
        inked(f"{'window':<12}", "plain")
        + inked(_drawn([row.window_tokens for row in rows], top, room), "model")
        + f"  {tokens(rows[-1].window_tokens)}"
    )
    if moved:
        yield (
            inked(f"{'append-only':<12}", "quiet")
            + inked(_drawn([row.alone_tokens for row in rows], top, room), "quiet")
            + f"  {tokens(rows[-1].alone_tokens)}"
        )
    costs = [float(row.cost_microusd) for row in rows]
    if any(costs):
        yield (
            inked(f"{'paid':<12}", "plain")
            + inked(_drawn(costs, max(costs), room), "good")
            + f"  {dollars(sum(costs))}"
        )
    marks = _marked(rows, room)
    if marks.strip():
        yield inked(f"{'':<12}{marks}", "doubt") + inked(
            "  c client broke, p perdure broke, f fault, ✗ failed", "quiet"
        )


def _drawn(values: Sequence[float], top: float, room: int) -> str:
    return curve(values, top, room).ljust(room)


def _marked(rows: Sequence[Billed], room: int) -> str:
    line = [" "] * min(room, len(rows))
    for place, row in enumerate(rows):
        mark = (
            "c"
            if row.broken_by == "client"
            else "p"
            if row.broken_by == "perdure"
            else "f"
            if row.faults
            else ""
        )
        if mark:
            line[min(place * len(line) // len(rows), len(line) - 1)] = mark
    return "".join(line)


def requests(rows: Sequence[Billed], *, whole: bool) -> str:
    """Return the table of requests, the newest ones unless the ``whole`` is asked for."""
    shown = rows if whole else rows[-ROWS_SHOWN:]
    moved = any(
        row.alone_microusd != row.cost_microusd or row.alone_tokens != row.window_tokens for row in rows
    )
    head = ["#", "AT", "WINDOW", *(["ALONE"] if moved else []), "READ", "WRITTEN", "OUT", "COST"]
    head += [*(["SAVED"] if moved else []), "WHAT HAPPENED"]
    return table([_cells(row, moved=moved) for row in shown], head=head)


def _cells(row: Billed, *, moved: bool) -> list[Cell]:
    saved = row.saved_microusd
    alone: list[Cell] = [(f"{row.alone_tokens:,}", "quiet")]
    gain: list[Cell] = [(dollars(saved) if saved else "", "good" if saved > 0 else "bad")]
    return [
        (f"{row.number}", "plain"),
        (clock(row.at)[:8], "quiet"),
        (f"{row.window_tokens:,}", "plain"),
        *(alone if moved else []),
        (f"{row.read_tokens:,}", "good" if row.read_tokens else "quiet"),
        (f"{row.write_tokens:,}", "quiet"),
        (f"{row.output_tokens:,}", "plain"),
        (dollars(row.cost_microusd), "plain"),
        *(gain if moved else []),
        (_happened(row), "doubt" if row.broken_by or row.status == "failed" else "quiet"),
    ]


def _happened(row: Billed) -> str:
    said = [
        row.purpose if row.purpose != "main" else "",
        f"failed: {row.error}" if row.status == "failed" else "no answer yet" if row.status == "open" else "",
        count(row.previews, "preview") if row.previews else "",
        f"{row.evicted} left" if row.evicted else "",
        count(row.faults, "fault") if row.faults else "",
        f"{row.again} needed again" if row.again else "",
        "the client rewrote its prefix" if row.broken_by == "client" else "",
        "a move rewrote the prefix" if row.broken_by == "perdure" else "",
        "frozen" if row.frozen else "",
    ]
    return ", ".join(word for word in said if word)


def moves(found: Sequence[MovedPage]) -> str:
    """Return the table of moves, those that did most first."""
    ranked = sorted(found, key=lambda move: -abs(move.saved_microusd))[:MOVES_SHOWN]
    head = ("PAGE", "WITH", "TOKENS", "KEPT OUT", "EXPECTED", "SAVED", "FAULTS", "WHAT")
    return table([_move(move) for move in ranked], head=head)


def _move(move: MovedPage) -> list[Cell]:
    saved = move.saved_microusd
    return [
        (move.page, "plain"),
        (f"#{move.number}", "quiet"),
        (f"{move.tokens:,}", "plain"),
        (f"{move.kept_out:,}", "quiet"),
        (dollars(move.expected_microusd), "quiet"),
        (dollars(saved), "good" if saved >= 0 else "bad"),
        (f"{move.faults}", "doubt" if move.faults else "quiet"),
        (f"{move.tool} {move.about}: {WHYS.get(move.why, move.why)}", "quiet"),
    ]
