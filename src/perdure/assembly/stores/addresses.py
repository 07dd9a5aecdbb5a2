"""Where a store is, as people write it: a directory, a PostgreSQL database, or a file that describes a store.

Invariants:
- A password is in ``secret`` alone; what is shown, compared or turned into text never holds one.
- Reading an address touches no store and no network.
"""

import os
import re
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from perdure.values.digest import short_digest
from perdure.values.errors import BadAddress

AS_URL: Final = "write it as postgresql://USER@HOST:PORT/DATABASE"

_SCHEMES: Final = ("postgresql://", "postgres://")
_ANY_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_KEY_VALUE: Final = re.compile(
    r"\s*(host|hostaddr|port|dbname|user|password|passfile|service|sslmode|connect_timeout|application_name)\s*="
)
_SECRETS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})
_PLACING: Final = frozenset({"host", "hostaddr", "port", "dbname", "service", "servicefile"})

Kind = Literal["directory", "postgres", "described"]


class Address:
    """One store's address. As text it has no password."""

    __slots__ = ("kind", "secret", "shown")

    def __init__(self, kind: Kind, secret: str, shown: str) -> None:
        """Hold what opens the store (``secret``) and what may be shown of it."""
        self.kind: Kind = kind
        self.secret: str = secret
        self.shown: str = shown

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (self.kind, self.secret) == (other.kind, other.secret)

    def __hash__(self) -> int:
        return hash((self.kind, self.secret))

    @property
    def path(self) -> Path:
        """The directory, or the file that describes the store. Raises ``BadAddress`` for a database."""
        if self.kind == "postgres":
            raise BadAddress(f"{self.shown} is no directory")
        return Path(self.secret)

    @property
    def local(self) -> Path:
        """Where this machine keeps files that belong to the store: in it, if it is a directory."""
        if self.kind == "directory":
            return Path(self.secret)
        named = str(self.path.resolve()) if self.kind == "described" else _without_user(self.shown)
        return _state() / "perdure-stores" / short_digest(named.encode())[:16]

    def absolute(self) -> "Address":
        """Return the same address, whatever becomes the working directory."""
        if self.kind == "postgres":
            return self
        path = str(self.path.absolute())
        return Address(self.kind, path, path)

    def resolved(self) -> "Address":
        """Return the same address without links in its path."""
        if self.kind == "postgres":
            return self
        path = str(self.path.resolve())
        return Address(self.kind, path, path)


Location = str | Path | Address
"""What may name a store in a call."""


def address_of(location: Location) -> Address:
    """Return the address that ``location`` names.

    Raises ``BadAddress`` for what is none, saying how it is written; never with a password in it.
    """
    if isinstance(location, Address):
        return location
    if isinstance(location, Path):
        return _at(location)
    if location.startswith(_SCHEMES):
        return _database(location)
    if location.startswith("sqlite:") and "//" not in location:
        return _at(Path(location.removeprefix("sqlite:")))
    scheme = _ANY_SCHEME.match(location)
    if scheme is not None:
        raise BadAddress(
            f"a store can't be in {scheme[1]}://", hint=f"a directory, a .toml file, or: {AS_URL}"
        )
    if _KEY_VALUE.match(location):
        raise BadAddress("a store's address can't be a list of key=value words", hint=AS_URL)
    if not location.strip():
        raise BadAddress("a store's address is empty", hint="name a directory")
    return _at(Path(location))


def without_secrets(text: str, address: Address) -> str:
    """Return ``text`` without the address's password, however it is quoted in it."""
    for secret in _secrets_of(address.secret) if address.kind == "postgres" else ():
        for form in {secret, unquote(secret), quote(unquote(secret), safe="")}:
            text = text.replace(form, "***")
    return text.replace(address.secret, address.shown)


def _at(path: Path) -> Address:
    if path.suffix == ".toml":
        return Address("described", str(path), str(path))
    if path.is_file():
        raise BadAddress(
            f"{path} is a file, and no directory of a store",
            hint="name the store's directory, or a file ending in .toml that describes one",
        )
    return Address("directory", str(path), str(path))


def _database(url: str) -> Address:
    try:
        parts = urlsplit(url)
        named = parts.path.strip("/")
    except ValueError:
        raise BadAddress("the store's postgresql:// address can't be read", hint=AS_URL) from None
    if parts.fragment:
        # A password with a '#' that isn't quoted ends up here: what is shown of it could be a part of it.
        raise BadAddress("the store's postgresql:// address holds a '#'", hint="write %23 for it")
    if not named and "dbname=" not in parts.query:
        raise BadAddress(f"{_shown(url)} names no database", hint=AS_URL)
    return Address("postgres", url, _shown(url))


def _shown(url: str) -> str:
    scheme, _, rest = url.partition("://")
    before, mark, query = rest.partition("?")
    whose, at, where = before.rpartition("@")
    user = whose.partition(":")[0]
    kept = [word for word in query.split("&") if word.partition("=")[0] not in _SECRETS]
    return f"{scheme}://{user}{at}{where}{mark if any(kept) else ''}{'&'.join(kept)}"


def _secrets_of(url: str) -> tuple[str, ...]:
    before, _, query = url.partition("://")[2].partition("?")
    whose = before.rpartition("@")[0]
    found = [whose.partition(":")[2], *(value for name, value in parse_qsl(query) if name in _SECRETS)]
    return tuple(secret for secret in found if secret)


def _without_user(shown: str) -> str:
    """Return which database it is, whoever opens it and how: libpq takes a place from the query, too."""
    scheme, _, rest = shown.partition("://")
    where, _, query = rest.rpartition("@")[2].partition("?")
    placing = sorted(word for word in query.split("&") if word.partition("=")[0] in _PLACING)
    kept = f"{where}?{'&'.join(placing)}" if placing else where
    return f"{scheme}://{kept}".replace("postgres://", "postgresql://")


def _state() -> Path:
    named = os.environ.get("XDG_STATE_HOME")
    return Path(named) if named else Path.home() / ".local" / "state"
