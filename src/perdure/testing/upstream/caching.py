"""The providers' prompt caches, small and honest, so that ``usage`` says what a provider would bill.

A second reading of the providers' rules beside ``perdure.page.cache``: what the ledger predicts is compared
with what stands here, so the two share no code.
"""

import hashlib
from typing import Final

import msgspec

from perdure.testing.upstream.question import Unit

LOOK_BACK: Final = 20
MINIMUM: Final = 1_024
STEP: Final = 128
SECONDS: Final = {"5m": 300.0, "1h": 3600.0}
OPENAI_SECONDS: Final = 600.0


class Metered(msgspec.Struct, frozen=True):
    """Input tokens by what they cost."""

    fresh: int
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0

    @property
    def whole(self) -> int:
        """All input tokens."""
        return self.fresh + self.read + self.write_5m + self.write_1h


class MarkedCache:
    """Anthropic's: written at marks, found from a mark at most twenty blocks back."""

    def __init__(self, minimum: int = MINIMUM) -> None:
        self._minimum = minimum
        self._written: dict[str, tuple[float, float]] = {}

    def ask(self, owner: str, units: tuple[Unit, ...], at: float) -> Metered:
        """Return how a prompt is billed at ``at`` (seconds), and keep what it writes."""
        names = prefixes(owner, units)
        sums = _sums(units)
        marks = [place for place, unit in enumerate(units) if unit.kept]
        found = max((self._found(names, mark, at) for mark in marks), default=-1)
        read = sums[found] if found >= 0 and sums[found] >= self._minimum else 0
        if read:
            self._written[names[found]] = (at, self._written[names[found]][1])
        paid = {"5m": 0, "1h": 0}
        done = read
        for mark in marks:
            if sums[mark] < self._minimum:
                continue
            kept = units[mark].kept
            self._written[names[mark]] = (at, SECONDS[kept])
            paid[kept] += max(0, sums[mark] - done)
            done = max(done, sums[mark])
        whole = sums[-1] if sums else 0
        return Metered(fresh=whole - done, read=read, write_5m=paid["5m"], write_1h=paid["1h"])

    def _found(self, names: list[str], mark: int, at: float) -> int:
        for place in range(mark, max(-1, mark - LOOK_BACK), -1):
            written = self._written.get(names[place])
            if written is not None and at - written[0] < written[1]:
                return place
        return -1


class PrefixCache:
    """OpenAI's: the longest prefix that was sent before, in steps of 128 tokens from 1,024."""

    def __init__(self, seconds: float = OPENAI_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[str, float] = {}

    def ask(self, owner: str, units: tuple[Unit, ...], at: float) -> Metered:
        """Return how a prompt is billed at ``at`` (seconds), and keep it."""
        names = prefixes(owner, units)
        sums = _sums(units)
        alike = 0
        for name, tokens in zip(names, sums, strict=True):
            seen = self._seen.get(name)
            if seen is None or at - seen >= self._seconds:
                break
            alike = tokens
        read = alike // STEP * STEP
        read = read if read >= MINIMUM else 0
        self._seen.update(dict.fromkeys(names, at))
        return Metered(fresh=(sums[-1] if sums else 0) - read, read=read)


def prefixes(owner: str, units: tuple[Unit, ...]) -> list[str]:
    """Return a name for every prefix of a prompt; equal prefixes of one owner have equal names."""
    running = hashlib.sha256(owner.encode())
    names: list[str] = []
    for unit in units:
        running.update(bytes.fromhex(unit.digest))
        names.append(running.hexdigest())
    return names


def _sums(units: tuple[Unit, ...]) -> list[int]:
    sums: list[int] = []
    whole = 0
    for unit in units:
        whole += unit.tokens
        sums.append(whole)
    return sums
