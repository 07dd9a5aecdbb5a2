"""Floor 4: a conversation as we keep it, to and from the JSON of each provider. Pure.

Invariants:
- In every wire form each call has exactly one result, which follows it.
- What a provider said is sent back to it word for word, or rebuilt from text and calls; never edited.
"""
