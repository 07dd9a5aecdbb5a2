"""Reverting one effect by its undo: an effect of its own, under a key of its own."""

from perdure.effect.memory import Blocked, next_attempt
from perdure.log import events as e
from perdure.orchestrator.draft import Draft
from perdure.values.digest import name_of


def begin_reverts(d: Draft) -> None:
    """Start the undo of each receipt that a person asked to revert and that can be."""
    for key in tuple(d.state.world.reverts):
        _begin(d, key)


def _begin(d: Draft, key: str) -> None:
    receipt = d.state.world.receipts.get(key)
    if receipt is None or receipt.undoes or receipt.outcome not in ("succeeded", "partial"):
        return
    declaration = d.law.definition.tool(receipt.tool)
    if declaration is None or not declaration.undoes:
        return
    fresh = next_attempt(d.state, name_of("undo", receipt.key))
    if isinstance(fresh, Blocked):
        return
    d.emit(
        e.EffectStarted(
            key=fresh.key,
            call="",
            tool=receipt.tool,
            effect="idempotent" if receipt.effect == "idempotent" else "once",
            stem=fresh.stem,
            attempt=fresh.attempt,
            send=1,
            arguments=receipt.arguments,
            what=f"undo {receipt.what}"[:80],
            undoes=receipt.key,
        )
    )
