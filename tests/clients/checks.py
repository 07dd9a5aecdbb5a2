"""What has to hold of the bytes on both sides of a gateway."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

import msgspec

from perdure.testing.upstream.caching import Metered
from perdure.testing.upstream.extending import Break, breaks, units_of
from perdure.testing.upstream.provider import PATHS, Provider, Recorded
from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.tap import HOP, Passed

# What a hop says for itself: how it wants its own answer packed, and what it is.
OWN = HOP | {"accept-encoding", "user-agent", "accept"}


def unlike(passed: Sequence[Passed], recorded: Sequence[Recorded]) -> list[str]:
    """Return what the client sent and never arrived, and what arrived and nobody sent, byte for byte."""
    sent = Counter((_bare(each.path), each.body) for each in passed)
    came = Counter((_bare(each.path), each.body) for each in recorded)
    return [
        f"{side} {path}: {body[:60]!r}... ({len(body)} bytes)"
        for side, rest in (("lost", sent - came), ("made", came - sent))
        for path, body in rest.elements()
    ]


def headers_lost(passed: Sequence[Passed], recorded: Sequence[Recorded]) -> list[str]:
    """Return the headers of clients' requests that did not arrive as they were sent."""
    came = {each.body: {(n.lower(), v) for n, v in each.headers} for each in recorded}
    found = {
        name
        for each in passed
        for name, value in each.headers
        if name.lower() not in OWN and (name.lower(), value) not in came.get(each.body, set())
    }
    return sorted(found)


def answers_unlike(passed: Sequence[Passed], recorded: Sequence[Recorded]) -> int:
    """Return how many whole answers the client got that the provider did not give, byte for byte."""
    given = Counter((each.status, each.answer) for each in recorded)
    got = Counter((each.status, each.answer) for each in passed if each.whole)
    return (got - given).total()


class Way(msgspec.Struct, frozen=True):
    """One way of a client's main loop through a gateway to the provider."""

    breaks: tuple[Break, ...]
    requests: int
    hidden: int
    """requests to the provider that the client knows nothing of"""
    invalid: tuple[str, ...]
    """what the provider would say to the client's own requests, were the gateway taken away"""

    def caused(self, cause: str) -> int:
        return sum(1 for each in self.breaks if each.cause == cause)


def walked(
    passed: Sequence[Passed], recorded: Sequence[Recorded], provider: Provider, evicted: set[str]
) -> Way:
    """Return how the main loop's requests to the provider went on from one another.

    ``recorded`` are those that went through the gateway.
    """
    mains: list[Passed] = []
    invalid: list[str] = []
    for each in passed:
        if _bare(each.path) not in PATHS or not each.body:
            continue
        try:
            purpose = provider.look(_bare(each.path), each.body)
        except Rejection as refusal:
            invalid.append(refusal.message)
            continue
        if purpose == "main":
            mains.append(each)
    upstream = [each for each in recorded if each.purpose == "main"]
    starts = [each.at for each in mains]
    of = [max(0, bisect_right(starts, each.at) - 1) for each in upstream]
    client_units = [units_of(PATHS[_bare(each.path)], each.body) for each in mains]
    upstream_units = [units_of(PATHS[each.path], each.body) for each in upstream]
    found = breaks(upstream_units, client_units, of, evicted)
    return Way(tuple(found), len(mains), len(upstream) - len(set(of)), tuple(invalid))


def bill(recorded: Sequence[Recorded]) -> float:
    """Return what the input of the requests took, in tokens at the full price."""
    return sum(_weighed(each.metered) for each in recorded if each.metered is not None)


def bill_alone(passed: Sequence[Passed], provider: Provider) -> float:
    """Return what it would have taken had the client spoken to ``provider``, which is a fresh one, itself."""
    for each in passed:
        if each.body and _bare(each.path) in PATHS:
            provider.ask(_bare(each.path), each.headers, each.body, each.at)
    return bill(provider.recorded)


def _weighed(metered: Metered) -> float:
    return metered.fresh + 0.1 * metered.read + 1.25 * metered.write_5m + 2.0 * metered.write_1h


def _bare(path: str) -> str:
    return path.partition("?")[0].removeprefix("/v1")
