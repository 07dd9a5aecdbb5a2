"""Reach, applied: which arguments name paths and hosts, and whether those may be touched."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from perdure.contract.fields import declared
from perdure.contract.hosts import HostGlob, host_glob_of, place_of, reachable
from perdure.contract.judgement import Refusal
from perdure.contract.paths import BadGlob, Glob, Unclear, glob_of, let_through, resolved
from perdure.contract.problems import Findings
from perdure.contract.rules import Reach, ToolRules
from perdure.intention.declaration import Bounded, Declaration
from perdure.values.digest import Json

Deed = Bounded
KEYS: Final[Mapping[Deed, str]] = {"read": "reads", "write": "writes", "hosts": "connects"}
"""the key of a tool's rules that names the arguments which a reach judges"""

_WORDS: Final[Mapping[Deed, str]] = {"read": "read", "write": "written", "hosts": "connected to"}


class Bound(NamedTuple):
    """The lines of one reach, compiled: for paths or for hosts."""

    texts: tuple[str, ...]
    paths: tuple[Glob, ...]
    hosts: tuple[HostGlob, ...]


class Gate(NamedTuple):
    """One argument and the bounds it must keep; all of them must let it through."""

    deed: Deed
    argument: str
    path: tuple[str, ...]
    bounds: tuple[Bound, ...]
    default: Json


def bounds_of(reach: Reach, pointer: str, findings: Findings) -> dict[Deed, Bound]:
    """Return the compiled lines of ``reach``; a line that can't be read is added to ``findings``."""
    said: tuple[tuple[Deed, tuple[str, ...] | None], ...] = (
        ("read", reach.read),
        ("write", reach.write),
        ("hosts", reach.hosts),
    )
    bounds: dict[Deed, Bound] = {}
    for deed, texts in said:
        if texts is None:
            continue
        paths: list[Glob] = []
        hosts: list[HostGlob] = []
        for number, text in enumerate(texts):
            try:
                if deed == "hosts":
                    hosts.append(host_glob_of(text))
                else:
                    paths.append(glob_of(text))
            except BadGlob as error:
                why, _, cure = str(error).partition("; ")
                findings.add(f"{pointer}/{deed}/{number}", f"{text!r} can't be used: {why}", cure)
        bounds[deed] = Bound(texts, tuple(paths), tuple(hosts))
    return bounds


def gates_of(
    declaration: Declaration, rules: ToolRules, common: Mapping[Deed, Bound], findings: Findings
) -> tuple[Gate, ...]:
    """Return what stands before a tool's arguments; ``common`` are the contract's own bounds.

    Which arguments are paths and hosts, the contract says; where it doesn't, the tool's declaration.
    """
    pointer = f"tools/{declaration.name}"
    own = bounds_of(rules.reach, f"{pointer}/reach", findings)
    gates: list[Gate] = []
    said: tuple[tuple[Deed, tuple[str, ...], tuple[str, ...]], ...] = (
        ("read", rules.reads, declaration.reads),
        ("write", rules.writes, declaration.writes),
        ("hosts", rules.connects, declaration.connects),
    )
    for deed, named, declares in said:
        bounds = tuple(bounds[deed] for bounds in (common, own) if deed in bounds)
        arguments = named or (declares if bounds else ())
        place = f"{pointer}/{KEYS[deed]}"
        if arguments and not bounds:
            text = f"nothing says what may be {_WORDS[deed]}"
            findings.add(place, text, f"add reach.{deed} to the contract")
        if deed in own and not arguments and deed not in declaration.keeps:
            text = f"it binds nothing: no argument of {declaration.name} is named"
            findings.add(f"{pointer}/reach/{deed}", text, f"name its arguments with {KEYS[deed]}")
        for number, argument in enumerate(arguments):
            path = tuple(argument.split("."))
            found = declared(declaration.schema, path)
            if found is None:
                text = f"{declaration.name} has no argument {argument!r}"
                findings.add(f"{place}/{number}", text, "name one that it takes")
            else:
                gates.append(Gate(deed, argument, path, bounds, found.get("default")))
    return tuple(gates)


def stopped(gate: Gate, arguments: dict[str, Json]) -> Refusal | None:
    """Return why the gate's argument may not be touched."""
    for value in _values(gate.path, arguments, gate.default):
        if not isinstance(value, str):
            return _refusal(gate, f"{gate.argument!r} must be text that can be judged", gate.bounds)
        why = _crossed(gate, value)
        if why is not None:
            return why
    return None


def _crossed(gate: Gate, value: str) -> Refusal | None:
    place = place_of(value) if gate.deed == "hosts" else resolved(value)
    if isinstance(place, Unclear):
        return _refusal(gate, f"{gate.argument!r} is {_quoted(value)}, which {place.why}", gate.bounds)
    for bound in gate.bounds:
        if not (let_through(bound.paths, place) if isinstance(place, str) else reachable(bound.hosts, place)):
            text = f"{gate.argument!r} is {_quoted(value)}, which may not be {_WORDS[gate.deed]}"
            return _refusal(gate, text, (bound,))
    return None


def _refusal(gate: Gate, reason: str, bounds: tuple[Bound, ...]) -> Refusal:
    texts = [text for bound in bounds for text in bound.texts]
    listed = ", ".join(texts[:12]) or "nothing"
    return Refusal(f"reach.{gate.deed}", reason, f"what may be {_WORDS[gate.deed]}: {listed}")


def _values(path: tuple[str, ...], value: Json, default: Json) -> Iterator[Json]:
    """Yield the texts at ``path``, through lists; null counts as absent, and a default stands in."""
    if isinstance(value, list):
        for item in value:
            yield from _values(path, item, default)
    elif not path:
        yield from () if value is None else (value,)
    elif isinstance(value, dict):
        found = value.get(path[0])
        if found is None and len(path) == 1:
            found = default
        yield from _values(path[1:], found, default) if found is not None else ()
    elif value is not None:
        yield value


def _quoted(value: str) -> str:
    return repr(value if len(value) <= 120 else f"{value[:119]}…")
