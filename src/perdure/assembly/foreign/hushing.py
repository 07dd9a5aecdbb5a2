"""What a client's own tools may not bring into the log: secret files, and the credentials around them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from perdure.adapters.workspace.rules import SECRET_NAMES, IgnoreRules
from perdure.assembly.stores.addresses import Address, without_secrets
from perdure.values.digest import Json, canonical
from perdure.wire.scrub import scrubbed

CREDENTIAL_ENDS: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS")
"""Last words of variables whose values are secret: ``ANTHROPIC_API_KEY``, ``GITHUB_TOKEN``."""

CREDENTIAL_CHARACTERS_MIN: Final = 12
"""Shorter values are words like 'none' and 'true', which stand in every text."""


class Hush:
    """Knows which files are secret and which values are."""

    def __init__(self, secret_files: Sequence[str] | None, environment: Mapping[str, str]) -> None:
        """Take globs of secret names (None: the usual ones), and the variables around a client."""
        globs = SECRET_NAMES if secret_files is None else secret_files
        self._rules: IgnoreRules = IgnoreRules(secrets=globs)
        self._values: tuple[str, ...] = tuple(dict.fromkeys(_credentials(environment)))

    def is_secret(self, path: str) -> bool:
        """Whether the file at ``path`` is secret by its name."""
        return self._rules.secret_by_name(path.rstrip("/").rpartition("/")[2])

    def hushed(self, value: Json) -> Json:
        """Return ``value`` without the credentials around the client."""
        return scrubbed(value, self._values)

    def said(self, text: str) -> str:
        """Return ``text`` without the credentials around this process."""
        found = self.hushed(text)
        return found if isinstance(found, str) else text

    def digested(self, value: Json) -> Json:
        """Return what is recorded in the place of what belongs to a secret file."""
        return {"secret": f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"}


def hush_of(addresses: Sequence[Address], environment: Mapping[str, str]) -> Callable[[str], str]:
    """Return what takes the passwords of ``addresses``, and credentials in ``environment``, out of a text."""
    hush = Hush(None, environment)

    def said(text: str) -> str:
        for address in addresses:
            text = without_secrets(text, address)
        return hush.said(text)

    return said


def _credentials(environment: Mapping[str, str]) -> Iterable[str]:
    for name, value in environment.items():
        if name.upper().endswith(CREDENTIAL_ENDS) and len(value) >= CREDENTIAL_CHARACTERS_MIN:
            yield value
