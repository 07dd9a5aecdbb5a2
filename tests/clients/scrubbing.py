"""Other projects' words become filler of the same length: what is stored of a run is its shape, and our own words.

Invariants:
- Byte for byte the same JSON but for the letters inside of strings: spaces, order, escapes of what stays, lengths.
- Equal lines become equal filler, so what extended what still does.
- Kept are names, ids, numbers, marks, results of our own commands, and what our scripted model said.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from perdure.testing.upstream.ledgers import WORDS

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
THROW_AWAY = re.compile(rb"/perdure-clients-[A-Za-z0-9_]{8}\b")
LINE = re.compile(r"((?<!\\)(?:\\\\)*)\\n")
OWN = re.compile(
    r"Work through the ledgers|Go on with the ledgers|Step \d+ is done|Now for step \d+|^row \d{4} |p-[a-z2-9]{10}"
)
FACT = re.compile(r"^x-anthropic-billing-header:|^</?[\w-]+>$")
# Under these keys stand words of a closed vocabulary, names, and what is sealed.
PLAIN = frozenset(
    [
        "type",
        "role",
        "id",
        "call_id",
        "tool_use_id",
        "tool_call_id",
        "name",
        "model",
        "signature",
        "encrypted_content",
        "status",
        "ttl",
        "effort",
        "verbosity",
        "display",
        "tool_choice",
        "include",
        "prompt_cache_key",
        "format",
        "$schema",
        "required",
        "namespace",
        "data",
    ]
)

# Settings of a request, not words to a model.
SETTINGS = frozenset(
    [
        "metadata",
        "client_metadata",
        "tool_choice",
        "stop",
        "include",
        "reasoning",
        "text",
        "thinking",
        "context_management",
        "output_config",
    ]
)


class Leaf(NamedTuple):
    """A string of a JSON text: where it stands, and the keys that lead to it."""

    start: int
    end: int
    path: tuple[str, ...]


def leaves(body: bytes) -> Iterator[Leaf]:
    """Yield the strings of ``body`` that are values; the path names keys, and places in lists as ``#n``."""
    stack: list[list[str | int | bool]] = []
    for found in TOKEN.finditer(body):
        token = found[0]
        top = stack[-1] if stack else None
        if token in (b"{", b"["):
            stack.append(["", 0, token == b"{"])
        elif token in (b"}", b"]"):
            stack.pop()
        elif token == b":" and top is not None:
            top[1] = 1
        elif token == b"," and top is not None:
            top[1] = 0 if top[2] else int(top[1]) + 1
        elif token[:1] == b'"':
            if top is not None and top[2] and not top[1]:
                top[0] = token[1:-1].decode()
                continue
            path = tuple(str(each[0]) if each[2] else f"#{each[1]}" for each in stack)
            yield Leaf(found.start() + 1, found.end() - 1, path)


def scrubbed(body: bytes) -> bytes:
    """Return ``body`` with other people's words replaced."""
    body = THROW_AWAY.sub(b"/perdure-clients-recorded", body)
    roles = _roles(body)
    pieces: list[bytes] = []
    last = 0
    for leaf in leaves(body):
        raw = body[leaf.start : leaf.end]
        pieces += [body[last : leaf.start], _said(leaf.path, raw, roles)]
        last = leaf.end
    return b"".join([*pieces, body[last:]])


def foreign(body: bytes) -> list[str]:
    """Return the lines of ``body`` that are neither filler nor ours."""
    roles = _roles(body)
    texts = [body[leaf.start : leaf.end].decode() for leaf in leaves(body) if not _stays(leaf.path, roles)]
    lines = {line for text in texts for line in _lines(text) if not _ours(line)}
    return sorted(line for line in lines if not _is_filler(line))


def _said(path: tuple[str, ...], raw: bytes, roles: dict[tuple[str, ...], str]) -> bytes:
    if _stays(path, roles):
        return raw
    return "\\n".join(line if _ours(line) else filler(line) for line in _lines(raw.decode())).encode()


def _stays(path: tuple[str, ...], roles: dict[tuple[str, ...], str]) -> bool:
    """Tell whether what stands there is no text, or is ours: our commands' results, our model's words."""
    key = next((each for each in reversed(path) if not each.startswith("#")), "")
    if key in PLAIN or path[0] in SETTINGS:
        return True
    if path[0] not in {"messages", "input"}:
        return False
    role = roles.get(path[:2], "")
    return role in {"assistant", "tool", "item"} or "tool_result" in roles.get(path[:4], "")


def _roles(body: bytes) -> dict[tuple[str, ...], str]:
    """Return who speaks in each message, and the kinds of the blocks in it."""
    roles: dict[tuple[str, ...], str] = {}
    for leaf in leaves(body):
        word = body[leaf.start : leaf.end].decode()
        if leaf.path[0] not in {"messages", "input"}:
            continue
        if leaf.path[2:] == ("role",):
            roles[leaf.path[:2]] = word
        elif leaf.path[2:] == ("type",) and word != "message":
            roles.setdefault(leaf.path[:2], "item")
        elif len(leaf.path) == 5 and leaf.path[4] == "type":
            roles[leaf.path[:4]] = word
    return roles


def _lines(text: str) -> list[str]:
    """Return the lines of a JSON string as it is spelled: parted at escaped line feeds alone."""
    lines: list[str] = []
    last = 0
    for found in LINE.finditer(text):
        lines.append(text[last : found.end() - 2])
        last = found.end()
    return [*lines, text[last:]]


def _ours(line: str) -> bool:
    return len(line) < 4 or bool(OWN.search(line)) or bool(FACT.search(line))


def _is_filler(line: str) -> bool:
    *words, last = line.split(" ")
    return set(words) <= set(WORDS) and any(word.startswith(last) for word in WORDS)


def filler(line: str) -> str:
    """Return words as long as ``line`` is in bytes, the same for the same line."""
    size = len(line.encode())
    drawn = hashlib.sha256(line.encode()).digest()
    words: list[str] = []
    length = number = 0
    while length < size:
        # Few turns of phrase, so that they pack well.
        words.append(WORDS[(drawn[number % 4] + number * drawn[4]) % len(WORDS)])
        length += len(words[-1]) + (number > 0)
        number += 1
    return " ".join(words)[:size]
