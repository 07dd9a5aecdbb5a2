"""The port to a model.

Invariants that every adapter keeps:
- One ``ask`` gives one whole reply, or raises ``ModelFailure``; nothing in between is returned.
- No key of a provider is in a reply, an error or a trace.
"""

from collections.abc import Callable
from typing import Protocol

from perdure.intention.reply import Reply
from perdure.wire.prompt import Prompt


class ModelAdapter(Protocol):
    """Something that goes on from a conversation."""

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - an adapter hands it to its SDK
    ) -> Reply:
        """Return the model's whole reply within ``timeout`` seconds.

        ``key`` names this question; it is given to providers that honour an idempotency key.
        ``on_text`` is told each piece of text as it comes; after a dropped stream the pieces
        begin again. Raises ``ModelFailure``.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and processes, before the loop that asked ends.

        A later question, from this loop or another, opens them again.
        """
        ...
