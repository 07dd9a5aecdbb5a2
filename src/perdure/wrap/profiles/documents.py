"""Settings files as clients write them: JSON with comments, TOML, YAML; read once, never written."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import BadSettings
from perdure.values.limits import CLIENT_SETTINGS_BYTES_MAX

Table = dict[str, Json]

_PIECE: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])', re.DOTALL
)


def table_in(path: Path) -> Table:
    """Return the settings in ``path``; none where there is no such file. Raises ``BadSettings``."""
    try:
        with path.open("rb") as file:
            text = file.read(CLIENT_SETTINGS_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BadSettings(f"{path} can't be read: {error.strerror}") from error
    if len(text) > CLIENT_SETTINGS_BYTES_MAX:
        raise BadSettings(f"{path} has more than {CLIENT_SETTINGS_BYTES_MAX} bytes")
    return _decoded(text, path.suffix.lower(), str(path))


def table_of(given: str, directory: Path, origin: str) -> Table:
    """Return the settings that an option or a variable gives: as text, or as the path of a file."""
    if given.lstrip().startswith("{"):
        return _decoded(given.encode(), ".json", origin)
    path = directory / Path(given).expanduser()
    if not path.exists():
        raise BadSettings(f"{origin} names {given}, which isn't there")
    return table_in(path)


def overrides_of(pairs: Sequence[str]) -> Table:
    """Return what ``key=value`` pairs say, later ones over earlier ones; a value that is no TOML is a text."""
    found: Table = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            continue
        try:
            told = msgspec.toml.decode(f"v = {value}".encode(), type=dict[str, Json])["v"]
        except msgspec.DecodeError:
            told = value.strip().strip("\"'")
        found = merged(found, nested([part.strip() for part in key.strip().split(".")], told))
    return found


def nested(keys: Sequence[str], value: Json) -> Table:
    """Return a table in which ``keys`` lead to ``value``."""
    for key in reversed(keys):
        value = {key: value}
    return cast("Table", value)


def at(table: Json, keys: Sequence[str]) -> Json:
    """Return what ``keys`` lead to; None where they lead nowhere."""
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            return None
        table = table[key]
    return table


def merged(below: Mapping[str, Json], above: Mapping[str, Json]) -> Table:
    """Return both tables as one: ``above`` decides, tables are merged, lists are joined."""
    made: Table = dict(below)
    for key, value in above.items():
        under = made.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            made[key] = merged(under, value)
        elif isinstance(under, list) and isinstance(value, list):
            made[key] = [*under, *value]
        else:
            made[key] = value
    return made


def without(table: Mapping[str, Json], keys: Sequence[str]) -> Table:
    """Return ``table`` without what ``keys`` lead to."""
    made: Table = dict(table)
    first, rest = keys[0], keys[1:]
    if not rest:
        made.pop(first, None)
        return made
    inner = made.get(first)
    if isinstance(inner, dict):
        made[first] = without(inner, rest)
    return made


def as_toml(value: Json) -> str:
    """Return ``value`` as it stands in one line of TOML."""
    match value:
        case dict():
            return "{" + ", ".join(f"{_text(key)} = {as_toml(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case str():
            return _text(value)
        case _:
            return msgspec.json.encode(value).decode()


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def _decoded(text: bytes, kind: str, origin: str) -> Table:
    if not text.strip():
        return {}
    try:
        if kind == ".toml":
            return msgspec.toml.decode(text, type=Table)
        if kind in {".yml", ".yaml"}:
            return msgspec.yaml.decode(text, type=Table | None) or {}
        return msgspec.json.decode(_plain(text), type=Table)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise BadSettings(f"{origin} can't be read: {error}") from error


def _plain(text: bytes) -> bytes:
    """Return JSON without comments, and without commas that nothing follows."""

    def kept(piece: re.Match[bytes]) -> bytes:
        return piece[0] if piece[0].startswith(b'"') else b" "

    text = text.removeprefix(b"\xef\xbb\xbf")
    return _PIECE.sub(kept, text)


def texts(value: Json) -> Iterator[str]:
    """Yield the texts of a list, or of a text alone."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each
