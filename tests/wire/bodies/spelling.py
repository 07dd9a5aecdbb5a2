"""JSON as clients really spell it: blanks anywhere, names in any order, letters escaped or not."""

from random import Random

from hypothesis import strategies as st

from perdure.values.digest import Json

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\t": "\\t",
    "/": "\\/",
    "\r": "\\r",
    "\b": "\\b",
    "\f": "\\f",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "a", '"', "\\", '\\"', '"}', '",', "]}", "é", "\U0001f600", "text", "content", "null", "{}", "[1,2]"]
)
scalars: st.SearchStrategy[Json] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
names = texts | st.sampled_from(
    ["role", "content", "type", "text", "tools", "messages", "input", "id", "call_id", "output", "name"]
)
values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
randoms = st.integers(0, 2**32).map(Random)
"""Hypothesis' own draw for each letter, which takes minutes and shrinks no better."""


def spelled(value: Json, random: Random, *, shuffled: bool = False) -> bytes:
    """Return one of the many spellings of ``value``."""
    return (_blank(random) + _spelled(value, random, shuffled) + _blank(random)).encode()


def _spelled(value: Json, random: Random, shuffled: bool) -> str:
    match value:
        case dict():
            pairs = list(value.items())
            if shuffled:
                random.shuffle(pairs)
            inner = [
                f"{_text(name, random)}{_blank(random)}:{_blank(random)}{_spelled(part, random, shuffled)}"
                for name, part in pairs
            ]
            return _listed("{}", inner, random)
        case list():
            return _listed("[]", [_spelled(part, random, shuffled) for part in value], random)
        case str():
            return _text(value, random)
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case _:
            return repr(value)


def _listed(brackets: str, inner: list[str], random: Random) -> str:
    parts = f"{_blank(random)},{_blank(random)}".join(inner)
    return f"{brackets[0]}{_blank(random)}{parts}{_blank(random)}{brackets[1]}"


def _text(text: str, random: Random) -> str:
    return '"' + "".join(_letter(letter, random) for letter in text) + '"'


def _letter(letter: str, random: Random) -> str:
    if letter < " " or letter in '"\\' or random.random() < 0.1:
        if letter in _ESCAPES and random.random() < 0.7:
            return _ESCAPES[letter]
        units = letter.encode("utf-16-be")
        return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
    return letter


def _blank(random: Random) -> str:
    return random.choice(["", "", "", " ", "\n", "\t ", "\r\n"])
