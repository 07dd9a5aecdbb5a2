"""Ports are narrow: at most one ``port.py`` in a room, at most six methods in a protocol."""

import ast
from collections import Counter

from tests.tidy.tree import File, classes, source

METHODS_MAX = 6


def rooms_with_two_ports(files: list[File]) -> list[str]:
    """Return rooms that have more than one ``port.py``."""
    count = Counter(file.room for file in files if file.name.endswith("/port.py"))
    return [f"{room} has {ports} ports" for room, ports in count.items() if ports > 1]


def wide_protocols(files: list[File]) -> list[str]:
    """Return a port's protocols that ask too much of whoever implements them.

    Elsewhere a protocol may describe what we use of a foreign library, whose width is not ours to choose.
    """
    found: list[str] = []
    for file in files:
        if not file.name.endswith("/port.py"):
            continue
        for node in classes(file):
            if not any("Protocol" in ast.unparse(base) for base in node.bases):
                continue
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
            if len(methods) > METHODS_MAX:
                found.append(f"{file.name}:{node.lineno} {node.name} has {len(methods)} methods")
    return found


def test_a_room_has_at_most_one_port():
    assert rooms_with_two_ports(source()) == []


def test_a_protocol_has_at_most_six_methods():
    assert wide_protocols(source()) == []


def test_a_second_port_in_a_room_is_caught():
    broken = [File("src/perdure/log/port.py", ""), File("src/perdure/log/inner/port.py", "")]
    assert rooms_with_two_ports(broken) == ["log has 2 ports"]


def test_a_protocol_of_seven_methods_is_caught_and_one_of_six_is_not():
    def protocol(methods: int) -> File:
        body = "".join(f"    def m{number}(self): ...\n" for number in range(methods))
        return File("src/perdure/log/port.py", f"class Store(Protocol[T]):\n{body}")

    assert wide_protocols([protocol(7)]) == ["src/perdure/log/port.py:1 Store has 7 methods"]
    assert wide_protocols([protocol(6)]) == []
