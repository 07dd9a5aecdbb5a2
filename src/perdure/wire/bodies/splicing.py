"""Bytes changed at their places, and nowhere else."""

from collections.abc import Iterable
from typing import NamedTuple

from perdure.values.errors import require


class Edit(NamedTuple):
    """``put`` stands where ``body[start:end]`` stood; with ``start == end`` it is put in between."""

    start: int
    end: int
    put: bytes


def splice(body: bytes, edits: Iterable[Edit]) -> bytes:
    """Return ``body`` with ``edits`` made; those at one place in the order in which they are given.

    Without edits it is ``body`` itself. Edits that overlap are a mistake of the caller's, and stop it.
    """
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    if not ordered:
        return body
    parts: list[bytes] = []
    at = 0
    for edit in ordered:
        require(at <= edit.start <= edit.end <= len(body), "edits of a body overlap, or lie outside of it")
        parts += (body[at : edit.start], edit.put)
        at = edit.end
    return b"".join((*parts, body[at:]))
