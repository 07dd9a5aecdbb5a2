"""Objects in one bucket, container or directory, through obstore.

Invariants:
- An object is made whole or not at all, and only where none of its name is; ``put`` returns once it is durable.
- Every request ends within its time limit; failures and cut connections are tried again up to a bound.
"""

import heapq
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypedDict, TypeVar, cast
from uuid import uuid4

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from perdure.adapters.objects.failures import said_by
from perdure.adapters.objects.settings import (
    AzureSettings,
    GcsSettings,
    LocalSettings,
    S3Settings,
    Settings,
    Spot,
)
from perdure.values.errors import BadInput, BlobMissing, ObjectsRefused
from perdure.values.limits import OBJECT_NAMES_PAGE

if TYPE_CHECKING:
    # These are there for type checkers alone.
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config

T = TypeVar("T")

_Client = S3Store | GCSStore | AzureStore | LocalStore

_FIRST_PAUSE: Final = timedelta(milliseconds=100)
_LONGEST_PAUSE: Final = timedelta(seconds=5)
LISTINGS_MAX: Final = 4
"""Listings under way that are kept; more than a collection and a witness have at once, and none is large."""

_MISSING_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound")


class _Listed(TypedDict):
    path: str
    size: int


class _Lister(Protocol):
    """What obstore's typing of ``list`` comes to where nobody asks for Arrow."""

    def list(
        self, prefix: str | None, *, offset: str | None, chunk_size: int
    ) -> Iterable[Sequence[_Listed]]: ...


class Bucket:
    """``log.port.ObjectStore`` over what obstore reaches."""

    def __init__(self, settings: Settings, place: Spot) -> None:
        """Reach ``place`` as ``settings`` say; nothing is asked yet."""
        self._prefix = f"{place.prefix}/" if place.prefix else ""
        self._root = place.directory if isinstance(settings, LocalSettings) else None
        self._ordered = self._root is None
        # Azure begins at the first name whatever is asked for: a listing that somebody may go on with is kept.
        self._restarts = isinstance(settings, AzureSettings)
        self._guard = threading.Lock()
        self._listings: dict[tuple[str, str], Iterator[tuple[str, int]]] = {}
        self.where = settings.url
        """how messages name it"""
        try:
            self._client = _client(settings, place)
        except (BaseError, ValueError, OSError) as error:
            raise BadInput(f"[objects] {self.where}: {str(error).split(chr(10), 1)[0]}") from error

    def put(self, name: str, content: bytes) -> bool:
        """The object is there, durably; False if it was there before."""

        def attempt() -> bool:
            try:
                # In one request: only that is made whole, and only where there is none.
                self._client.put(self._prefix + name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

        try:
            made = self._asked(attempt)
        except FileNotFoundError as error:
            # There is nothing else that could be missing, whatever words the store has for it.
            raise said_by(self.where, error) from error
        if self._root is not None:
            self._sync(self._root, name)
        return made

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Return bytes of the object. Raises ``BlobMissing``."""
        if size == 0:
            return b""

        def attempt() -> bytes:
            path = self._prefix + name
            if size is not None:
                return self._client.get(path, options={"range": (start, start + size)}).bytes().to_bytes()
            if start:
                return self._client.get(path, options={"range": {"offset": start}}).bytes().to_bytes()
            return self._client.get(path).bytes().to_bytes()

        try:
            return self._asked(attempt)
        except FileNotFoundError as error:
            raise BlobMissing(f"{self.where}: there is no object {name}") from error

    def names(self, prefix: str, after: str = "") -> Sequence[tuple[str, int]]:
        """Return names and sizes past ``after``, in order."""

        def attempt() -> list[tuple[str, int]]:
            past = self._gone_on(prefix, after) or self._past(prefix, after)
            if not self._ordered:
                return heapq.nsmallest(OBJECT_NAMES_PAGE, past)
            page = list(islice(past, OBJECT_NAMES_PAGE))
            if page and self._restarts:
                self._keep(prefix, page[-1][0], past)
            return page

        try:
            return self._asked(attempt)
        except FileNotFoundError:
            return []

    def delete(self, names: Sequence[str]) -> None:
        """The objects are gone."""
        paths = [self._prefix + name for name in names]
        if not paths:
            return
        try:
            self._asked(lambda: self._client.delete(paths))
        except FileNotFoundError:
            # Some stores stop at the first that isn't there.
            for path in paths:
                self._delete_one(path)

    def check(self) -> None:
        """An object was made, refused a second time, read and deleted here, or the reason is raised."""
        name, content = f"check/{uuid4().hex}", b"perdure looks whether objects can be made here"
        self.put(name, content)
        try:
            if self.put(name, b"another"):
                raise ObjectsRefused(
                    f"{self.where}: an object was replaced that was there",
                    hint="use a store that honours `If-None-Match: *`: S3 and most of what speaks it do",
                )
            if self.get(name) != content or self.get(name, 8, 5) != content[8:13]:
                raise ObjectsRefused(
                    f"{self.where}: what was put is not what is read", hint="look what stands in between"
                )
            if [found for found, _ in self.names("check/", f"{name[:-1]}")][:1] != [name]:
                raise ObjectsRefused(f"{self.where}: an object that was made isn't listed")
        finally:
            self.delete([name])

    # -- inside --------------------------------------------------------------------------------------

    def _asked(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns; ``FileNotFoundError`` says that the object alone is missing."""
        try:
            return attempt()
        except FileNotFoundError as error:
            if any(code in str(error) for code in _MISSING_BUCKET):
                raise said_by(self.where, error) from error
            raise
        except (BaseError, OSError, ValueError) as error:
            raise said_by(self.where, error) from error

    def _gone_on(self, prefix: str, after: str) -> Iterator[tuple[str, int]] | None:
        """Return the listing that has come as far as ``after``, for one caller."""
        with self._guard:
            return self._listings.pop((prefix, after), None)

    def _keep(self, prefix: str, last: str, listing: Iterator[tuple[str, int]]) -> None:
        """Whoever asks for names past ``last`` goes on with ``listing``."""
        with self._guard:
            self._listings[prefix, last] = listing
            while len(self._listings) > LISTINGS_MAX:
                del self._listings[next(iter(self._listings))]

    def _past(self, prefix: str, after: str) -> Iterator[tuple[str, int]]:
        """Yield names and sizes past ``after`` as the store lists them."""
        offset = self._prefix + after if after else None
        lister = cast("_Lister", cast("object", self._client))
        stream = lister.list(self._prefix + prefix or None, offset=offset, chunk_size=OBJECT_NAMES_PAGE)
        for chunk in stream:
            for meta in chunk:
                name = meta["path"].removeprefix(self._prefix)
                if name > after:
                    yield name, meta["size"]

    def _delete_one(self, path: str) -> None:
        try:
            self._asked(lambda: self._client.delete(path))
        except FileNotFoundError:
            return

    def _sync(self, root: Path, name: str) -> None:
        """A directory's objects are on disk with their names; obstore leaves that to the system."""
        path = root / name
        try:
            while path != root.parent:
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                path = path.parent
        except OSError as error:
            raise said_by(self.where, error) from error


def _client(settings: Settings, place: Spot) -> _Client:
    if isinstance(settings, LocalSettings):
        place.directory.mkdir(parents=True, exist_ok=True)
        return LocalStore(place.directory)
    seconds = timedelta(seconds=settings.timeout_seconds)
    options: ClientConfig = {
        "timeout": seconds,
        "connect_timeout": min(seconds, timedelta(seconds=5)),
        "allow_http": settings.allow_http,
    }
    if settings.ca_file:
        options["root_certificate"] = Path(settings.ca_file).read_bytes()
    if settings.proxy:
        options["proxy_url"] = settings.proxy
    retry: RetryConfig = {
        "max_retries": settings.retries,
        "retry_timeout": seconds,
        "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": _LONGEST_PAUSE, "base": 2},
    }
    match settings:
        case S3Settings():
            return S3Store(place.bucket, config=_s3(settings), client_options=options, retry_config=retry)
        case GcsSettings():
            return GCSStore(place.bucket, config=_gcs(settings), client_options=options, retry_config=retry)
        case AzureSettings():
            return AzureStore(
                place.bucket, config=_azure(settings), client_options=options, retry_config=retry
            )


def _s3(settings: S3Settings) -> "S3Config":
    config: S3Config = {
        "virtual_hosted_style_request": settings.virtual_hosted,
        "disable_bulk_delete": not settings.bulk_delete,
    }
    if settings.kms_key:
        config["sse_kms_key_id"] = settings.kms_key
    if settings.encryption:
        config["server_side_encryption"] = settings.encryption
    if settings.encryption.startswith("aws:kms"):
        config["sse_bucket_key_enabled"] = settings.bucket_key
    if settings.region:
        config["region"] = settings.region
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.access_key_id:
        config["access_key_id"] = settings.access_key_id
        config["secret_access_key"] = settings.secret_access_key
    if settings.session_token:
        config["session_token"] = settings.session_token
    return config


def _gcs(settings: GcsSettings) -> "GCSConfig":
    config: GCSConfig = {}
    if settings.service_account_file:
        config["service_account"] = settings.service_account_file
    if settings.endpoint:
        config["base_url"] = settings.endpoint
    return config


def _azure(settings: AzureSettings) -> "AzureConfig":
    said: AzureConfig = {
        "account_name": settings.account,
        "account_key": settings.account_key,
        "sas_key": settings.sas,
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "tenant_id": settings.tenant_id,
        "endpoint": settings.endpoint,
        "encryption_key": settings.encryption_key,
    }
    # What wasn't given comes from the environment.
    return cast("AzureConfig", cast("object", {key: word for key, word in said.items() if word}))
