"""Carrying runs out of a store in memory, and into it."""

import threading
import uuid
from collections.abc import Mapping, Sequence

import msgspec

from perdure.adapters.memory.shelf import Claim, Past, Shelf, make
from perdure.log.carrying import Carried, CarriedClaim, CarriedPost, CarriedWriter, received
from perdure.log.events import ClaimSeen
from perdure.log.port import ClaimOpened, Holder, NewRun, Post
from perdure.values.errors import Conflict, Fenced


class MemoryCarrier:
    """``CarryStore`` of one shelf."""

    def __init__(self, shelf: Shelf, changed: threading.Condition) -> None:
        """Carry what is on ``shelf``, within the lock ``changed``."""
        self._shelf: Shelf = shelf
        self._changed: threading.Condition = changed
        self._id: str = uuid.uuid4().hex

    def identity(self) -> str:
        return self._id

    def fork(self, new: NewRun, holder: Holder) -> None:
        with self._changed:
            if make(self._shelf, new):
                record = self._shelf.record(new.run)
                record.epoch, record.holder = 1, holder

    def carried(self, run: str) -> Carried:
        with self._changed:
            record = self._shelf.record(run)
            writers = (CarriedWriter(at, past.holder, past.told) for at, past in sorted(record.past.items()))
            taken = sorted(record.posted - set(record.pending))
            waiting = (
                CarriedPost(post.id, post.at, post.kind, bytes(post.body)) for post in record.pending.values()
            )
            posts = (*(CarriedPost(name, 0, None, None) for name in taken), *waiting)
            lease = (record.epoch, record.wrote, record.status, record.wake)
            return Carried(record.new, *lease, tuple(writers), posts)

    def settle(self, part: Carried, epoch: int) -> None:
        with self._changed:
            record = self._shelf.record(part.new.run)
            if record.holder is None or record.epoch != epoch:
                raise Fenced(f"{part.new.run}: epoch {epoch} may not write")
            record.epoch, record.wrote = max(record.epoch, part.epoch), part.wrote
            record.status, record.wake = part.status, part.wake
            record.past = {each.epoch: Past(each.holder, each.told) for each in part.writers}
            record.posted = {each.id for each in part.posts}
            record.pending = {
                each.id: Post(each.id, each.kind, msgspec.Raw(each.body), each.at)
                for each in part.posts
                if each.kind is not None and each.body is not None
            }

    def carried_claims(self, runs: Sequence[str]) -> Sequence[CarriedClaim]:
        wanted = set(runs)
        with self._changed:
            claims = [each for each in self._shelf.claims.values() if each.seen.run in wanted]
        return [_carried(claim) for claim in claims]

    def settle_claims(self, runs: Sequence[str], claims: Sequence[CarriedClaim]) -> None:
        wanted = set(runs)
        with self._changed:
            known = self._shelf.claims
            for each in claims:
                taken = known.get(each.opened.key)
                if taken is not None and taken.seen.run not in wanted:
                    raise Conflict(f"claim {each.opened.key} of {each.run} is {taken.seen.run}'s here")
            for key in [key for key, claim in known.items() if claim.seen.run in wanted]:
                del known[key]
            known.update((each.opened.key, _claim(each)) for each in claims)

    def totals(self) -> Mapping[str, int]:
        with self._changed:
            return dict(self._shelf.counters)

    def receive(self, origin: str, totals: Mapping[str, int]) -> None:
        with self._changed:
            used = self._shelf.counters
            for name, amount in totals.items():
                before = used.get(received(origin, name), 0)
                used[name] = used.get(name, 0) + amount - before
                used[received(origin, name)] = amount


def _carried(claim: Claim) -> CarriedClaim:
    seen = claim.seen
    opened = ClaimOpened(
        seen.key,
        seen.stem,
        claim.scope,
        seen.tool,
        seen.attempt,
        seen.position,
        seen.arguments,
        seen.loose,
    )
    return CarriedClaim(seen.run, opened, seen.outcome, seen.result)


def _claim(each: CarriedClaim) -> Claim:
    opened = each.opened
    seen = ClaimSeen(
        opened.key,
        opened.stem,
        each.run,
        opened.position,
        opened.tool,
        opened.attempt,
        opened.arguments,
        each.outcome,
        each.result,
        opened.loose,
    )
    return Claim(opened.scope, seen)
