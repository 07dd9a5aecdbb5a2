"""What a decision about pages wants to know of a conversation's past, counted as it goes.

Invariants:
- Each figure follows from the events alone, in constant time per event, so that no decision looks at all pages.
- Tokens are estimates on the client's requests with nothing moved, as in ``Conversation.tokens``.
"""

import msgspec


class Noun(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """A part of the state. It is made of parts that were there before it: no cycle, and nothing for ``gc`` to look at."""


class Previewed(Noun, frozen=True):
    """How previews of one tool's results fared: made, and needed whole by the very next reply."""

    tool: str
    previews: int = 0
    needed: int = 0


class Hot(Noun, frozen=True):
    """What is about this was needed after it had left: its newest version stays until request ``until``."""

    about: str
    until: int
    times: int = 1
    """how often it was needed so"""


class Trail(Noun, frozen=True):
    """How a conversation has gone so far, counted as it goes, so that no decision has to look at all pages.

    Tokens are estimates on the client's requests with nothing moved, as in ``Conversation.tokens``.
    """

    before: int = 0
    """tokens of the request before the newest, and of the one before that"""
    older: int = 0
    idle: int = 0
    """ns between the newest request and the one before"""
    broken: bool = False
    """whether the client rewrote, with the newest request, what it had sent before"""
    entered: int = 0
    """tokens that previews keep out of the newest request, which came with it"""
    rewritten: bool = False
    """whether a page left with the newest request, so that what stands behind it was written again"""
    recalled: int = 0
    """tokens that recalled pages add to the window, and those of them that the newest reply asked for,"""
    asked: int = 0
    returned: int = 0
    """and the reply before it, which enter the cache with the newest request"""
    whole: int = 0
    """tokens that the provider would have counted in the newest answered request, had nothing been moved"""
    answered: int = 0
    """the newest answered request"""
    fresh: tuple[str, ...] = ()
    """pages that came whole and that the model hasn't been seen to read yet"""
    used: tuple[str, ...] = ()
    """pages that came whole and that it has read once, with the request before the newest"""
    resident: int = 0
    """pages that stand whole and may leave"""
    out: int = 0
    """pages that have left and were not needed since; their tokens,"""
    out_tokens: int = 0
    out_weight: int = 0
    """and, each by how many thousandths are needed per doubling: added up, times the request it came with, and times
    the doublings of age, in thousandths, that it had behind it when it left"""
    out_numbers: int = 0
    out_doublings: int = 0
    needed: int = 0
    """pages that were needed after they had left, later than by the first reply that saw them"""
    endured: int = 0
    """doublings of age that those stayed away, weighed likewise"""
    tried: tuple[Previewed, ...] = ()
    hot: tuple[Hot, ...] = ()
    warmed: bool = False
    """whether the cache ever held most of the window"""
    collapsed: int = 0
    """answered requests in a row in which it held next to nothing, though it should have"""
    longest: int = 0
    """the longest pause, in ns, after which it still held most of the window"""
