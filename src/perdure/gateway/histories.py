"""What a client sends with each request, all that was said so far, compared with what it sent before.

A client goes on, edits what it had said, compacts, goes back, or begins anew. What tells these apart is the model's own
words: a client repeats them as long as it goes on from them, whatever else it changes around them. They are known by
their texts and the ids of their calls alone, since clients leave out what they don't know of a message.

Invariant: nothing here decides by what a person may have meant; only by what stands in the two requests.
"""

from bisect import bisect_left
from collections import defaultdict
from typing import Literal, NamedTuple

from perdure.gateway.talks import common
from perdure.wire.bodies.digests import merged_digest
from perdure.wire.bodies.request import RequestBody

Way = Literal["on", "back", "anew", "apart"]
"""'on': the same conversation goes on, edited or compacted perhaps; 'back': from an earlier place; 'anew': another
history of the same loop; 'apart': it belongs to no main loop"""


class Past(NamedTuple):
    """One request's history."""

    digests: tuple[str, ...]
    said: tuple[tuple[int, str], ...] = ()
    """the model's words in it: place of the message, and name"""
    prompts: tuple[int, ...] = ()
    """places of what was said to it, results and instructions apart"""
    tools: frozenset[str] | None = frozenset()
    """names of the tools that are offered; None: not known"""
    system: str = ""
    session: str = ""
    """the client's own name of the conversation"""
    answers: tuple[tuple[str, str], ...] = ()
    """the results behind the model's last words: id of the call, and digest"""

    def opening(self, canned: int) -> str:
        """Return the digest of what was said to the model last before it ever spoke, ``canned`` words apart."""
        end = self.said[canned][0] if len(self.said) > canned else len(self.digests)
        return next((self.digests[place] for place in reversed(self.prompts) if place < end), "")


class Likeness(NamedTuple):
    """What two histories have in common."""

    shared: int
    """messages that both begin with"""
    words: int
    """of the model's words in the older one, up to the last that stands in the newer: how many"""
    lost: int
    """and how many of the older one's come after that"""
    size: int
    """messages of the older one that stand in the newer one up to there, and right behind it"""
    at: int
    """the place in the newer one behind those"""


def past_of(read: RequestBody, session: str) -> Past:
    """Return the history that ``read`` holds."""
    said = tuple(
        (place, merged_digest(item.merged))
        for place, item in enumerate(read.items)
        if item.role == "assistant" and item.merged
    )
    prompts = tuple(place for place, item in enumerate(read.items) if item.role == "user")
    tools = frozenset(tool.name for tool in read.tools)
    last = said[-1][0] if said else -1
    answers = tuple((result.call, result.digest) for result in read.results_since(last + 1))
    return Past(read.digests, said, prompts, tools, read.system, session, answers)


def likeness(before: Past, now: Past) -> Likeness:
    """Return what ``now`` has kept of ``before``; words are the same only in the same order."""
    shared = common(before.digests, now.digests)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for number, (_, name) in enumerate(now.said):
        places[name].append(number)
    words, pointer, old, new = 0, 0, 0, 0
    for number, (place, name) in enumerate(before.said, 1):
        known = places.get(name, [])
        found = bisect_left(known, pointer)
        if found < len(known):
            words, pointer = number, known[found] + 1
            old, new = place + 1, now.said[known[found]][0] + 1
    while old < len(before.digests) and new < len(now.digests) and before.digests[old] == now.digests[new]:
        old, new = old + 1, new + 1
    if shared > old:
        old = new = shared
    return Likeness(shared, words, len(before.said) - words, old, new)


def offers_alike(before: Past, now: Past) -> bool:
    """Tell whether the same loop may have sent both: it offers the same tools, or gives the same instructions."""
    if before.tools is None:
        return bool(now.tools)
    if not before.tools and not now.tools:
        return before.system == now.system and before.digests[:1] == now.digests[:1]
    return bool(now.tools) and (
        before.tools == now.tools or (now.system != "" and before.system == now.system)
    )


def extends(before: Past, now: Past) -> bool:
    """Tell whether ``now`` begins with all of ``before``."""
    return bool(before.digests) and common(before.digests, now.digests) == len(before.digests)


def began_alike(before: Past, now: Past, canned: int) -> bool:
    """Tell whether both begin with the same words to the model; those of its own that its client begins with are ``canned``."""
    return bool(before.opening(canned)) and before.opening(canned) == now.opening(canned)
