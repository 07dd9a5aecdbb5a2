"""A profile as one page that loads nothing: readable on a phone, in light and in dark."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from perdure.assembly.recorded.profiles import Profile
from perdure.cli.drawing.amounts import dollars, percent, tokens, tool_name
from perdure.cli.drawing.ink import count
from perdure.cli.drawing.pages import cards, document, legend, listed, row, section, table, words
from perdure.cli.drawing.plots import ORDER, dumbbells, window_plot
from perdure.cli.spending.profile_view import REASONS, WORDS, paired, part_of, scale_of
from perdure.profile.comparing import BOUND, POLICIES, Hindsight
from perdure.profile.figures import STALE, Breakdown, Share

TOOLS_SHOWN: Final = 12
SESSIONS_LISTED: Final = 200


def page(profile: Profile, troubles: Mapping[str, int]) -> str:
    """Return the whole page."""
    total = profile.total
    return document(
        "Where the money goes",
        [
            _head(total),
            section(
                "Where the input went",
                "Each token is counted in every request that sent it. Money is shared out by place: what stands in "
                "front of a prompt is read from the cache, what is new is paid whole or written.",
                *_input(total),
            ),
            section(
                "Sent for nothing",
                "Parts of the tool results, by definitions that overlap. A part is only worth removing where that "
                "costs less than it saves: a change in front of a cached prefix is paid with the whole prefix.",
                *_stale(total),
            ),
            section(
                "The provider's cache",
                "Requests that found less than half of the prompt before in it, and what it cost to pay that anew "
                "instead of reading it.",
                *_cache(total),
            ),
            section(
                "The window over time",
                "One plot a session, the costliest first. Kinds stand upon each other; a red dot is a request that "
                "found the cache cold, a dashed line a compaction.",
                *_windows(profile),
            ),
            *(
                section(
                    f"What a policy would have made of it: {source}",
                    "What the input would have cost, as a share of leaving everything as it is. The filled dot counts "
                    "a page as missed when its call was made again, the ring also when it was quoted or another call "
                    "was about the same file; the truth lies between.",
                    _policies(found, part_of(profile, source)),
                )
                for source, found in profile.hindsight.items()
            ),
            section("Sessions", "The costliest first.", _sessions(profile)),
            section(
                "What is assumed",
                "What transcripts don't hold, and what was taken in its place.",
                listed([*total.assumed, *_unpriced(total)]),
            ),
            section("Left out", "What could not be read.", listed(_troubles(troubles))),
            "<footer>Written by <b>perdure profile</b>. Nothing on this page is loaded from anywhere.</footer>",
        ],
    )


def _head(total: Breakdown) -> str:
    said = [count(total.sessions, "session"), count(total.requests, "request"), *_days(total)]
    models = sorted(total.models, key=lambda model: -total.models[model])
    figures = [
        (tokens(total.input), "tokens in"),
        (tokens(total.output), "tokens out"),
        (percent(total.read, total.input), "of the input read from the cache"),
        (tokens(total.peak), "tokens in the largest window"),
        (f"{total.compactions:,}", "compactions"),
    ]
    money = dollars(total.microusd) if total.microusd else f"{tokens(total.input)} tokens"
    return (
        f"<h1>perdure profile <span>{words('  ·  '.join(said))}</span></h1><div class='big'>{words(money)}</div>"
        f"<p class='soft'>{words(', '.join(models[:4]), 160)}</p>{cards(figures)}"
    )


def _input(total: Breakdown) -> Iterator[str]:
    priced = sum(share.microusd for share in total.kinds.values())
    largest = max((share.sent for share in total.kinds.values()), default=0) or 1
    whole = "".join(
        f"<i style='flex:{share.sent} 0 0;background:var(--{_colour(kind)})' "
        f"title='{words(WORDS.get(kind, kind))} {percent(share.sent, total.input)}'></i>"
        for kind, share in total.kinds.items()
        if share.sent
    )
    yield f"<div class='whole'>{whole}</div><div class='rows'>"
    for kind, share in total.kinds.items():
        if share.sent:
            cells = _cells(share, total.input, priced)
            yield row(WORDS.get(kind, kind), share.sent / largest, _colour(kind), cells)
        if kind == "result":
            for tool, part in list(total.tools.items())[:TOOLS_SHOWN]:
                cells = _cells(part, total.input, priced)
                yield row(tool_name(tool), part.sent / largest, "result", cells, sub=True)
    yield "</div>"


def _cells(share: Share, sent: int, priced: int) -> tuple[str, str, str]:
    return tokens(share.sent), percent(share.sent, sent), dollars(share.microusd) if priced else ""


def _stale(total: Breakdown) -> Iterator[str]:
    priced = sum(share.microusd for share in total.kinds.values())
    parts = {**{name: (total.stale.get(name, Share()), about) for name, about in STALE.items()}}
    parts["duplicates"] = (total.duplicates, "results that stood in the window already, word for word")
    largest = max((share.sent for share, _ in parts.values()), default=0) or 1
    yield "<div class='rows'>"
    for name, (share, about) in parts.items():
        yield row(name, share.sent / largest, "user", _cells(share, total.input, priced), title=about)
    yield "</div>"
    notes = [f"{name}: {about}." for name, (_, about) in parts.items()]
    again = total.rereads
    if again.reads:
        notes.append(
            f"{percent(again.again, again.reads)} of {count(again.reads, 'result')} about files were of a file that the "
            f"same tool had read before; in {again.same:,} of {again.again:,} the content was the same."
        )
    if total.results:
        notes.append(
            f"{total.needed.get('any', 0):,} of {count(total.results, 'result')} were needed again after their first use: "
            f"{total.needed.get('strict', 0):,} by the same call, {total.needed.get('quoted', 0):,} quoted, "
            f"{total.needed.get('path', 0):,} by another call on the same file."
        )
    yield listed(notes)


def _cache(total: Breakdown) -> Iterator[str]:
    if not total.read and not total.written:
        yield "<p class='soft'>Nothing is recorded of one.</p>"
        return
    pairs = [
        (percent(total.read, total.input), "of the input read from it"),
        (percent(total.written, total.input), "of the input written to it"),
    ]
    for why, about in REASONS.items():
        cold = total.cold.get(why)
        if cold is not None:
            money = f", {dollars(cold.microusd)}" if total.microusd else ""
            pairs.append((f"{cold.count:,} cold", f"{about}: {tokens(cold.tokens)} tokens paid anew{money}"))
    yield cards(pairs)


def _windows(profile: Profile) -> Iterator[str]:
    drawn = [each for each in profile.sessions if each.curve]
    if not drawn:
        return
    kinds = [kind for kind in ORDER if any(kind in point.kinds for each in drawn for point in each.curve)]
    yield f"{legend((WORDS[kind], kind, None) for kind in kinds)}<div class='plots'>"
    for each in drawn:
        money = f"{dollars(each.microusd)} · " if each.microusd else ""
        said = f"{money}peak {tokens(each.peak)}"
        label = f"{each.name}: {count(each.requests, 'request')}, {said}"
        yield (
            f"<figure title='{words(label)}'><figcaption><b>{words(each.name, 80)}</b><span>{words(said)}</span>"
            f"</figcaption>{window_plot(each.curve, label)}</figure>"
        )
    yield "</div>"


def _policies(found: Sequence[Hindsight], total: Breakdown) -> str:
    pairs = paired(found)
    if not pairs:
        return ""
    drawn = dumbbells(
        [
            (name, strict.share, loose.share, _merit(name, strict, loose))
            for name, (strict, loose) in pairs.items()
        ],
        scale_of(pairs),
    )
    lines = (
        (
            f"{name}: {POLICIES[name][1] if name in POLICIES else 'no policy can pay less'}",
            f"{strict.share:.3f}",
            f"{loose.share:.3f}",
            f"{dollars(loose.alone - loose.cost)} to {dollars(strict.alone - strict.cost)}"
            if total.microusd
            else "-",
            f"{loose.worst:.2f}",
            f"{loose.moved:,}" if loose.moved else "-",
            f"{loose.faulted:,}" if loose.moved else "-",
        )
        for name, (strict, loose) in pairs.items()
    )
    head = ("policy", "strict", "loose", "saved", "worst session", "pages moved", "asked for again")
    return f"<figure>{drawn}</figure>{table(head, lines)}"


def _merit(name: str, strict: Hindsight, loose: Hindsight) -> str:
    """Return the colour of a policy: it saves by any count, by one of them, or by none; or it is the bound."""
    if name == BOUND:
        return "system"
    return "said" if loose.share <= 1 else "user" if strict.share <= 1 else "media"


def _sessions(profile: Profile) -> str:
    head = ("session", "kind", "requests", "tokens in", "from cache", "peak", "compactions", "cold", "cost")
    return table(
        head,
        (
            (
                each.name,
                each.source,
                f"{each.requests:,}",
                tokens(each.input),
                percent(each.read, each.input),
                tokens(each.peak),
                f"{each.compactions:,}",
                f"{sum(cold.count for cold in each.cold.values()):,}",
                dollars(each.microusd) if each.microusd else "-",
            )
            for each in profile.sessions[:SESSIONS_LISTED]
        ),
    )


def _unpriced(total: Breakdown) -> list[str]:
    if not total.unpriced:
        return []
    return [f"{count(total.unpriced, 'request')} of a model without a known price cost nothing here."]


def _troubles(troubles: Mapping[str, int]) -> Iterator[str]:
    for about, times in troubles.items():
        yield f"{about} ({times} times)" if times > 1 else about


def _days(total: Breakdown) -> list[str]:
    if not total.begun:
        return []
    days = [datetime.fromtimestamp(at // 1_000_000_000, UTC) for at in (total.begun, total.ended)]
    first, last = (f"{each:%Y-%m-%d}" for each in days)
    return [first if first == last else f"{first} to {last}"]


def _colour(kind: str) -> str:
    return kind if kind in ORDER else "other"
