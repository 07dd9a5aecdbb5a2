"""Replies on their way from a provider to a client: bytes in, bytes out.

Invariants:
- Where nothing is withheld, what comes out is what went in, byte for byte, whatever it is. Pings and comments alone
  may overtake what waits to be judged.
- However the bytes are cut into chunks, the same comes out.
- A client never sees a call that is withheld, nor a place where one stood: indexes and numbers have no gaps.
- Thinking and signatures are given on, and sent back, as they came.
- Nothing here raises for what a provider sends; what can't be understood is passed on.
"""
