"""What an SDK raises, sorted by whether asking again may help."""

import email.utils
import time
from collections.abc import Iterable, Mapping
from typing import Final, cast

from perdure.values.digest import Json
from perdure.wire.prompt import ModelFailure
from perdure.wire.reading import dict_at, text_at
from perdure.wire.scrub import scrub

_PASSING_STATUSES: Final = frozenset({408, 409, 425, 429})
"""Beside all from 500: a time-out, a conflict, too early, too many."""

_PASSING: Final = frozenset({
    "api_error", "overloaded_error", "rate_limit_error", "rate_limit_exceeded", "server_error", "timeout_error",
})  # fmt: skip
"""Errors that pass by themselves, also where the status was 200 and the stream broke off."""

_FINAL: Final = frozenset({"insufficient_quota", "billing_not_active", "billing_error"})
"""Refusals that can come with the status of a rate limit, and don't pass."""

_SDKS: Final = frozenset({"anthropic", "openai"})

_TRANSPORTS: Final = frozenset({"anyio", "h11", "h2", "httpcore", "httpcore2", "httpx", "httpx2", "ssl"})
"""Whose exceptions mean that the connection broke."""

_BROKEN: Final = frozenset({"APIConnectionError", "APITimeoutError", "APIResponseValidationError"})
"""Errors of the SDKs that mean the same, or that what came is not what was to come."""

MESSAGE_CHARACTERS_MAX: Final = 2000
"""Kept of what a provider says: error pages of proxies can be whole documents."""


def failure_of(error: Exception, secrets: Iterable[str]) -> ModelFailure | None:
    """Return ``error`` as a failure without secrets; None if neither an SDK nor its transport raised it."""
    origins = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if isinstance(error, OSError | ValueError) or _TRANSPORTS & origins:
        retryable = True
    elif _SDKS & origins:
        retryable = _passes(error)
    else:
        return None
    words = scrub(f"{type(error).__name__}: {error}", secrets)[:MESSAGE_CHARACTERS_MAX]
    return ModelFailure(words, retryable=retryable, retry_after=_retry_after(error))


def _passes(error: Exception) -> bool:
    words = _words(cast("Json", getattr(error, "body", None)))
    status = cast("object", getattr(error, "status_code", None))
    if words & (_FINAL | _PASSING):
        return not words & _FINAL
    if isinstance(status, int):
        return status in _PASSING_STATUSES or status >= 500
    return type(error).__name__ in _BROKEN


def _words(body: Json) -> set[str]:
    """Return type and code of an error; the SDKs keep its object, with or without what is around it."""
    inner = dict_at(body, "error")
    return {text_at(shape, name) for shape in (body, inner) for name in ("type", "code")} - {""}


def _retry_after(error: Exception) -> float | None:
    """Return the seconds that the provider asks us to wait."""
    response: object = getattr(error, "response", None)
    headers = cast("Mapping[str, str]", getattr(response, "headers", {}))
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
