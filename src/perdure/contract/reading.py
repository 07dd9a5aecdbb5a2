"""A contract from a tree of nodes: what a file says, read against the form of ``Contract`` itself.

Whoever read the file hands in its tree with line numbers; here it becomes rules, or problems. All
problems are told: a part that can't be read is left out, and reading goes on behind it.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import inspect as form

from perdure.contract.complaints import nearest
from perdure.contract.problems import Problem
from perdure.contract.rules import Contract
from perdure.values.digest import Json

VALUE_CHARACTERS_MAX: Final = 60
"""Of a wrong value that a problem quotes."""

_UNWRITTEN = {"file", "lines"}
"""fields that say where a contract was written; nobody writes them"""


class Leaf(NamedTuple):
    """A plain value."""

    value: bool | int | float | str | None
    line: int


class Row(NamedTuple):
    """A list."""

    items: "tuple[Node, ...]"
    line: int


class Pair(NamedTuple):
    """A key and what stands under it."""

    key: str
    line: int
    node: "Node"


class Mapped(NamedTuple):
    """A mapping; a key that is written twice is here twice."""

    entries: tuple[Pair, ...]
    line: int


Node = Leaf | Row | Mapped


class Reading(NamedTuple):
    """What could be read, and what could not."""

    contract: Contract
    problems: list[Problem]


def read_tree(root: Node, file: str) -> Reading:
    """Return the contract of a file's tree, with the line of each of its parts."""
    reader = _Reader(file)
    value = reader.read(root, form.type_info(Contract), "")
    contract = msgspec.convert({} if value is _NONE else value, Contract)
    return Reading(msgspec.structs.replace(contract, file=file, lines=reader.lines), reader.problems)


class _Unreadable(NamedTuple):
    """Stands for what was left out; None is a value."""


_NONE: Final = _Unreadable()


class _Reader:
    """Reads nodes against the form of a struct, noting lines and problems on the way."""

    def __init__(self, file: str) -> None:
        self.file: str = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}

    def read(self, node: Node, wanted: form.Type, pointer: str) -> "Json | _Unreadable":
        """Return the node's value in plain JSON, or ``_NONE`` with the problem noted."""
        self.lines[pointer] = node.line
        match wanted, node:
            case form.UnionType(types=types), _:
                return self._one_of(node, types, pointer)
            case form.StructType(), Mapped():
                return self._struct(node, wanted, pointer)
            case form.VarTupleType(item_type=item), Row():
                return self._list(node, item, pointer)
            case form.DictType(value_type=item), Mapped():
                return self._keyed(node, item, pointer)
            case form.AnyType(), _:
                return self._any(node, pointer)
            case _, Leaf() if _fits(node, wanted):
                return node.value
            case _:
                return self._unfit(node, (wanted,), pointer)

    def _one_of(self, node: Node, types: Sequence[form.Type], pointer: str) -> "Json | _Unreadable":
        for wanted in types:
            match wanted, node:
                case (form.VarTupleType(), Row()) | (form.StructType() | form.DictType(), Mapped()):
                    return self.read(node, wanted, pointer)
                case _, Leaf() if _fits(node, wanted):
                    return node.value
                case _:
                    pass
        return self._unfit(node, types, pointer)

    def _struct(self, sheet: Mapped, wanted: form.StructType, pointer: str) -> "Json | _Unreadable":
        fields = {field.encode_name: field for field in wanted.fields if field.name not in _UNWRITTEN}
        read: dict[str, Json] = {}
        written: set[str] = set()
        for entry in self._once(sheet):
            written.add(entry.key)
            field = fields.get(entry.key)
            if field is None:
                whose = f"{_last(pointer)} has no key" if pointer else "a contract has no key"
                cure = nearest(entry.key, tuple(fields), otherwise="its keys are")
                self._add(entry.line, f"{whose} {entry.key!r}", cure)
                continue
            self._keep(read, entry, field.type, pointer)
        missing = [name for name, field in fields.items() if field.required and name not in written]
        if missing:
            text = f"{_last(pointer)} has no {' and no '.join(repr(name) for name in missing)}"
            self._add(sheet.line, text, "add it" if len(missing) == 1 else "add them")
        return _NONE if any(field.required and name not in read for name, field in fields.items()) else read

    def _keyed(self, sheet: Mapped, item: form.Type, pointer: str) -> "Json | _Unreadable":
        read: dict[str, Json] = {}
        for entry in self._once(sheet):
            self._keep(read, entry, item, pointer)
        return read

    def _keep(self, read: dict[str, Json], entry: Pair, wanted: form.Type, pointer: str) -> None:
        place = f"{pointer}/{entry.key}" if pointer else entry.key
        value = self.read(entry.node, wanted, place)
        if not isinstance(value, _Unreadable):
            self.lines[place] = entry.line
            read[entry.key] = value

    def _list(self, row: Row, item: form.Type, pointer: str) -> "Json | _Unreadable":
        read: list[Json] = []
        for node in row.items:
            place = f"{pointer}/{len(read)}"
            value = self.read(node, item, place)
            if isinstance(value, _Unreadable):
                self.lines = {known: line for known, line in self.lines.items() if not _within(known, place)}
            else:
                read.append(value)
        return read

    def _any(self, node: Node, pointer: str) -> "Json | _Unreadable":
        match node:
            case Leaf(value=value):
                return value
            case Row(items=items):
                return self._list(node, form.AnyType(), pointer) if items else []
            case Mapped():
                return self._keyed(node, form.AnyType(), pointer)

    def _once(self, sheet: Mapped) -> Iterator[Pair]:
        seen: dict[str, int] = {}
        for entry in sheet.entries:
            if entry.key in seen:
                text = f"the key {entry.key!r} is written twice, first on line {seen[entry.key]}"
                self._add(entry.line, text, "keep one of the two")
            else:
                seen[entry.key] = entry.line
                yield entry

    def _unfit(self, node: Node, wanted: Sequence[form.Type], pointer: str) -> _Unreadable:
        words = " or ".join(_spoken(kind) for kind in wanted if not isinstance(kind, form.NoneType))
        self._add(node.line, f"{_last(pointer)} must be {words}, not {_seen(node)}", _cure(node, wanted))
        return _NONE

    def _add(self, line: int, text: str, cure: str) -> None:
        self.problems.append(Problem(self.file, line, text, cure))


def _fits(leaf: Leaf, wanted: form.Type) -> bool:
    value = leaf.value
    match wanted:
        case form.StrType():
            return isinstance(value, str)
        case form.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62
        case form.LiteralType(values=values):
            return isinstance(value, str) and value in values
        case form.NoneType():
            return value is None
        case _:
            return False


def _spoken(wanted: form.Type) -> str:
    match wanted:
        case form.StrType():
            return "text"
        case form.IntType():
            return "a whole number (below 2^62)"
        case form.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case form.VarTupleType():
            return "a list"
        case _:
            return "a mapping"


def _seen(node: Node) -> str:
    match node:
        case Leaf(value=None):
            return "nothing"
        case Leaf(value=str() as text):
            return f"the text {text[:VALUE_CHARACTERS_MAX]!r}"
        case Leaf(value=value):
            return str(value).lower() if isinstance(value, bool) else str(value)
        case Row():
            return "a list"
        case Mapped():
            return "a mapping"


def _cure(node: Node, wanted: Sequence[form.Type]) -> str:
    match wanted[0], node:
        case form.StrType(), Leaf(value=bool() | int() | float() as value):
            return f'put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
        case form.VarTupleType(item_type=form.StrType()), Leaf(value=str() as text):
            return f"write it as a list: [{text}]"
        case form.VarTupleType(), _:
            return "begin each item with a dash"
        case form.LiteralType(values=values), Leaf(value=str() as text):
            return nearest(text, tuple(str(value) for value in values), otherwise="choose")
        case _, Leaf(value=None):
            return "give it a value, or leave out the key"
        case form.IntType(), _:
            return "write digits without quotes or a point"
        case ((form.StructType() | form.DictType()), _):
            return "write keys and values below it, indented"
        case _:
            return "write it as text"


def _last(pointer: str) -> str:
    """Return what to call the part: its key, or 'rules[0]' for an item of a list."""
    head, _, last = pointer.rpartition("/")
    return f"{head.rpartition('/')[2]}[{last}]" if last.isdigit() else last or "the contract"


def _within(known: str, place: str) -> bool:
    return known == place or known.startswith(f"{place}/")
