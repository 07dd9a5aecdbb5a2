"""What a person may say about the object store, checked word by word before anything is opened."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from perdure.values.errors import BadInput
from perdure.values.limits import OBJECT_CACHE_BYTES_DEFAULT, OBJECT_RETRIES, OBJECT_TIMEOUT_SECONDS


class _Anywhere(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    timeout_seconds: float = OBJECT_TIMEOUT_SECONDS
    retries: int = OBJECT_RETRIES
    cache_bytes: int = OBJECT_CACHE_BYTES_DEFAULT


class _Remote(_Anywhere, frozen=True, forbid_unknown_fields=True):
    endpoint: str = ""
    allow_http: bool = False
    """for an endpoint without TLS, on a network of one's own"""
    ca_file: str = ""
    """PEM of an authority that signed the endpoint's certificate, beside the system's"""
    proxy: str = ""


class S3Settings(_Remote, frozen=True, forbid_unknown_fields=True):
    """``s3://BUCKET/PREFIX``. Keys that aren't given are looked for as AWS' own tools do."""

    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    virtual_hosted: bool = False
    encryption: str = ""
    kms_key: str = ""
    bucket_key: bool = False
    bulk_delete: bool = True


class GcsSettings(_Remote, frozen=True, forbid_unknown_fields=True):
    """``gs://BUCKET/PREFIX``. The bucket's default encryption holds; CMEK is set there."""

    service_account_file: str = ""


class AzureSettings(_Remote, frozen=True, forbid_unknown_fields=True):
    """``az://CONTAINER/PREFIX``."""

    account: str = ""
    account_key: str = ""
    sas: str = ""
    client_id: str = ""
    client_secret: str = ""
    tenant_id: str = ""
    encryption_key: str = ""
    """base64 of a 256-bit key that the account forgets after each request"""


class LocalSettings(_Anywhere, frozen=True, forbid_unknown_fields=True):
    """``file:///DIRECTORY``: a disk that all machines of the store see, or the one machine's own."""


Settings = S3Settings | GcsSettings | AzureSettings | LocalSettings

SORTS: Final[dict[str, type[Settings]]] = {
    "s3": S3Settings,
    "gs": GcsSettings,
    "az": AzureSettings,
    "file": LocalSettings,
}
ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")


class Spot(NamedTuple):
    """Where objects lie."""

    bucket: str
    """its name, or the directory"""
    prefix: str

    @property
    def directory(self) -> Path:
        """The directory of a local one."""
        return Path(self.bucket)


def settings_of(words: Mapping[str, object]) -> tuple[Settings, Spot]:
    """Return what ``words`` say, and where that is; raise ``BadInput`` naming what is wrong."""
    url = words.get("url")
    if not isinstance(url, str):
        raise BadInput("[objects] has no `url`", hint='as in url = "s3://acme-agents/perdure"')
    parts = urlsplit(url)
    sort = SORTS.get(parts.scheme)
    if sort is None:
        known = ", ".join(f"{scheme}://" for scheme in SORTS)
        raise BadInput(
            f"[objects] url {url!r} begins with none of {known}", hint=_nearest(parts.scheme, SORTS)
        )
    known_keys = {field.name for field in msgspec.structs.fields(sort)}
    for key in words:
        if key not in known_keys:
            raise BadInput(
                f"[objects] has an unknown key {key!r} for {parts.scheme}://", hint=_nearest(key, known_keys)
            )
    try:
        settings = msgspec.convert(dict(words), sort)
    except msgspec.ValidationError as error:
        raise BadInput(f"[objects]: {error}") from error
    place = _place(parts)
    _check(settings)
    return settings, place


def _place(parts: SplitResult) -> Spot:
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadInput(
            "[objects] url holds more than a bucket and a prefix", hint="give keys by their own settings"
        )
    if parts.scheme == "file":
        if parts.netloc or not parts.path.strip("/"):
            raise BadInput("[objects] url names no directory", hint="as in file:///srv/perdure/objects")
        return Spot(parts.path, "")
    prefix = parts.path.strip("/")
    if not parts.netloc:
        raise BadInput("[objects] url names no bucket", hint=f"as in {parts.scheme}://BUCKET/PREFIX")
    if any(part in {"", ".", ".."} for part in prefix.split("/")) and prefix:
        raise BadInput(f"[objects] prefix {prefix!r} has an empty part, '.' or '..'")
    return Spot(parts.netloc, prefix)


def _check(settings: Settings) -> None:
    if not 0 < settings.timeout_seconds <= 300:
        raise BadInput("[objects] timeout_seconds must be between 0 and 300")
    if not 0 <= settings.retries <= 20:
        raise BadInput("[objects] retries must be between 0 and 20")
    if settings.cache_bytes < 0:
        raise BadInput("[objects] cache_bytes must not be negative", hint="0 keeps no cache")
    if isinstance(settings, S3Settings):
        _check_s3(settings)
    if (
        not isinstance(settings, LocalSettings)
        and settings.endpoint.startswith("http://")
        and not settings.allow_http
    ):
        raise BadInput(
            f"[objects] endpoint {settings.endpoint!r} has no TLS: what is sent can be read on the way",
            hint="use https, or say allow_http = true on a network of your own",
        )


def _check_s3(settings: S3Settings) -> None:
    if settings.encryption and settings.encryption not in ENCRYPTIONS:
        raise BadInput(
            f"[objects] encryption {settings.encryption!r} is none of {', '.join(ENCRYPTIONS)}",
            hint=_nearest(settings.encryption, ENCRYPTIONS),
        )
    if settings.kms_key and not settings.encryption.startswith("aws:kms"):
        raise BadInput("[objects] kms_key needs encryption = 'aws:kms' or 'aws:kms:dsse'")
    if bool(settings.access_key_id) != bool(settings.secret_access_key):
        raise BadInput("[objects] access_key_id and secret_access_key belong together")


def _nearest(word: str, known: Mapping[str, object] | set[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"do you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}"
