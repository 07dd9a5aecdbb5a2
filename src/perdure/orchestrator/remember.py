"""After going back, the model is told what the world remembers, and what people changed in its workspace."""

from perdure.log import events as e
from perdure.orchestrator.draft import Draft
from perdure.projection.state import Effect
from perdure.values.limits import REMEMBERED_RECEIPTS_MAX


def remembered(d: Draft) -> None:
    """Say which acts of the abandoned tail stand, and which are in doubt; nothing if there are none."""
    if d.law.definition.foreign:
        # Its model is told with the receipts themselves.
        return
    world = d.state.world
    done = [
        item
        for item in world.receipts.values()
        if item.outcome in ("succeeded", "partial")
        and item.stem not in d.state.live.met
        and not item.undoes
        and item.effect != "workspace"
    ]
    doubts = [item for item in world.open.values() if item.effect not in ("read", "workspace")]
    doubts += list(world.elsewhere.values())
    if not done and not doubts:
        return
    lines = ["You went back to an earlier point. The world did not: it remembers what follows."]
    lines += [_line(item, item.outcome) for item in done[-REMEMBERED_RECEIPTS_MAX:]]
    if len(done) > REMEMBERED_RECEIPTS_MAX:
        lines.append(f"- and {len(done) - REMEMBERED_RECEIPTS_MAX} earlier ones")
    lines += [_line(item, "not known yet whether it happened") for item in doubts]
    lines.append("The same call is answered with its receipt and is not done a second time.")
    text = "\n".join(lines)
    name = f"note-{d.state.position + 1}"
    d.emit(e.MessageReceived(name, "perdure", d.say(text)))


def taken_back(d: Draft, body: e.ChangeReverted) -> None:
    """Say which files a person took back: the model knows them as it left them."""
    if d.state.closed or d.state.live.turn is None or d.law.definition.foreign:
        return
    receipt = d.state.world.receipts.get(body.key)
    act = f"{receipt.tool} {receipt.what}" if receipt is not None else f"position {body.position}"
    lines = [
        f"{body.by} took back what {act} had changed. What came after it stays. These files are others now:"
    ]
    lines += [f"- {path}" for path in body.paths]
    text = "\n".join(lines)
    d.emit(e.MessageReceived(f"note-{d.state.position + 1}", "perdure", d.say(text)))


def _line(item: Effect, outcome: str) -> str:
    return f"- {item.tool} {item.what}: {outcome}".replace(" :", ":")
