"""Floor 3: the context window as a cache. Pages are admitted, evicted, faulted back in and pinned. Pure.

Invariants:
- A decision is an event. What stands in a page's place is in that event, word for word, and never made anew.
- Nothing is decided by age while the provider's cache is warm.
- What can't be priced is left alone, unless room was asked for.
"""
