"""Anthropic's rules of thinking blocks: signed, unchanged, and in front of the calls that they led to."""

from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.signet import Signet
from perdure.values.digest import Json
from perdure.wire.reading import dicts_at, text_raw

THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def ruled_thoughts(messages: list[dict[str, Json]], signet: Signet, *, thinking: bool) -> None:
    """Return if every thought is as it was given, and the present turn still has its own."""
    for place, message in enumerate(messages):
        for spot, block in enumerate(dicts_at(message, "content")):
            if text_raw(block, "type") in THOUGHTS:
                _ruled_signature(f"messages.{place}.content.{spot}", block, signet)
    if thinking:
        _ruled_start(messages)


def _ruled_signature(where: str, block: dict[str, Json], signet: Signet) -> None:
    kind = text_raw(block, "type")
    if kind == "redacted_thinking":
        if signet.unseal(text_raw(block, "data")) is None:
            raise Rejection(f"{where}: Invalid `data` in `redacted_thinking` block")
        return
    if not isinstance(block.get("thinking"), str):
        raise Rejection(f"{where}.thinking.thinking: Field required")
    if not isinstance(block.get("signature"), str):
        raise Rejection(f"{where}.thinking.signature: Field required")
    if not signet.signed(text_raw(block, "thinking"), text_raw(block, "signature")):
        raise Rejection(f"{where}: Invalid `signature` in `thinking` block")


def _ruled_start(messages: list[dict[str, Json]]) -> None:
    """The assistant's messages since the person spoke last begin with a thought where they call tools."""
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        blocks = dicts_at(message, "content")
        kinds = [text_raw(block, "type") for block in blocks]
        if message.get("role") == "user" and "tool_result" not in kinds:
            return
        if message.get("role") != "assistant" or "tool_use" not in kinds:
            continue
        if kinds[0] not in THOUGHTS:
            raise Rejection(
                f"messages.{place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{kinds[0]}`. When `thinking` is enabled, a final `assistant` message must start with a thinking "
                "block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you "
                "include thinking blocks from previous turns. To avoid this requirement, disable `thinking`."
            )
        return
