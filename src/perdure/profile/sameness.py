"""Which segments of a trace are one and the same block of the conversation.

A client that compacts or rewrites begins a new stretch in which what it kept stands again: the same block. The same
call with the same result, made again beside the first, is another one.
"""

from collections import defaultdict

from perdure.profile.trace import Trace

Name = tuple[str, str, str, int]


def names_in(trace: Trace) -> list[Name]:
    """Return for each segment a name that its copies in later stretches share, and nothing else does."""
    counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    begins = {request.first for request in trace.requests}
    found: list[Name] = []
    for place, segment in enumerate(trace.segments):
        if place in begins:
            counts.clear()
        key = (segment.kind, segment.call, segment.digest)
        counts[key] += 1
        found.append((*key, counts[key]))
    return found
