"""Handles of pages, and the words that stand where a page has left.

Invariants:
- A handle follows from the call and the digest of its result, so whoever meets the same result again finds the
  same page without a table of names. Other content, or another call, has another handle.
- Two pages never share one: where ten characters are taken by another page, the handle has more of them.
- What a stub says follows from the page alone, in printable ASCII on one line.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from perdure.log.events import Content
from perdure.projection.state import Page
from perdure.values.digest import digest
from perdure.values.errors import Broken
from perdure.values.limits import ABOUT_CHARACTERS_MAX

RECALL_NAME: Final = "perdure_recall"
"""The tool that gives pages back. Its declaration stands in ``perdure.page.recalling``."""

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Five bits each; l and o are left out, since they are read as digits."""

_SHORT: Final = 10
"""Characters of a handle: fifty bits, so that one in ten million runs of ten thousand pages needs longer ones."""

_LONG: Final = 48
"""Characters that a digest gives; two results that share all of these are the same result."""

_HANDLE: Final = re.compile(r"(?<![0-9A-Za-z_-])p-[a-km-np-z2-9]{10,48}(?![0-9A-Za-z_])")


def handle_of(call: str, digest: str, characters: int = _SHORT) -> str:
    """Return the handle of the result with this digest that answered ``call``.

    The caller sees to it that ``call`` names one call of the conversation: where a client counts its calls
    anew in each reply, its place belongs to the name.
    """
    seed = hashlib.sha256(f"{len(call)}:{call}:{digest}".encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(seed)
    return "p-" + "".join(_LETTERS[bits >> 5 * place & 31] for place in range(characters))


def handle_in(pages: Mapping[str, Page], call: str, digest: str) -> str:
    """Return the handle under which that result stands among ``pages``, or would be admitted.

    Raises ``Broken`` where two results can't be told apart, which SHA-256 rules out.
    """
    for characters in range(_SHORT, _LONG + 1):
        handle = handle_of(call, digest, characters)
        page = pages.get(handle)
        if page is None or (page.call == call and digest_of(page.content) == digest):
            return handle
    raise Broken(f"no handle tells the result of {call} from other pages")


def handles_in(text: str) -> tuple[str, ...]:
    """Return what looks like a handle in ``text``, in order, each once. Whether there is such a page, the table says."""
    return tuple(dict.fromkeys(_HANDLE.findall(text)))


def digest_of(content: Content) -> str:
    """Return the digest of the bytes that ``content`` holds or names."""
    if content.blob is not None:
        return content.blob
    return digest((content.text or "").encode("utf-8", "surrogatepass"))


def stub(page: Page) -> str:
    """Return what stands in the place of ``page`` once it has left."""
    source = " ".join(word for word in (plain(page.tool), plain(page.about)) if word) or "a result"
    lines = f", {page.lines} lines" if page.lines > 1 else ""
    return (
        f"[perdure: {source} ({page.tokens} tokens{lines}) left the window. {RECALL_NAME} with page {page.page} "
        "gives exactly these bytes; calling the tool again gives the present version.]"
    )


def plain(text: str, limit: int = ABOUT_CHARACTERS_MAX) -> str:
    """Return ``text`` on one line of printable ASCII, its middle left out where it is longer than ``limit``."""
    line = " ".join(text[: 4 * limit].split()) if len(text) <= 4 * limit else _ends(text, 4 * limit)
    line = "".join(letter if " " <= letter <= "~" else "?" for letter in " ".join(line.split()))
    return line if len(line) <= limit else _ends(line, limit)


def _ends(text: str, limit: int) -> str:
    """A path is told by its end, a command by its beginning: half of each."""
    half = (limit - 3) // 2
    return f"{text[:half]}...{text[-half:]}"
