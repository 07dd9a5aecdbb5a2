"""What the world remembers of an act before it is done.

Invariants:
- At most one success per stem: an equal act is answered with its receipt, never done again.
- An act whose earlier attempt is in doubt waits for that attempt, whatever run it belongs to.
- A shape (an id, a time, a nonce) never makes two acts equal; after a rewind it raises a question.
"""

from typing import NamedTuple

from perdure.intention.declaration import Declaration
from perdure.intention.identity import Identity, identify, key_of
from perdure.projection.state import Effect, State
from perdure.values.digest import Json, name_of


class Fresh(NamedTuple):
    """Nothing stands against it: begin this attempt under this key."""

    key: str
    stem: str
    attempt: int


class Equal(NamedTuple):
    """It was done: answer with the receipt."""

    receipt: Effect


class Blocked(NamedTuple):
    """An earlier attempt of this run is not settled."""

    effect: Effect


class Elsewhere(NamedTuple):
    """Another run has begun it and not settled it, as far as this run knows."""

    effect: Effect


class Differs(NamedTuple):
    """It meets ``receipt`` and differs from it; ``fresh`` is how it would be done all the same."""

    receipt: Effect
    fresh: Fresh
    near: bool
    """whether it differs only in what looks like ids and times"""
    alone: bool = True
    """whether no other act could be meant as well"""


Memory = Fresh | Equal | Blocked | Elsewhere | Differs


def scope_of(state: State, declaration: Declaration) -> str:
    """Return the scope within which this tool's acts are told apart."""
    if declaration.scope == "tenant":
        return f"tenant:{state.tenant}"
    return f"lineage:{state.lineage}"


def identity_on_path(state: State, declaration: Declaration, arguments: dict[str, Json]) -> Identity:
    """Return the call's names, with the occurrence that the live path gives it.

    Occurrences are met in order, so the first one that isn't met is found by bisection.
    """
    scope = scope_of(state, declaration)

    def at(occurrence: int) -> Identity:
        return identify(declaration, scope, arguments, occurrence=occurrence)

    if declaration.identity is not None:
        return at(1)
    met = state.live.met
    if (first := at(1)).stem not in met:
        return first
    low, high = 1, 2
    while at(high).stem in met:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle).stem in met else (low, middle)
    return at(high)


def recall(state: State, declaration: Declaration, identity: Identity) -> Memory:
    """Return what is remembered of this act."""
    found = _by_stem(state, identity.stem)
    match found:
        case Blocked() | Elsewhere():
            return found
        case Equal(receipt) if receipt.arguments == identity.arguments:
            return found
        case Equal(receipt):
            if (doubt := _divergent_doubt(state, identity)) is not None:
                return doubt
            again = _by_stem(state, _divergent(identity.stem, identity.arguments))
            if isinstance(again, Fresh):
                return Differs(receipt, again, near=receipt.loose == identity.loose)
            return again
        case Fresh():
            return _named_anew(state, declaration, identity, found)
        case Differs():
            return found


def _named_anew(state: State, declaration: Declaration, identity: Identity, found: Fresh) -> Memory:
    """Return what is remembered where no act has this name: one that had another, or one that differs."""
    unmet = _unmet(state, declaration.name)
    if (known := _known_otherwise(state, unmet, identity)) is not None:
        return known
    if declaration.identity is None and (state.world.rewinds or state.step >= 3):
        unmet = [each for each in unmet if each.arguments != identity.arguments]
        near = [receipt for receipt in unmet if receipt.loose and receipt.loose == identity.loose]
        if candidates := near or unmet:
            first, alone = candidates[0], len(candidates) == 1
            return Differs(first, found, near=first.loose == identity.loose, alone=alone)
    return found


def _known_otherwise(
    state: State, unmet: list[Effect], identity: Identity
) -> Equal | Blocked | Elsewhere | None:
    """Return an unmet act with the very same arguments that was named otherwise: its tool was declared in other words."""
    if state.step < 3:
        return None
    for each in unmet:
        if each.arguments == identity.arguments and each.stem != identity.stem:
            if each.outcome in ("succeeded", "partial"):
                return Equal(each)
            return Blocked(each) if each.key in state.world.open else Elsewhere(each)
    return None


def _divergent(stem: str, arguments: str) -> str:
    """Name the act of ``stem`` with other arguments than it was done with."""
    return name_of("divergent", stem, arguments)


def _divergent_doubt(state: State, identity: Identity) -> Blocked | Elsewhere | None:
    """Return a divergence of this identity that isn't settled: it blocks all others of it."""
    for effect in state.world.open.values():
        if effect.stem == _divergent(identity.stem, effect.arguments):
            return Blocked(effect)
    for effect in state.world.elsewhere.values():
        if effect.stem == _divergent(identity.stem, effect.arguments):
            return Elsewhere(effect)
    return None


def _by_stem(state: State, stem: str) -> Memory:
    """Look at the attempts in order; a key is made of stem and attempt, so none is overlooked."""
    world = state.world
    if stem in world.elsewhere:
        return Elsewhere(world.elsewhere[stem])
    attempt = 1
    while True:
        key = key_of(stem, attempt)
        if key in world.open:
            return Blocked(world.open[key])
        receipt = world.receipts.get(key)
        if receipt is None:
            return Fresh(key, stem, attempt)
        if receipt.outcome in ("succeeded", "partial"):
            return Equal(receipt)
        attempt += 1


def next_attempt(state: State, stem: str) -> Fresh | Blocked:
    """Return the next attempt of an act that may be done however often it failed or succeeded."""
    attempt = 1
    while (key := key_of(stem, attempt)) in state.world.receipts:
        attempt += 1
    if key in state.world.open:
        return Blocked(state.world.open[key])
    return Fresh(key, stem, attempt)


def _unmet(state: State, tool: str) -> list[Effect]:
    """Return the successes of this tool that the present path hasn't met, and what may be one."""
    world = state.world
    known: list[Effect] = []
    if world.rewinds:
        known += (each for each in world.receipts.values() if each.outcome in ("succeeded", "partial"))
    if state.step >= 3:
        # Going forward only a foreign client comes here with something in doubt: a run of our own stops at it.
        doubts = (*world.open.values(), *world.elsewhere.values())
        known += (
            each for each in doubts if each.effect != "read" and (world.rewinds or each.phase == "doubted")
        )
    return [
        each
        for each in known
        if each.tool == tool
        and each.stem not in state.live.met
        and each.stem not in state.live.recognised
        and not each.undoes
    ]
