"""What a client asks a provider, as the bytes that it sent: read by spans, changed by splicing. Pure.

Invariants:
- A body is never written anew. What isn't changed on purpose goes on byte for byte, unknown fields with it.
- A body that can't be read exactly (not JSON, a name that stands twice, too deep, too large) isn't read at all.
- Reading trusts no shape: whatever stands where another type belongs is passed over, and goes on as it is.
"""
