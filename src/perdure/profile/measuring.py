"""How the figures of one session are found, in one walk over its requests.

The work grows with the segments and with what is new or not cached in each request, never with the product of
requests and segments: what is cached stands in front, and is counted by sums that are carried along.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from perdure.page.caching import Rates, cache_rule
from perdure.profile.figures import CURVE_POINTS, Breakdown, Cold, Point, Share
from perdure.profile.sameness import Name, names_in
from perdure.profile.staleness import duplicates, needed, rereads, stale
from perdure.profile.trace import Exchange, Trace

MILLION: Final = 1_000_000


class Paid(NamedTuple):
    """What a request's input cost for a token, by how it was served; in millionths of a dollar."""

    read: float
    written: float
    plain: float
    output: float


class _Sums:
    """What has been sent so far, by kind and by tool."""

    def __init__(self) -> None:
        self.sent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.money: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.fresh: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.count: defaultdict[tuple[str, str], int] = defaultdict(int)

    def shares(self, place: int, kind: str = "") -> dict[str, Share]:
        """Return the shares by kind (``place`` 0), or by tool (1) of one ``kind``; the largest first."""
        found: dict[str, Share] = {}
        for key, sent in self.sent.items():
            if not kind or key[0] == kind:
                share = Share(sent, round(self.money[key]), self.fresh[key], self.count[key])
                found[key[place]] = found.get(key[place], Share()) + share
        return dict(sorted(found.items(), key=lambda item: -item[1].sent))


def figures(trace: Trace, rates: Callable[[str], Rates], ttl: int = 0) -> Breakdown:
    """Return where the tokens and the money of ``trace`` went.

    ``rates`` gives the prices of a model; ``ttl`` (ns) is how long its cache is taken to live where no request says.
    """
    paid = tuple(_paid(request, rates(request.model)) for request in trace.requests)
    sums, curve = _walk(trace, paid)
    cold = _cold(trace, paid, ttl)
    reasons: defaultdict[str, Cold] = defaultdict(Cold)
    for why, each in cold.values():
        reasons[why] += each
    usages = [request.usage for request in trace.requests]
    times = [request.at for request in trace.requests if request.at]
    models: defaultdict[str, int] = defaultdict(int)
    for request in trace.requests:
        models[request.model or "unknown"] += 1
    return Breakdown(
        trace.name,
        trace.source,
        dict(models),
        requests=len(usages),
        begun=min(times, default=0),
        ended=max(times, default=0),
        input=sum(usage.input_tokens for usage in usages),
        output=sum(usage.output_tokens for usage in usages),
        read=sum(usage.cache_read_tokens for usage in usages),
        written=sum(usage.cache_write_tokens for usage in usages),
        written_long=sum(request.written_long for request in trace.requests),
        microusd=sum(usage.cost_microusd for usage in usages),
        output_microusd=round(
            sum(usage.output_tokens * price.output for usage, price in zip(usages, paid, strict=True))
        ),
        unpriced=sum(not price.plain for price in paid),
        kinds=sums.shares(0),
        tools=sums.shares(1, "result"),
        stale=stale(trace, [price.read or price.plain for price in paid]),
        duplicates=duplicates(trace, [price.read or price.plain for price in paid]),
        rereads=rereads(trace),
        cold=dict(reasons),
        peak=max((usage.input_tokens for usage in usages), default=0),
        compactions=len(trace.compactions),
        needed=needed(trace),
        results=len({name for name in names_in(trace) if name[0] == "result"}),
        curve=_thinned(trace, curve, frozenset(cold)),
        assumed=trace.assumed,
    )


def _paid(request: Exchange, rates: Rates) -> Paid:
    """Return the prices that make the request's money come out as it was recorded."""
    usage = request.usage
    long = min(request.written_long, usage.cache_write_tokens)
    share = long / usage.cache_write_tokens if usage.cache_write_tokens else 0.0
    write = rates.write or rates.input
    written = write * (1 - share) + (rates.write_long or write) * share
    plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    raw = (
        usage.cache_read_tokens * rates.read
        + usage.cache_write_tokens * written
        + plain * rates.input
        + usage.output_tokens * rates.output
    )
    scale = usage.cost_microusd * MILLION / raw if raw and usage.cost_microusd else 1.0
    return Paid(*(price * scale / MILLION for price in (rates.read, written, rates.input, rates.output)))


def _walk(trace: Trace, paid: tuple[Paid, ...]) -> tuple[_Sums, list[dict[str, int]]]:
    """Add up what each request sent, and return the window of each by kind."""
    sums, curve = _Sums(), list[dict[str, int]]()
    window: defaultdict[tuple[str, str], int] = defaultdict(int)
    names, seen = names_in(trace), set[Name]()
    end, first = 0, -1
    for request, price in zip(trace.requests, paid, strict=True):
        if request.first != first:
            window.clear()
            end = first = request.first
        for place in range(end, request.last):
            segment, name = trace.segments[place], names[place]
            key = (segment.kind, segment.tool if segment.kind == "result" else "")
            window[key] += segment.tokens
            if name not in seen:
                seen.add(name)
                sums.fresh[key] += segment.tokens
                sums.count[key] += 1
        end = request.last
        for key, tokens in window.items():
            sums.sent[key] += tokens
            sums.money[key] += tokens * price.read
        _add_uncached(sums, trace, request, price, sum(window.values()))
        kinds: defaultdict[str, int] = defaultdict(int)
        for (kind, _), tokens in window.items():
            kinds[kind] += tokens
        curve.append(dict(kinds))
    return sums, curve


def _add_uncached(sums: _Sums, trace: Trace, request: Exchange, price: Paid, total: int) -> None:
    """What stands behind the part that was read cost more than reading it; walked from the end."""
    usage = request.usage
    read, written = usage.cache_read_tokens, usage.cache_read_tokens + usage.cache_write_tokens
    end = total
    for place in range(request.last - 1, request.first - 1, -1):
        if end <= read:
            return
        segment = trace.segments[place]
        begin = end - segment.tokens
        wrote = max(min(end, written) - max(begin, read), 0)
        whole = max(end - max(begin, written), 0)
        key = (segment.kind, segment.tool if segment.kind == "result" else "")
        sums.money[key] += wrote * (price.written - price.read) + whole * (price.plain - price.read)
        end = begin


def _cold(trace: Trace, paid: tuple[Paid, ...], ttl: int) -> dict[int, tuple[str, Cold]]:
    """Return the requests that found less than half of the prompt before in the cache, and why."""
    found: dict[int, tuple[str, Cold]] = {}
    caches = any(request.usage.cache_read_tokens for request in trace.requests)
    for number in range(1, len(trace.requests) if caches else 0):
        before, request = trace.requests[number - 1], trace.requests[number]
        stood = min(before.usage.input_tokens, request.usage.input_tokens)
        read = request.usage.cache_read_tokens
        known = before.usage.cache_read_tokens + before.usage.cache_write_tokens or before.usage.input_tokens
        if read * 2 >= min(stood, known):
            continue
        lives = before.ttl or ttl or cache_rule(before.model).ttl
        gap = request.at - before.at if request.at and before.at else 0
        why = "rewritten" if request.first != before.first else "idle" if lives and gap > lives else "lost"
        price = paid[number]
        dearer = (price.written if request.usage.cache_write_tokens else price.plain) - price.read
        found[number] = (why, Cold(1, stood - read, round((stood - read) * dearer)))
    return found


def _thinned(trace: Trace, curve: list[dict[str, int]], cold: frozenset[int]) -> tuple[Point, ...]:
    """Return at most ``CURVE_POINTS`` points; of those that fall together, the largest window."""
    step = -(-len(curve) // CURVE_POINTS)
    points: list[Point] = []
    for begin in range(0, len(curve), step or 1):
        numbers = range(begin, min(begin + step, len(curve)))
        top = max(numbers, key=lambda number: sum(curve[number].values()))
        points.append(
            Point(
                top,
                trace.requests[top].at,
                curve[top],
                any(number in cold for number in numbers),
                any(number in trace.compactions for number in numbers),
            )
        )
    return tuple(points)
