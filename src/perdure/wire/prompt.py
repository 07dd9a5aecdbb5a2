"""What a model is asked with: instructions, tools, and the conversation so far."""

import msgspec

from perdure.intention.declaration import Declaration
from perdure.intention.reply import Reply
from perdure.values.digest import Json


class UserText(msgspec.Struct, frozen=True, tag="user", gc=False):
    """What a person, or perdure itself, said to the model."""

    text: str


class Said(msgspec.Struct, frozen=True, tag="said", gc=False):
    """What the model said and wanted done."""

    reply: Reply


class Answered(msgspec.Struct, frozen=True, tag="answered", gc=False):
    """What became of one call. The text is JSON, or plain words."""

    call_id: str
    text: str
    is_error: bool = False


Entry = UserText | Said | Answered


class Prompt(msgspec.Struct, frozen=True, gc=False):
    """One question to a model, whole."""

    instructions: str
    tools: tuple[Declaration, ...] = ()
    entries: tuple[Entry, ...] = ()
    settings: dict[str, Json] = {}
    """temperature, max_tokens and the like, in the provider's own words"""
    cache_key: str = ""
    """equal for prompts that extend one another (a run's), where the provider routes by it"""


class ModelFailure(Exception):
    """The model gave no reply. ``retryable``: the same question may be answered later."""

    def __init__(self, message: str, *, retryable: bool, retry_after: float | None = None) -> None:
        """Hold what went wrong, in words that may be logged; ``retry_after`` is in seconds."""
        super().__init__(message)
        self.message: str = message
        self.retryable: bool = retryable
        self.retry_after: float | None = retry_after
