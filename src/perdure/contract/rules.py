"""What a contract says, as plain data: the form in which it is written, stored and shown.

Invariants:
- A contract is JSON and nothing else: it stands in the log, and a stranger can read it there.
- Its digest names its rules. Where they were written (file and lines) is told to people and left
  out of the stored form, so moving a rule down a line is not another contract.
- ``Contract()`` allows every declared tool, with arguments that fit the tool's schema.
"""

from typing import Literal

import msgspec

from perdure.intention.declaration import Divergence
from perdure.values.digest import Json, digest
from perdure.values.errors import BadContract

Measure = Literal["spend", "calls", "tokens", "cost", "seconds", "turns"]
Per = Literal["run", "lineage", "tenant"]


class Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a contract; a key that we don't know is never ignored."""


class Reach(Part, frozen=True):
    """What may be touched. None sets no bound; an empty list lets nothing through."""

    read: tuple[str, ...] | None = None
    """globs of paths; ``!`` in front forbids, whatever the others allow"""
    write: tuple[str, ...] | None = None
    hosts: tuple[str, ...] | None = None
    """``api.example.com``, ``*.example.com``, ``https://host:8443``; ``!`` in front forbids"""


class ToolRules(Part, frozen=True):
    """What holds for one tool."""

    arguments: dict[str, Json] = {}
    """JSON Schema that the arguments must fit in addition to the tool's own"""
    reads: tuple[str, ...] = ()
    """arguments that are paths to be read; ``edits.path`` goes into objects and lists"""
    writes: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()
    """arguments that are URLs"""
    reach: Reach = Reach()
    """narrows the contract's reach for this tool: both must allow"""
    amount: str | int | None = None
    """what a call spends, in whole units: a number, or a CEL expression of type int"""
    repeat: int | None = None
    on_divergence: Divergence | None = None


class Rule(Part, frozen=True):
    """A condition: while ``when`` holds, ``require`` must hold."""

    name: str
    tools: tuple[str, ...] = ("*",)
    when: str = "true"
    require: str = "false"
    reason: str = ""
    hint: str = ""


class ApprovalRule(Part, frozen=True):
    """A person must allow these intentions one by one."""

    name: str
    tools: tuple[str, ...] = ("*",)
    when: str = "true"
    who: str = ""
    expires: str = "7d"
    why: str = ""


class Budget(Part, frozen=True):
    """At most ``max`` of something per run, lineage or tenant, anew with every window."""

    name: str
    of: Measure
    max: int
    per: Per = "run"
    every: str = "never"
    """'minute', 'hour', 'day', a duration such as '90s' or '15m', or 'never'"""
    tools: tuple[str, ...] = ("*",)


class Redaction(Part, frozen=True):
    """Text of this shape is replaced before it is shown or kept."""

    pattern: str
    name: str = ""


class Contract(Part, frozen=True):
    """What may happen."""

    allow: tuple[str, ...] | None = None
    """tools by name or glob; None: every declared tool"""
    deny: tuple[str, ...] = ()
    tools: dict[str, ToolRules] = {}
    reach: Reach = Reach()
    rules: tuple[Rule, ...] = ()
    approvals: tuple[ApprovalRule, ...] = ()
    budgets: tuple[Budget, ...] = ()
    repeat: int | None = None
    """equal calls in a row that are let through"""
    redact: tuple[Redaction, ...] = ()
    file: str = ""
    """where it was read from; told to people, never stored"""
    lines: dict[str, int] = {}
    """line of each part, by pointer (``rules/0/require``); told to people, never stored"""


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Contract).decode


def contract_bytes(contract: Contract) -> bytes:
    """Return the stored form: the rules, without where they were written."""
    return _encode(msgspec.structs.replace(contract, file="", lines={}))


def read_contract(stored: bytes) -> Contract:
    """Return the contract in ``stored``; a key that we don't know raises ``BadContract``."""
    try:
        return _decode(stored)
    except msgspec.DecodeError as error:
        raise BadContract(
            f"the stored contract can't be read: {error}", hint="read it with the perdure that wrote it"
        ) from error


def contract_digest(contract: Contract) -> str:
    """Return the name under which the log knows these rules."""
    return digest(contract_bytes(contract))
