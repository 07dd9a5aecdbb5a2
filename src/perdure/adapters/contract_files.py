"""Contracts from files: YAML (or JSON) with the line of every key, and Python.

YAML is composed to nodes and never constructed, so a file can't make objects; plain words mean what
YAML 1.2 says: only ``true`` and ``false`` are truth values, ``yes`` and ``12:30`` are text.
"""

import ast
import re
import runpy
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import msgspec
import yaml

from perdure.contract import (
    ApprovalRule,
    Budget,
    Contract,
    Problem,
    Reach,
    Redaction,
    Rule,
    ToolRules,
    problems_of,
)
from perdure.contract.problems import told
from perdure.contract.reading import Leaf, Mapped, Node, Pair, Reading, Row, read_tree
from perdure.intention.declaration import Definition
from perdure.values.errors import BadContract

FILE_BYTES_MAX: Final = 1024 * 1024
"""A contract is read by people; more is not one."""

NODES_MAX: Final = 100_000
"""Nodes after aliases are followed: a few lines of aliases can stand for billions."""

DEPTH_MAX: Final = 40
"""Nodes within nodes: far beyond any JSON Schema, and what stops an alias that holds itself."""

_FIELDS: Final = {
    kind.__name__: kind.__struct_fields__
    for kind in (Contract, ToolRules, Reach, Rule, ApprovalRule, Budget, Redaction)
}
_PREFIX: Final = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9][0-9_]{0,99}")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*)?\.?[0-9]+(?:[eE][-+]?[0-9]+)?")


def load_contract(path: Path | str) -> Contract:
    """Return the contract in a ``.yaml``, ``.yml``, ``.json`` or ``.py`` file.

    Raises ``BadContract`` with all that is wrong, as far as can be said without the agent's tools.
    """
    reading = _read(Path(path))
    found = _with(reading, None)
    if found:
        raise BadContract(told(found))
    return reading.contract


def problems(path: Path | str, definition: Definition | None) -> list[Problem]:
    """Return all that is wrong with the contract in a file, for the agent of that definition."""
    return _with(_read(Path(path)), definition)


def _with(reading: Reading, definition: Definition | None) -> list[Problem]:
    found = [*reading.problems, *problems_of(reading.contract, definition)]
    return sorted(dict.fromkeys(found), key=lambda problem: problem.line)


def _read(path: Path) -> Reading:
    """Return what could be read of a file, and what could not."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return _unreadable(path, 0, f"the contract can't be opened: {error.strerror}", "check the path")
    if len(content) > FILE_BYTES_MAX:
        return _unreadable(
            path, 0, "the file is larger than any contract", f"keep it under {FILE_BYTES_MAX} bytes"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return _unreadable(path, line, "the file is not UTF-8", "save it as UTF-8")
    match path.suffix:
        case ".yaml" | ".yml" | ".json":
            return _read_yaml(path, text)
        case ".py":
            return _read_python(path, text)
        case other:
            return _unreadable(
                path, 0, f"{other or 'no suffix'} is no kind of contract", "use .yaml, .yml, .json or .py"
            )


def _unreadable(path: Path, line: int, text: str, cure: str) -> Reading:
    return Reading(Contract(file=str(path)), [Problem(str(path), line, text, cure)])


# --- YAML -------------------------------------------------------------------------------------------


def _read_yaml(path: Path, text: str) -> Reading:
    try:
        root = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        return _unreadable(path, mark.line + 1 if mark else 0, f"it is not YAML: {what}", "mend the line")
    except yaml.YAMLError as error:
        return _unreadable(path, 0, f"it is not YAML: {' '.join(str(error).split())}", "mend the file")
    except RecursionError:
        return _unreadable(path, 0, "it is nested too deeply", "a contract has few levels")
    if root is None:
        return _unreadable(path, 1, "the contract is empty", "write {} to allow every declared tool")
    tree = _Tree(str(path))
    node = tree.node(root, 0)
    if tree.endless:
        text = "it is nested too deeply, or repeats itself through aliases"
        return _unreadable(path, tree.endless, text, "write it out")
    reading = read_tree(node, str(path))
    return Reading(reading.contract, [*tree.problems, *reading.problems])


class _Tree:
    """Turns YAML's nodes into ours; what YAML has and JSON doesn't is a problem."""

    def __init__(self, file: str) -> None:
        self.file: str = file
        self.problems: list[Problem] = []
        self.left: int = NODES_MAX
        self.endless: int = 0
        """line at which it turned out to be too deep or too large"""

    def node(self, found: yaml.Node, depth: int) -> Node:
        line = found.start_mark.line + 1
        self.left -= 1
        if depth > DEPTH_MAX or self.left < 0:
            self.endless = self.endless or line
            self.left = 0
            return Leaf(None, line)
        if found.tag.startswith("!"):
            self._add(line, f"the tag {found.tag} means nothing here", "leave it out")
        match found:
            case yaml.SequenceNode():
                items = cast("list[yaml.Node]", found.value)
                return Row(tuple(self.node(item, depth + 1) for item in items), line)
            case yaml.MappingNode():
                return Mapped(tuple(self._entries(found, depth)), line)
            case _:
                return self._leaf(found, line)

    def _entries(self, found: yaml.MappingNode, depth: int) -> Iterator[Pair]:
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", found.value):
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                yield Pair(cast("str", key.value), line, self.node(value, depth + 1))
            else:
                self._add(line, "a key must be text", "write a plain word before the colon")

    def _leaf(self, found: yaml.Node, line: int) -> Leaf:
        text = cast("str", found.value)
        match found.tag.removeprefix(_PREFIX):
            case "null":
                return Leaf(None, line)
            case "bool" if text.lower() in {"true", "false"}:
                return Leaf(text.lower() == "true", line)
            case "int" if _INT.fullmatch(text):
                return Leaf(int(text.replace("_", "")), line)
            case "float" | "int" if _FLOAT.fullmatch(text):
                return Leaf(float(text.replace("_", "")), line)
            case _:
                return Leaf(text, line)

    def _add(self, line: int, text: str, cure: str) -> None:
        self.problems.append(Problem(self.file, line, text, cure))


# --- Python -----------------------------------------------------------------------------------------


def _read_python(path: Path, text: str) -> Reading:
    try:
        lines = _lines(ast.parse(text))
        found = runpy.run_path(str(path)).get("contract")
    except SyntaxError as error:
        return _unreadable(path, error.lineno or 0, f"it is not Python: {error.msg}", "mend the line")
    except Exception as error:  # noqa: BLE001 - the file is somebody's program; anything may go wrong in it
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = (frames[-1].lineno or 0) if frames else 0
        return _unreadable(path, line, f"it stopped: {type(error).__name__}: {error}", "mend the line")
    if not isinstance(found, Contract):
        cure = "write contract = Contract(...), with Contract from perdure"
        return _unreadable(path, 0, "it has no contract", cure)
    return Reading(msgspec.structs.replace(found, file=str(path), lines=lines), [])


def _lines(module: ast.Module) -> dict[str, int]:
    """Return the line of each part of ``contract = Contract(...)``, as far as it is written out."""
    named = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    }
    root = named.get("contract")
    return dict(_places(root, "", named, 0)) if root is not None else {}


def _places(
    node: ast.expr, pointer: str, named: dict[str, ast.expr], depth: int
) -> Iterator[tuple[str, int]]:
    yield pointer, node.lineno
    if depth > DEPTH_MAX:
        return
    parts: list[tuple[str, ast.expr]] = []
    match node:
        case ast.Name(id=name) if name in named:
            yield from _places(named[name], pointer, named, depth + 1)
        case ast.Call(keywords=keywords, args=given, func=ast.Name(id=name) | ast.Attribute(attr=name)):
            fields = _FIELDS.get(name, ())
            parts = [(field, value) for field, value in zip(fields, given, strict=False)]
            parts += [(keyword.arg, keyword.value) for keyword in keywords if keyword.arg is not None]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            parts = [(str(number), item) for number, item in enumerate(items)]
        case ast.Dict(keys=keys, values=values):
            parts = [
                (key.value, value)
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
        case _:
            pass
    for name, part in parts:
        yield from _places(part, f"{pointer}/{name}" if pointer else name, named, depth + 1)
