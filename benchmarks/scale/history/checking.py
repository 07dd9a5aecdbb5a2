"""Is there one order in which a single-writer store would have answered just so?

Calls are followed in the order of time. At every moment there is a set of possibilities: a store, and which of the
calls that are under way have been carried out in it. When an answer comes, each possibility is continued by any of
the calls under way, until that call is carried out with that answer; what can't be continued so is dropped. If none
is left, no order explains the history. A call without an answer stays under way for ever, carried out or not.

No kept library of Python does this (porcupine is Go, knossos is Clojure, both one step away from a test that
installs with pip). The idea is Lowe's "just-in-time linearization"; calls that touch nothing in common with the one
that is answered are left for later, which changes no verdict.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, assert_never

from benchmarks.scale.history.acts import (
    Act,
    Answer,
    At,
    Call,
    Give,
    Granted,
    History,
    Look,
    Read,
    Remember,
    Row,
    Send,
    Take,
    Waiting,
    Write,
)
from benchmarks.scale.history.model import EMPTY, Possible, follow

POSSIBLE_MAX = 50_000
"""So many possibilities at once are more than a recording of ours can mean; it is then not decided."""


class Explained(NamedTuple):
    """What is to be said of a history."""

    calls: int
    unanswered: int
    peak: int
    """the most possibilities that there were at once"""
    wrong: str = ""
    """the call that no order explains, in words; empty where all is explained"""
    decided: bool = True

    @property
    def ok(self) -> bool:
        """Whether one single-writer store explains all of it."""
        return self.decided and not self.wrong


Branch = tuple[Possible, frozenset[int]]
"""A store, and which calls under way it has carried out."""


def explained(history: History, possible_max: int = POSSIBLE_MAX) -> Explained:
    """Return whether there is an order that explains ``history``, and if not, where it ends."""
    calls = history.calls
    lost = sum(call.answer is None for call in calls)
    lie = _lies(history)
    if lie:
        return Explained(len(calls), lost, 0, lie)
    branches: set[Branch] = {(EMPTY, frozenset())}
    under_way: set[int] = set()
    peak = 1
    for _, moment, number in _moments(calls):
        if moment == 0:
            under_way.add(number)
            continue
        before = branches
        branches = _answered(calls, history.ends, branches, under_way, number, possible_max)
        under_way.discard(number)
        peak = max(peak, len(branches))
        if len(branches) > possible_max:
            return Explained(len(calls), lost, peak, decided=False)
        if not branches:
            return Explained(len(calls), lost, peak, _told(calls[number], before, calls, under_way))
    return Explained(len(calls), lost, peak)


def _moments(calls: Sequence[Call]) -> list[tuple[int, int, int]]:
    """Return beginnings and answers in order; at one time beginnings first, which allows more orders."""
    kept = _in_the_log(calls)
    moments = [(call.began, 0, number) for number, call in enumerate(calls) if number in kept]
    moments += [(call.ended, 1, number) for number, call in enumerate(calls) if call.ended is not None]
    return sorted(moments)


def _in_the_log(calls: Sequence[Call]) -> set[int]:
    """Return the calls that can matter: an unanswered batch after which nobody continued was never written, or last."""
    befores = {call.act.before for call in calls if isinstance(call.act, Write)}
    heads = {call.answer.head for call in calls if isinstance(call.answer, At | Row)}
    return {
        number
        for number, call in enumerate(calls)
        if call.answer is not None
        or (not isinstance(call.act, Write) and not isinstance(call.act, Waiting | Look | Read | Remember))
        or (isinstance(call.act, Write) and call.act.head in befores | heads)
    }


def _answered(
    calls: Sequence[Call],
    ends: Mapping[str, int],
    branches: Collection[Branch],
    under_way: set[int],
    number: int,
    possible_max: int,
) -> set[Branch]:
    """Return the possibilities in which call ``number`` is carried out as it was answered."""
    call = calls[number]
    at = call.ended or 0
    rivals = _rivals(calls, under_way, number)
    epoch = _epoch_told(call.act, call.answer)

    def gone(token: str) -> bool:
        return at >= ends.get(token.partition("/")[0], at + 1)

    found: set[Branch] = set()
    looked: set[Branch] = set()
    todo = list(branches)
    while todo:
        branch = todo.pop()
        world, done = branch
        if branch in looked:
            continue
        if len(looked) > possible_max:
            return looked | {branch}
        looked.add(branch)
        if number in done:
            found.add((world, done - {number}))
            continue
        if epoch is not None and world.run(epoch[0]).epoch > epoch[1]:
            continue
        for other in (number, *(rivals - done)):
            rival = calls[other]
            after = follow(world, rival.act, rival.answer, gone)
            if after is None or (rival.answer is None and after is world):
                continue
            todo.append((after, done | {other}))
    return _widest(calls, found)


def _widest(calls: Sequence[Call], branches: set[Branch]) -> set[Branch]:
    """Leave out what has carried out more calls without an answer than another, on the way to the same store.

    Nobody waits for those, so it can become nothing that the other can't.
    """
    ways: dict[tuple[Possible, frozenset[int]], list[frozenset[int]]] = {}
    for world, done in branches:
        answered = frozenset(number for number in done if calls[number].answer is not None)
        ways.setdefault((world, answered), []).append(done)
    return {
        (world, done)
        for (world, _), many in ways.items()
        for done in many
        if not any(other < done for other in many)
    }


def _rivals(calls: Sequence[Call], under_way: set[int], number: int) -> set[int]:
    """Return the calls under way that share something with this one, directly or by way of others."""
    shared = set(_touched(calls[number].act))
    rivals: set[int] = set()
    grew = True
    while grew:
        grew = False
        for other in under_way - rivals - {number}:
            touches = _touched(calls[other].act)
            if not shared.isdisjoint(touches):
                shared.update(touches)
                rivals.add(other)
                grew = True
    return rivals


def _touched(act: Act) -> tuple[str, ...]:
    match act:
        case Write():
            stems = {claim.stem for claim in act.opened} | {end.stem for end in act.closed}
            return (f"run {act.run}", *(f"stem {stem}" for stem in stems))
        case Remember():
            return (f"stem {act.stem}",)
        case Take() | Give() | Send() | Waiting() | Look() | Read():
            return (f"run {act.run}",)
        case _:
            assert_never(act)


def _epoch_told(act: Act, answer: Answer | None) -> tuple[str, int] | None:
    """Return run and epoch beyond which this call can't have been answered like that."""
    match act, answer:
        case Take(), Granted():
            return act.run, answer.epoch - 1
        case Write(), At():
            return act.run, act.epoch
        case Look(), Row():
            return act.run, answer.epoch
        case _:
            return None


def _lies(history: History) -> str:
    """Return the first grant that calls a writer dead who had neither released nor died; empty if there is none."""
    given: dict[tuple[str, int], int] = {}
    owners: dict[tuple[str, int], str] = {}
    for call in history.calls:
        match call.act, call.answer:
            case Give(run=run, epoch=epoch), _:
                given[run, epoch] = min(call.began, given.get((run, epoch), call.began))
            case Take(run=run), Granted(epoch=epoch):
                owners[run, epoch] = call.client
            case _:
                pass
    for call in history.calls:
        if not isinstance(call.act, Take) or not isinstance(call.answer, Granted) or call.ended is None:
            continue
        for epoch in call.answer.dead:
            owner = owners.get((call.act.run, epoch))  # None: it was killed before it heard of its lease.
            over = min(
                given.get((call.act.run, epoch), call.ended + 1),
                history.ends.get(owner or "", call.ended + 1),
            )
            if owner is not None and over > call.ended:
                return f"{call.client} was told that epoch {epoch} of {call.act.run} is dead; {owner} lived"
    return ""


def _told(call: Call, before: Collection[Branch], calls: Sequence[Call], under_way: set[int]) -> str:
    run = getattr(call.act, "run", "")
    stood = {str(world.run(run)._replace(posted=frozenset())) for world, _ in before}
    beside = [f"  beside: {calls[other].client} {calls[other].act}" for other in sorted(under_way)][:8]
    words = [f"{call.client}: {call.act} was answered {call.answer}", *(f"  with {each}" for each in stood)]
    if isinstance(call.act, Remember):
        words += [f"  with {world.stems.get(call.act.stem)}" for world, _ in before][:3]
    return "\n".join([*words[:6], *beside])
