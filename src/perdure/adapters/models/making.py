"""From the words that name a model to the model."""

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from perdure.adapters.models.asked import AskedModel
from perdure.adapters.models.client import connect_anthropic, connect_openai
from perdure.adapters.models.dialect import ANTHROPIC, CHAT, RESPONSES, Dialect
from perdure.adapters.models.local import LocalModel
from perdure.adapters.models.port import ModelAdapter
from perdure.values.digest import Json
from perdure.values.errors import BadInput

KINDS: Final = ("anthropic:MODEL", "openai:MODEL", "openai-chat:MODEL", "local")


def make_model(
    spec: str, *, base_url: str | None = None, settings: Mapping[str, Json] | None = None
) -> ModelAdapter:
    """Return the model that ``spec`` names; raise ``BadInput`` if it names none. Nothing is asked yet.

    ``base_url`` is where another server speaks the same API; ``settings`` go along with each question.
    """
    kind, _, model = spec.partition(":")
    if base_url is not None and urlsplit(base_url).scheme not in {"http", "https"}:
        raise BadInput(f"base_url {base_url!r} is no http address", hint="as in http://127.0.0.1:8080/v1")
    match kind:
        case "anthropic" if model:
            return _asked(ANTHROPIC, model, base_url, settings, provider="anthropic")
        case "openai" if model:
            return _asked(RESPONSES, model, base_url, settings, provider="openai")
        case "openai-chat" if model:
            return _asked(CHAT, model, base_url, settings, provider="openai" if base_url is None else None)
        case "local":
            return LocalModel(settings=settings)
        case _:
            raise BadInput(
                f"{spec!r} names no model",
                hint=f"use one of {', '.join(KINDS)}, as in anthropic:claude-sonnet-4-5",
            )


def _asked(
    dialect: Dialect,
    model: str,
    base_url: str | None,
    settings: Mapping[str, Json] | None,
    *,
    provider: str | None,
) -> AskedModel:
    extra = "anthropic" if dialect is ANTHROPIC else "openai"
    if find_spec(extra) is None:
        raise BadInput(f"the {extra} SDK isn't installed", hint=f"pip install 'perdure[{extra}]'")
    connect = partial(connect_anthropic if dialect is ANTHROPIC else connect_openai, base_url)
    return AskedModel(dialect, model, connect, base_url=base_url, provider=provider, settings=settings)
