"""What of a workspace is left out of its tree, and what is recorded by digest only.

A rule is a line in gitignore's syntax; the first names are ours, those of ``.perdureignore`` in the root come
after them and win. A line may say how what it leaves out comes back: ``node_modules/ -> recreate: npm ci``.
Nothing is left out but by a rule, and the tree names the rule where it did.
"""

import fnmatch
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from pathspec import GitIgnoreSpec

from perdure.checkpoint.tree import CACHE_RULE
from perdure.values.errors import BadInput
from perdure.values.limits import RULES_BYTES_MAX

RULES_FILE: Final = ".perdureignore"

CACHES: Final = ("__pycache__/", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/")
"""Left out by default: their tools make them anew from the files beside them, at the next use, unasked.
Everything else is recorded, also what could be built or installed again: nobody has said how."""

SECRET_NAMES: Final = (
    *(".env", ".env.*", ".netrc", "_netrc", ".pypirc", ".pgpass", ".git-credentials", ".htpasswd"),
    *(
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ecdsa_sk",
        "id_ed25519",
        "id_ed25519_sk",
        "*.p12",
        "*.pfx",
        "*.kdbx",
    ),
)
"""Files of these names are secret, whatever they hold."""

NO_SECRET_NAMES: Final = (".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults")
"""Patterns for people to copy: public on purpose."""

SECRET_CONTENTS: Final = {
    "*.pem": (b"PRIVATE KEY",),
    "*.key": (b"PRIVATE KEY",),
    ".npmrc": (b"_authToken", b"_password", b"_auth"),
}
"""Files of these names are secret if they hold one of these; certificates and settings are not."""

SECRET_LOOK_BYTES: Final = 1024 * 1024
"""How much of such a file is looked at: keys and settings are a few kilobytes."""

OTHER_FILE_SYSTEM: Final = b"another file system is mounted here"
STORE_BELOW: Final = b"a store of perdure"
TOO_DEEP: Final = b"too many directories deep"

_RECREATE = re.compile(r"\s->\s*recreate:\s*(?P<command>\S.*)$")
_REMEMBERED: Final = 1 << 16


class IgnoreRules:
    """The rules in force for one workspace."""

    def __init__(self, text: str = "", secrets: Sequence[str] = SECRET_NAMES) -> None:
        """Hold the defaults, the lines of ``text`` after them, and globs of secret names.

        Raises ``BadInput`` naming the line that is no rule.
        """
        lines = text.splitlines()
        self.text: str = text
        self._rules: tuple[bytes, ...] = (
            *(CACHE_RULE + b" " + line.encode() for line in CACHES),
            *(line.strip().encode("utf-8", "surrogateescape") for line in lines),
        )
        patterns = [*CACHES, *(_RECREATE.sub("", line).rstrip() for line in lines)]
        self._spec: GitIgnoreSpec = _spec(patterns)
        # Only a pattern with a slash inside looks at more than the last name.
        self._by_name: bool = not any("/" in pattern.rstrip("/") for pattern in patterns)
        self._named: Callable[[str], bytes | None] = lru_cache(_REMEMBERED)(self._matched)
        self._secret: re.Pattern[str] = _globs(secrets)

    def left_out(self, folder: str, name: str, *, is_folder: bool) -> bytes | None:
        """Return the rule by which ``name`` in ``folder`` is left out of the tree, or None."""
        last = f"{name}/" if is_folder else name
        if self._by_name:
            return self._named(last)
        return self._matched(f"{folder}/{last}" if folder else last)

    def secret_by_name(self, name: str) -> bool:
        """Whether a file of that name is secret, whatever it holds."""
        return bool(self._secret.match(name)) and name not in NO_SECRET_NAMES

    def secret_by_content(self, name: str) -> tuple[bytes, ...]:
        """Return what a file of that name may not hold without being secret."""
        for glob, words in SECRET_CONTENTS.items():
            if fnmatch.fnmatchcase(name, glob):
                return words
        return ()

    def _matched(self, path: str) -> bytes | None:
        found = self._spec.check_file(path)
        return self._rules[found.index] if found.include and found.index is not None else None


def recreate(rule: bytes) -> str | None:
    """Return the command by which what ``rule`` leaves out comes back, if it says so."""
    found = _RECREATE.search(rule.decode("utf-8", "replace"))
    return found["command"] if found else None


def rules_from(stored: bytes, secrets: Sequence[str]) -> IgnoreRules:
    """Return the rules in the bytes of a ``.perdureignore``. Raises ``BadInput``."""
    if len(stored) > RULES_BYTES_MAX:
        raise BadInput(f"{RULES_FILE}: more than {RULES_BYTES_MAX} bytes", hint="a rule can name a directory")
    return IgnoreRules(stored.decode("utf-8", "surrogateescape"), secrets)


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise BadInput(f"{RULES_FILE}: {error}", hint="rules have gitignore's syntax") from error


def _globs(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs) or r"(?!)")
