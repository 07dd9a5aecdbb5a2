"""Sessions as foreign clients store them: found, understood by content, and cut at a turn into new ones.

Invariant: a file of the client's is read, and never written to. What is written is new, under a name of its own.
"""
