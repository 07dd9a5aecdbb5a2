"""What an object store said, sorted by what the caller must do: try again, or have a person put something right."""

import re
from typing import Final, NamedTuple

from perdure.values.errors import ObjectsAway, ObjectsRefused, PerdureError

_CODE: Final = re.compile(r"<Code>\s*([\w.]+)\s*</Code>|\"reason\":\s*\"(\w+)\"")
_STATUS: Final = re.compile(r"status code: (\d{3})")
_MESSAGE: Final = re.compile(r"<Message>([^<\n]{1,300})|\"message\":\s*\"([^\"]{1,300})\"")
"""Azure adds lines of its own for its support."""
_NO_KEYS: Final = re.compile(r"169\.254\.169\.254|metadata\.google|169\.254\.170\.2|[Cc]redential")


class _Cure(NamedTuple):
    what: str
    hint: str


_BUCKET: Final = _Cure("there is no such bucket", "make the bucket, or correct `url` under [objects]")
_KEYS: Final = _Cure(
    "it doesn't accept these keys",
    "give the right keys under [objects] or in the environment; a session's keys end with it",
)
_RIGHT: Final = _Cure(
    "these keys may not do that",
    "let them get, put, list and delete under the prefix: docs/object-storage.md has the policy",
)
_REGION: Final = _Cure("the bucket is elsewhere", "set `region` and `endpoint` to the bucket's own")
_CLOCK: Final = _Cure(
    "this machine's clock is wrong", "set the clock by NTP; more than 15 minutes are refused"
)
_KMS: Final = _Cure(
    "the encryption key can't be used", "let the keys' owner use it, or correct `kms_key` under [objects]"
)
_ROOM: Final = _Cure("there is no room", "free space there, or raise its quota")
_CREATE: Final = _Cure(
    "it can't put an object only where there is none",
    "use a store that honours `If-None-Match: *`: S3 and most of what speaks it do",
)
_TLS: Final = _Cure("it is reached without TLS", "use https, or say allow_http = true under [objects]")
_REST: Final = _Cure("it refuses", "look up the code in the store's own manual")

_CURES: Final[dict[str, _Cure]] = {
    "NoSuchBucket": _BUCKET,
    "ContainerNotFound": _BUCKET,
    "InvalidBucketName": _BUCKET,
    "InvalidResourceName": _BUCKET,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "ExpiredToken": _KEYS,
    "InvalidToken": _KEYS,
    "AuthenticationFailed": _KEYS,
    "InvalidAuthenticationInfo": _KEYS,
    "AccessDenied": _RIGHT,
    "AllAccessDisabled": _RIGHT,
    "AuthorizationFailure": _RIGHT,
    "AuthorizationPermissionMismatch": _RIGHT,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "QuotaExceeded": _ROOM,
    "InsufficientStorage": _ROOM,
    "NotImplemented": _CREATE,
}
_AWAY_CODES: Final = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "ServerBusy", "OperationTimedOut", "rateLimitExceeded",
}  # fmt: skip
_OF_STATUS: Final = {
    "301": _REGION,
    "307": _REGION,
    "401": _KEYS,
    "403": _RIGHT,
    "404": _BUCKET,
    "507": _ROOM,
    "501": _CREATE,
}
_AWAY_STATUS: Final = {"408", "429", "500", "502", "503", "504"}

_OF_DISK: Final = (
    ("No space left", _ROOM),
    ("Disk quota exceeded", _ROOM),
    ("Permission denied", _Cure("nothing may be written there", "mend the permissions of the directory")),
    ("Read-only file system", _Cure("it can only be read", "mount it for writing")),
    ("Not a directory", _Cure("it is no directory", "correct `url` under [objects]")),
)


def said_by(where: str, error: Exception) -> PerdureError:
    """Return what ``error`` of the object store at ``where`` means."""
    text = str(error)
    code, status = _first(_CODE, text), _first(_STATUS, text)
    for words, cure in _OF_DISK:
        if words in text.split("\n", 1)[0]:
            return _refused(where, cure, words)
    if code in _AWAY_CODES or status in _AWAY_STATUS:
        return ObjectsAway(f"{where}: it can't serve now ({code or status})")
    if code.startswith("KMS"):
        return _refused(where, _KMS, _with_words(code, text))
    if code in _CURES:
        return _refused(where, _CURES[code], _with_words(code, text))
    return _unnamed(where, text, code or status, status)


def _unnamed(where: str, text: str, word: str, status: str) -> PerdureError:
    """Return what an answer means that has no code which is known, or a failure before there was an answer."""
    first = text.split("\n", 1)[0]
    if word in ("", status) and _NO_KEYS.search(first):
        return _refused(where, _KEYS, "no keys were given, and none are to be had from this machine")
    if status:
        return _refused(where, _OF_STATUS.get(status, _REST), _with_words(word, text))
    if "redirect without LOCATION" in text:
        return _refused(where, _REGION, "a redirect")
    if "BadScheme" in text:
        return _refused(where, _TLS, "BadScheme")
    if "dns error" in text:
        hint = "correct `endpoint` or `region` under [objects], or look at this machine's name server"
        return ObjectsAway(f"{where}: its name can't be looked up", hint=hint)
    return ObjectsAway(f"{where}: it can't be reached ({first.rsplit(' - ', 1)[-1][:200]})")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[found.lastindex or 0] if found else ""


def _refused(where: str, cure: _Cure, words: str) -> ObjectsRefused:
    return ObjectsRefused(f"{where}: {cure.what} ({words[:300]})", hint=cure.hint)


def _with_words(code: str, text: str) -> str:
    message = _first(_MESSAGE, text)
    return f"{code}: {message}" if message else code
