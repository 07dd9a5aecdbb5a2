"""What is wrong with a contract: every problem at once, each with its line and its cure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from perdure.contract.rules import Contract, contract_bytes


class Problem(NamedTuple):
    """One thing to mend. ``line`` is 0 where the contract wasn't read from lines."""

    file: str
    line: int
    text: str
    cure: str

    def told(self) -> str:
        """Return 'file:line: what; cure'."""
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.text}; {self.cure}"


class Findings:
    """The problems found so far; the same one is found once, however many tools show it."""

    def __init__(self, contract: Contract) -> None:
        """Begin with none; ``contract`` knows the lines."""
        self._contract: Contract = contract
        self._found: dict[Problem, None] = {}

    def add(self, pointer: str, text: str, cure: str) -> None:
        """Note that the part at ``pointer`` (``rules/0/require``) has to be mended."""
        contract = self._contract
        line = line_of(contract, pointer)
        spoken = text if line or not pointer else f"{_spelled(pointer)}: {text}"
        self._found.setdefault(Problem(contract.file, line, spoken, cure))

    def sorted(self) -> list[Problem]:
        """Return them in the order of the lines."""
        return sorted(self._found, key=lambda problem: problem.line)


def well_formed(contract: Contract) -> Contract | Problem:
    """Return ``contract`` as its stored form reads, or the part that has none.

    A file is read against the types; what a program builds has only promised to keep them. Judging
    what was stored, and nothing else, keeps the log's word on which rules judged.
    """
    try:
        checked = msgspec.json.decode(contract_bytes(contract), type=Contract)
    except (msgspec.ValidationError, TypeError, OverflowError) as error:
        what, _, place = str(error).partition(" - at `$.")
        pointer = re.sub(r"\[(\d+)\]", r"/\1", place.removesuffix("`")).replace(".", "/")
        findings = Findings(contract)
        findings.add(pointer, f"{what[0].lower()}{what[1:]}", "give it the type that the reference names")
        return findings.sorted()[0]
    return msgspec.structs.replace(checked, file=contract.file, lines=contract.lines)


def line_of(contract: Contract, pointer: str) -> int:
    """Return the line of the part at ``pointer``, or of what it is a part of; 0 if unknown."""
    while pointer:
        if pointer in contract.lines:
            return contract.lines[pointer]
        pointer = pointer.rpartition("/")[0]
    return contract.lines.get("", 0)


def told(problems: Iterable[Problem]) -> str:
    """Return one line for each problem."""
    return "\n".join(problem.told() for problem in problems)


def _spelled(pointer: str) -> str:
    """Return 'rules[0].require' for 'rules/0/require', as Python would write it."""
    built = ""
    for part in pointer.split("/"):
        built += f"[{part}]" if part.isdigit() else f".{part}" if built else part
    return built
