"""What people tell a run: checked against its state first, then posted durably.

Invariant: a post that can't mean anything is refused here with the reason; one that was posted is
in the store, whatever becomes of the process that posted it.
"""

from collections.abc import Callable, Sequence

import msgspec

from perdure.assembly.files.timeline import files_of
from perdure.driver.books import Books, read_state
from perdure.log import events as e
from perdure.log.port import Post
from perdure.orchestrator.draft import content_of
from perdure.projection.state import Approval, Effect, State
from perdure.values.digest import Json
from perdure.values.errors import BadInput, BadPosition, NoUndo, StoreFailed, Unsettled
from perdure.values.limits import INBOX_BYTES_MAX

_encode = msgspec.json.Encoder().encode


class People:
    """The inbox of one store's runs, seen from outside."""

    def __init__(self, store: Books, now: Callable[[], int], mint: Callable[[], str]) -> None:
        """Post into ``store``; ``mint`` gives a fresh id for a post that has none."""
        self._store: Books = store
        self._now: Callable[[], int] = now
        self._mint: Callable[[], str] = mint

    def message(self, run: str, text: str, *, sender: str = "user", name: str | None = None) -> bool:
        """Say ``text`` to the model; a ``name`` that was used before changes nothing (False).

        Raises ``BadInput`` if the run has ended.
        """
        state = self._state(run)
        if state.closed:
            raise BadInput(
                f"run {run!r} is {state.status} and hears no more",
                hint="rewind it, fork it, or start another run",
            )
        if sender == "perdure":
            raise BadInput("sender: 'perdure' is our own name", hint="choose another sender")
        name = name or self._mint()
        try:
            return self._post(run, e.MessageReceived(name, sender, self._content(text)), name)
        except StoreFailed as error:
            # Whoever says it again without this name says it twice.
            raise type(error)(
                str(error), hint=f"{error.hint}; say this message again with --id {name}"
            ) from error

    def approve(self, run: str, approval: str, *, by: str, note: str = "") -> bool:
        """Allow what ``approval`` asks; raises ``Unsettled`` unless the question is open."""
        asked = self._asked(run, approval)
        if self._now() >= asked.expires:
            raise Unsettled(f"the question {approval} of run {run!r} has expired")
        return self._post(run, e.ApprovalGranted(approval, by, note), f"grant-{approval}")

    def deny(self, run: str, approval: str, *, by: str, note: str = "") -> bool:
        """Forbid what ``approval`` asks; raises ``Unsettled`` unless the question is open."""
        self._asked(run, approval)
        return self._post(run, e.ApprovalDenied(approval, by, note), f"deny-{approval}")

    def settle(
        self,
        run: str,
        key: str,
        outcome: str,
        *,
        by: str,
        result: Json = None,
        note: str = "",
    ) -> bool:
        """Say how the effect of ``key`` ended: 'succeeded', 'failed' (known not done), or 'retry'.

        ``key`` may be shortened to what is unambiguous. Raises ``Unsettled`` if no such effect is
        in doubt or pending.
        """
        effect = self._open(run, key)
        match outcome:
            case "succeeded":
                body: e.Body = e.EffectSettled(
                    effect.key, "succeeded", self._content(_encode(result).decode()), by=by
                )
            case "failed":
                body = e.EffectSettled(effect.key, "failed", None, note or "a person said so", by=by)
            case "retry":
                body = e.EffectReconciled(effect.key, "barred", note or "a person said so", by=by)
            case _:
                raise BadInput(f"outcome {outcome!r}: say 'succeeded', 'failed' or 'retry'")
        return self._post(run, body, self._mint())

    def rewind(
        self,
        run: str,
        to: int,
        *,
        by: str,
        why: str = "",
        files: bool = True,
        keep: Sequence[str] = (),
        session: str = "",
    ) -> bool:
        """Take the run back to position ``to``; what the world remembers stays.

        With ``files`` the workspace goes back too, but for the paths in ``keep``, before anything goes on.
        ``session``: what a foreign client goes on with.
        """
        state = self._state(run)
        if not 1 <= to < state.position:
            raise BadPosition(f"run {run!r} can go back to 1 up to {state.position - 1}, not {to}")
        at = files_of(self._store, run, to) if files else None
        named = (at.tree, at.image, tuple(keep)) if at is not None and at.tree else ("", "", ())
        return self._post(run, e.RunRewound(to, by, why, *named, session), self._mint())

    def cancel(self, run: str, *, by: str, why: str = "") -> bool:
        """End the run; what is under way is put in doubt, not forgotten."""
        state = self._state(run)
        if state.closed:
            raise BadInput(f"run {run!r} is {state.status} already")
        return self._post(run, e.RunClosed("cancelled", None, why or f"by {by}", by), self._mint())

    def revertible(self, run: str, position: int) -> tuple[Effect, tuple[Effect, ...]]:
        """Return the effect that began or settled at ``position``, and what came to depend on it.

        Raises ``NoUndo`` with the reason where it can't be undone.
        """
        state = self._state(run)
        effect = effect_at(state, position)
        if effect is None:
            raise NoUndo(
                f"nothing was done at position {position} of run {run!r}",
                hint="name the position at which an effect began or was settled; see `perdure log RUN`",
            )
        if effect.outcome not in ("succeeded", "partial"):
            raise NoUndo(f"{effect.tool} {effect.what} is {effect.outcome or effect.phase}: nothing to undo")
        if effect.undoes:
            raise NoUndo(
                f"{effect.tool} {effect.what} is an undo itself", hint="let the agent do the act again"
            )
        if effect.run != run:
            raise NoUndo(
                f"{effect.tool} {effect.what} was done by run {effect.run!r}", hint="revert it there"
            )
        if not effect.proposed:
            raise NoUndo(
                f"the event that promised {effect.tool} is lost, and with it what it was called with",
                hint="put it right by hand",
            )
        return effect, self._dependents(state, effect)

    def revert(self, run: str, position: int, *, by: str) -> tuple[Effect, tuple[Effect, ...]]:
        """Ask for the undo of what ``revertible`` returns, and return it."""
        found = self.revertible(run, position)
        self._post(run, e.ChangeReverted(position, found[0].key, by), self._mint())
        return found

    def _dependents(self, state: State, effect: Effect) -> tuple[Effect, ...]:
        """Return later effects whose description names something of this one."""
        words = {word for part in effect.what.split() if len(word := part.split("=")[-1]) >= 3}
        later = (item for item in state.world.receipts.values() if item.started > effect.settled)
        return tuple(item for item in later if words & {part.split("=")[-1] for part in item.what.split()})

    def _state(self, run: str) -> State:
        return read_state(self._store, run).state

    def _asked(self, run: str, approval: str) -> Approval:
        state = self._state(run)
        asked = state.world.approvals.get(approval)
        if asked is None or asked.phase != "asked":
            what = "unknown" if asked is None else asked.phase
            raise Unsettled(f"run {run!r} has no open question {approval!r} (it is {what})")
        return asked

    def _open(self, run: str, key: str) -> Effect:
        state = self._state(run)
        found = [item for item in state.world.open.values() if item.key.startswith(key)]
        if len(found) != 1 or not key:
            how = "no" if not found else f"{len(found)}"
            raise Unsettled(f"run {run!r} has {how} open effects with key {key!r}")
        if found[0].phase == "started" and found[0].effect == "read":
            raise Unsettled(f"{found[0].tool} is a read: it is done again, nothing is to be settled")
        return found[0]

    def _content(self, text: str) -> e.Content:
        content, blob = content_of(text)
        if blob is not None:
            self._store.put(*blob)
        return content

    def _post(self, run: str, body: e.Body, name: str) -> bool:
        raw = _encode(body)
        if len(raw) > INBOX_BYTES_MAX:
            raise BadInput(f"{len(raw)} bytes are posted; an inbox takes at most {INBOX_BYTES_MAX}")
        return self._store.post(run, Post(name, e.KIND_OF[type(body)], msgspec.Raw(raw), self._now()))


def effect_at(state: State, position: int) -> Effect | None:
    """Return the effect that began or was settled at ``position``."""
    known = (*state.world.receipts.values(), *state.world.open.values())
    return next((item for item in known if position in (item.started, item.settled)), None)
