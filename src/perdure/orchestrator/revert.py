"""Reverting one effect by its undo: an effect of its own, under a key of its own."""

from perdure.intention.identity import key_of
from perdure.log import events as e
from perdure.orchestrator.draft import Draft
from perdure.values.digest import name_of


def revert(d: Draft, body: e.ChangeReverted) -> None:
    """Start the undo of the receipt; nothing if it isn't there, has no undo, or is under way."""
    receipt = d.state.world.receipts.get(body.key)
    if receipt is None or receipt.outcome not in ("succeeded", "partial"):
        return
    declaration = d.law.definition.tool(receipt.tool)
    if declaration is None or not declaration.undoes:
        return
    stem = name_of("undo", receipt.key)
    keys = d.state.world.stems.get(stem, ())
    if any(key in d.state.world.open for key in keys):
        return
    d.emit(
        e.EffectStarted(
            key=key_of(stem, len(keys) + 1),
            call="",
            tool=receipt.tool,
            effect="idempotent" if receipt.effect == "idempotent" else "once",
            stem=stem,
            attempt=len(keys) + 1,
            send=1,
            arguments=receipt.arguments,
            what=f"undo {receipt.what}"[:80],
            undoes=receipt.key,
        )
    )
