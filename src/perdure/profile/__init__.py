"""Floor 5: where an agent's tokens and money go, what a policy would have saved, and the most that any could. Pure.

Invariants:
- A figure says what it was counted from; what a transcript doesn't hold is assumed aloud (``Trace.assumed``).
- A fault is counted once for each distinct result, never for each request that repeats it.
"""
