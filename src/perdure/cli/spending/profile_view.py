"""A profile on a terminal: what one sees first is where the money went."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import click

from perdure.assembly.recorded.profiles import Profile
from perdure.cli.drawing.amounts import dollars, percent, tokens, tool_name
from perdure.cli.drawing.bars import bar, curve, dumbbell, stacked
from perdure.cli.drawing.ink import Tone, count, inked, is_terminal, one_line
from perdure.cli.drawing.tables import wrapped
from perdure.profile.comparing import BOUND, OURS, Hindsight
from perdure.profile.figures import STALE, Breakdown, Share

WIDTH_MAX: Final = 112
TOOLS_SHOWN: Final = 6
SESSIONS_SHOWN: Final = 8
NAME_WIDTH: Final = 17

WORDS: Final = {
    "result": "tool results",
    "schema": "tool schemas",
    "system": "system prompt",
    "user": "the person",
    "said": "said",
    "thinking": "thinking",
    "call": "tool calls",
    "media": "pictures",
    "other": "other",
}
"""Kinds of segments, as people call them."""

TONES: Final[dict[str, Tone]] = {
    "result": "model",
    "schema": "ask",
    "system": "head",
    "user": "plain",
    "said": "good",
    "thinking": "doubt",
    "call": "tool",
    "media": "bad",
    "other": "quiet",
}

REASONS: Final = {
    "idle": "idle past the cache's life",
    "rewritten": "the client rewrote or compacted",
    "lost": "no reason is recorded",
}


def show(profile: Profile) -> None:
    """Print the profile."""
    width = min(shutil.get_terminal_size((WIDTH_MAX, 40)).columns, WIDTH_MAX) if is_terminal() else 100
    total = profile.total
    for part in (
        _head(total),
        _input(total, width),
        _stale(total, width),
        _cache(total),
        _windows(profile, width),
        *(
            _policies(source, found, part_of(profile, source), width)
            for source, found in profile.hindsight.items()
        ),
    ):
        for line in part:
            click.echo(line.rstrip())
        click.echo()


def _head(total: Breakdown) -> Iterator[str]:
    said = [count(total.sessions, "session"), count(total.requests, "request"), _days(total)]
    models = sorted(total.models, key=lambda model: -total.models[model])
    more = f" and {len(models) - 1} more" if len(models) > 1 else ""
    yield "  ".join(
        [inked("perdure profile", "head", bold=True), "  ·  ".join(word for word in said if word)]
    )
    yield inked(f"{one_line(', '.join(models[:1]), 60)}{more}", "quiet")
    yield ""
    money = dollars(total.microusd) if total.microusd else "no price known"
    cells = [
        (money, "in all"),
        (tokens(total.input), "tokens in"),
        (tokens(total.output), "tokens out"),
        (percent(total.read, total.input), "read from the cache"),
        (tokens(total.peak), "largest window"),
    ]
    widths = [max(len(value), len(name)) + 3 for value, name in cells]
    yield "".join(
        inked(value.ljust(size), "plain", bold=True) for (value, _), size in zip(cells, widths, strict=True)
    )
    yield inked("".join(name.ljust(size) for (_, name), size in zip(cells, widths, strict=True)), "quiet")


def _input(total: Breakdown, width: int) -> Iterator[str]:
    yield _title("where the input went", "each token counted in every request that sent it")
    if is_terminal():
        yield stacked([(share.sent, TONES.get(kind, "quiet")) for kind, share in total.kinds.items()], width)
    priced = sum(share.microusd for share in total.kinds.values())
    largest = max((share.sent for share in total.kinds.values()), default=0)
    for kind, share in total.kinds.items():
        if share.sent:
            yield _row(
                WORDS.get(kind, kind), share, total.input, priced, largest, width, TONES.get(kind, "quiet")
            )
        if kind == "result":
            yield from _tools(total, priced, largest, width)


def _tools(total: Breakdown, priced: int, largest: int, width: int) -> Iterator[str]:
    shown = [(tool, share) for tool, share in total.tools.items() if share.sent][:TOOLS_SHOWN]
    for tool, share in shown:
        yield _row(
            f"  {one_line(tool_name(tool), NAME_WIDTH - 2)}",
            share,
            total.input,
            priced,
            largest,
            width,
            "quiet",
        )
    rest = [share for tool, share in total.tools.items() if tool not in dict(shown)]
    if sum(share.sent for share in rest):
        sums = Share(sum(share.sent for share in rest), sum(share.microusd for share in rest))
        yield _row(f"  {count(len(rest), 'other tool')}", sums, total.input, priced, largest, width, "quiet")


def _row(name: str, share: Share, sent: int, priced: int, largest: int, width: int, tone: Tone) -> str:
    room = max(width - NAME_WIDTH - 32, 8)
    begin = f"{one_line(name, NAME_WIDTH) if name.strip() == name else name[:NAME_WIDTH]}".ljust(NAME_WIDTH)
    money = f"{dollars(share.microusd):>10}" if priced else ""
    return (
        f"{begin} {inked(bar(share.sent, largest, room), tone)} {tokens(share.sent):>8} "
        f"{percent(share.sent, sent):>8}{money}"
    )


def _stale(total: Breakdown, width: int) -> Iterator[str]:
    yield _title("sent for nothing", "parts of the tool results; the definitions overlap")
    rows: Mapping[str, tuple[Share, str]] = {
        **{name: (total.stale.get(name, Share()), words) for name, words in STALE.items()},
        "duplicates": (total.duplicates, "results that stood in the window already, word for word"),
    }
    priced = any(share.microusd for share, _ in rows.values())
    for name, (share, words) in rows.items():
        money = f"{dollars(share.microusd):>10}" if priced else ""
        begin = (
            f"{name.ljust(NAME_WIDTH)} {tokens(share.sent):>8} {percent(share.sent, total.input):>8}{money}  "
        )
        yield from _hung(begin, words, width)
    again = total.rereads
    if again.reads:
        begin = f"{'read again'.ljust(NAME_WIDTH)} {again.again:>8,} {percent(again.again, again.reads):>8}"
        begin += f"{'':>10}  " if priced else "  "
        words = f"of {count(again.reads, 'result')} about files; the content was the same in {again.same:,} of them"
        yield from _hung(begin, words, width)
    if total.needed.get("any"):
        begin = f"{'needed again'.ljust(NAME_WIDTH)} {total.needed['any']:>8,} "
        begin += (
            f"{percent(total.needed['any'], total.results):>8}{'':>10}  "
            if priced
            else f"{percent(total.needed['any'], total.results):>8}  "
        )
        kinds = ", ".join(
            f"{total.needed[why]:,} {words}"
            for why, words in (
                ("strict", "by the same call"),
                ("quoted", "quoted"),
                ("path", "by another call on the file"),
            )
            if total.needed.get(why)
        )
        yield from _hung(begin, f"of {count(total.results, 'result')}, after their first use: {kinds}", width)


def _hung(begin: str, words: str, width: int) -> Iterator[str]:
    first, *rest = wrapped(words, len(begin) + max(shutil.get_terminal_size().columns - width, 0))
    yield begin + inked(first, "quiet")
    yield from (" " * len(begin) + inked(line, "quiet") for line in rest)


def _cache(total: Breakdown) -> Iterator[str]:
    yield _title("the provider's cache", "requests that found less than half of the prompt before in it")
    if not total.read and not total.written:
        yield inked("nothing is recorded of one", "quiet")
        return
    for why, words in REASONS.items():
        cold = total.cold.get(why)
        if cold is not None:
            money = f"{dollars(cold.microusd):>10}" if total.microusd else ""
            yield f"{why.ljust(NAME_WIDTH)} {cold.count:>8,} {tokens(cold.tokens):>8}{money}  {inked(words, 'quiet')}"
    if not total.cold:
        yield inked("none", "quiet")


def _windows(profile: Profile, width: int) -> Iterator[str]:
    drawn = [each for each in profile.sessions if each.curve][:SESSIONS_SHOWN]
    title = (
        "the window over time" if len(profile.sessions) == 1 else "windows over time, the costliest sessions"
    )
    yield _title(title, "each to the same scale; ✕ the cache was cold, ▼ compacted")
    largest = max((each.peak for each in drawn), default=0)
    room = max(width - 62, 20)
    for each in drawn:
        sizes = [sum(point.kinds.values()) for point in each.curve]
        drawing = curve(sizes, largest, room)
        said = [
            f"{one_line(each.name, 22):<22}",
            inked(drawing.ljust(room), "model"),
            f"{each.requests:>6,} req",
            f"{tokens(each.peak):>7}",
            f"{dollars(each.microusd):>8}" if each.microusd else " " * 8,
        ]
        marks = [
            f"{sum(cold.count for cold in each.cold.values())}✕" if each.cold else "",
            f"{each.compactions}▼" if each.compactions else "",
        ]
        yield " ".join([*said, inked(" ".join(mark for mark in marks if mark), "doubt")])
    if len(profile.sessions) > len(drawn):
        yield inked(f"and {count(len(profile.sessions) - len(drawn), 'more session')}", "quiet")


def _policies(source: str, found: Sequence[Hindsight], total: Breakdown, width: int) -> Iterator[str]:
    yield _title(
        f"what a policy would have made of it: {source}",
        "input cost as a share of append-only; ● strict faults, ○ loose",
    )
    pairs = paired(found)
    least, most = scale_of(pairs)
    room = max(width - NAME_WIDTH - 54, 16)
    for name, (strict, loose) in pairs.items():
        drawn = dumbbell(strict.share, loose.share, (least, most), room)
        tone: Tone = "good" if loose.share <= 1 else "doubt" if strict.share <= 1 else "bad"
        tone = "head" if name == BOUND else tone
        saved = f"{dollars(loose.alone - loose.cost):>9} to {dollars(strict.alone - strict.cost):<9}"
        yield (
            f"{name[: NAME_WIDTH + 4]:<{NAME_WIDTH + 4}} {inked(drawn, tone)} {strict.share:>5.2f} to {loose.share:<5.2f}"
            f"{saved if total.microusd else ''} {inked('none can pay less' if name == BOUND else f'worst {loose.worst:.2f}', 'quiet')}"
        )


def part_of(profile: Profile, source: str) -> Breakdown:
    """Return the figures of one kind of transcript."""
    return next((each for each in profile.sources if each.source == source), profile.total)


def paired(found: Sequence[Hindsight]) -> dict[str, tuple[Hindsight, Hindsight]]:
    """Return each policy with strict and with loose faults: ours, the others by what they cost, and the bound."""
    strict = {each.policy: each for each in found if each.charge == "strict"}
    loose = {each.policy: each for each in found if each.charge == "loose"}
    places = {OURS: 0, BOUND: 2}
    names = sorted(strict.keys() & loose.keys(), key=lambda name: (places.get(name, 1), loose[name].share))
    return {name: (strict[name], loose[name]) for name in names}


def scale_of(pairs: Mapping[str, tuple[Hindsight, Hindsight]]) -> tuple[float, float]:
    """Return the shares that a plot of ``pairs`` spans; 1 is within."""
    shares = [each.share for pair in pairs.values() for each in pair]
    return min(0.9, *shares), min(max(1.1, *shares), 2.5)


def assumed(total: Breakdown, troubles: Mapping[str, int]) -> Iterator[str]:
    """Yield what the figures take for granted, and what could not be read."""
    for words in total.assumed:
        yield inked("assumed  ", "quiet") + words
    if total.unpriced:
        yield (
            inked("assumed  ", "quiet")
            + f"{count(total.unpriced, 'request')} of a model without a known price cost nothing here; --model names one."
        )
    for words, times in troubles.items():
        more = f" ({times} times)" if times > 1 else ""
        yield inked("left out ", "doubt") + words + more


def _title(words: str, aside: str = "") -> str:
    return f"{inked(words.upper(), 'plain', bold=True)}  {inked(aside, 'quiet')}"


def _days(total: Breakdown) -> str:
    if not total.begun:
        return ""
    begun, ended = (
        datetime.fromtimestamp(at // 1_000_000_000).astimezone() for at in (total.begun, total.ended)
    )
    first, last = f"{begun:%Y-%m-%d}", f"{ended:%Y-%m-%d}"
    return first if first == last else f"{first} to {last}"
