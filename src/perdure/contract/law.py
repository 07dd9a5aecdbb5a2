"""A contract made ready for one agent: everything that can be checked or compiled ahead, is.

Invariants:
- A law exists only if nothing is wrong with its contract; all that is wrong is told at once.
- It holds no figures and no clock: the same law judges the same call the same way for ever.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import jsonschema_rs

from perdure.contract.audit import audit, purses_of
from perdure.contract.budgets import Purse
from perdure.contract.clauses import Clause, Consent, amount_of, clauses_of, consents_of, covers
from perdure.contract.conditions import Condition
from perdure.contract.fields import Field, fields_of
from perdure.contract.gates import Bound, Deed, Gate, bounds_of, gates_of
from perdure.contract.judgement import Refusal
from perdure.contract.problems import Findings, Problem, told, well_formed
from perdure.contract.rules import Contract, ToolRules, contract_digest
from perdure.contract.schemas import BadSchema, validator_of
from perdure.contract.vocabulary import Scene, Vocabulary, blank, only, vocabulary_of
from perdure.intention.declaration import (
    Declaration,
    Definition,
    Divergence,
    definition_bytes,
    read_definition,
)
from perdure.values.digest import Json
from perdure.values.errors import BadContract


class ToolLaw(NamedTuple):
    """All that the contract says of one tool."""

    declaration: Declaration
    shut: Refusal | None
    """why it may not be used at all"""
    own: jsonschema_rs.Validator
    extra: jsonschema_rs.Validator | None
    gates: tuple[Gate, ...]
    usage: str
    """'pay takes invoice, note (may be left out)'"""
    words: Vocabulary
    """what its conditions look at"""
    blank: Scene | None
    """the scene of a call if there are no conditions"""
    clauses: tuple[Clause, ...]
    consents: tuple[Consent, ...]
    amount: Condition | int | None
    purses: tuple[Purse, ...]
    repeat: int | None
    divergence: Divergence


class Mask(NamedTuple):
    """A redaction made ready."""

    pattern: re.Pattern[str]
    shown: str


class Law:
    """A definition under a contract, compiled. Make one with ``compile_law`` and keep it."""

    __slots__: tuple[str, ...] = ("contract", "definition", "digest", "masks", "names", "purses", "tools")

    def __init__(
        self,
        definition: Definition,
        contract: Contract,
        tools: Mapping[str, ToolLaw],
        purses: tuple[Purse, ...],
        masks: tuple[Mask, ...],
    ) -> None:
        """Hold what ``compile_law`` made ready."""
        self.definition: Definition = definition
        self.contract: Contract = contract
        self.digest: str = contract_digest(contract)
        self.tools: Mapping[str, ToolLaw] = tools
        self.names: tuple[str, ...] = tuple(tools)
        self.purses: tuple[Purse, ...] = purses
        self.masks: tuple[Mask, ...] = masks


def compile_law(definition: Definition, contract: Contract) -> Law:
    """Return ``contract`` made ready for the agent; raise ``BadContract`` with all that is wrong.

    Both are taken in their stored form: whoever replays the log reads them from there, and a refusal
    that lists a schema's fields must list them in the same order.
    """
    formed = well_formed(contract)
    if isinstance(formed, Problem):
        raise BadContract(told([formed]))
    findings = Findings(formed)
    law = _law(read_definition(definition_bytes(definition)), formed, findings)
    problems = findings.sorted()
    if problems:
        raise BadContract(told(problems))
    return law


def problems_of(contract: Contract, definition: Definition | None) -> list[Problem]:
    """Return all that is wrong with ``contract``; without a definition, all but what tools decide."""
    formed = well_formed(contract)
    if isinstance(formed, Problem):
        return [formed]
    findings = Findings(formed)
    if definition is not None:
        _ = _law(definition, formed, findings)
        return findings.sorted()
    audit(contract, None, findings)
    _ = (
        bounds_of(contract.reach, "reach", findings),
        purses_of(contract, findings),
        _masks(contract, findings),
    )
    for name, rules in contract.tools.items():
        _ = bounds_of(rules.reach, f"tools/{name}/reach", findings)
        _ = _schema(rules.arguments, f"tools/{name}/arguments", findings)
        _ = amount_of(contract, vocabulary_of(name, None, ()), findings)
    _spoken_to_nobody(contract, (), findings)
    return findings.sorted()


def _law(definition: Definition, contract: Contract, findings: Findings) -> Law:
    audit(contract, definition, findings)
    common = bounds_of(contract.reach, "reach", findings)
    purses = purses_of(contract, findings)
    names = tuple(tool.name for tool in definition.tools)
    tools = {
        tool.name: _tool_law(tool, contract, common, purses, names, findings) for tool in definition.tools
    }
    _spoken_to_nobody(contract, names, findings)
    return Law(definition, contract, tools, purses, _masks(contract, findings))


def _tool_law(
    declaration: Declaration,
    contract: Contract,
    common: Mapping[Deed, Bound],
    purses: tuple[Purse, ...],
    names: tuple[str, ...],
    findings: Findings,
) -> ToolLaw:
    name = declaration.name
    rules = contract.tools.get(name, ToolRules())
    fields = fields_of(declaration.schema)
    words = vocabulary_of(name, fields, names)
    covered = frozenset(number for number, rule in enumerate(contract.rules) if covers(rule.tools, name))
    asked = frozenset(number for number, rule in enumerate(contract.approvals) if covers(rule.tools, name))
    clauses = clauses_of(contract, words, covered, findings)
    consents = consents_of(contract, words, asked, findings)
    amount = amount_of(contract, words, findings)
    parts = (
        *(part for clause in clauses for part in clause),
        *(consent.when for consent in consents),
        amount,
    )
    programs = [part for part in parts if isinstance(part, Condition)]
    return ToolLaw(
        declaration,
        shut=_shut(contract, name),
        own=_schema(declaration.schema, "", findings, tool=name),
        extra=_schema(rules.arguments, f"tools/{name}/arguments", findings) if rules.arguments else None,
        gates=gates_of(declaration, rules, common, findings),
        usage=_usage(name, fields),
        words=only(words, (name for program in programs for name in program.names)),
        blank=None if programs else blank(words),
        clauses=clauses,
        consents=consents,
        amount=amount,
        purses=tuple(purse for purse in purses if covers(purse.budget.tools, name)),
        repeat=contract.repeat if rules.repeat is None else rules.repeat,
        divergence=rules.on_divergence or declaration.on_divergence,
    )


def _usage(tool: str, fields: tuple[Field, ...] | None) -> str:
    outer = [field for field in fields or () if len(field.path) == 1]
    said = [field.path[0] + ("" if field.sure else " (may be left out)") for field in outer]
    return f"{tool} takes {', '.join(said)}" if said else ""


def _spoken_to_nobody(contract: Contract, names: tuple[str, ...], findings: Findings) -> None:
    """Check the spelling of conditions that cover no tool of this agent."""
    words = vocabulary_of("", None, names)
    rules = frozenset(
        n for n, rule in enumerate(contract.rules) if not any(covers(rule.tools, t) for t in names)
    )
    asked = frozenset(
        n for n, rule in enumerate(contract.approvals) if not any(covers(rule.tools, t) for t in names)
    )
    _ = clauses_of(contract, words, rules, findings), consents_of(contract, words, asked, findings)


def _shut(contract: Contract, tool: str) -> Refusal | None:
    if covers(contract.deny, tool):
        return Refusal(
            "deny", f"the contract denies {tool}", "reach the goal without it, or say that you can't"
        )
    if contract.allow is not None and not covers(contract.allow, tool):
        listed = ", ".join(contract.allow[:12]) or "none"
        return Refusal("allow", f"the contract does not allow {tool}", f"what it allows: {listed}")
    return None


def _schema(
    schema: Mapping[str, Json], pointer: str, findings: Findings, *, tool: str = ""
) -> jsonschema_rs.Validator:
    try:
        return validator_of(schema)
    except BadSchema as error:
        whose = f"the schema of the tool {tool}" if tool else "this"
        findings.add(
            pointer, f"{whose} is no JSON Schema: {error}", "correct the tool" if tool else "correct it"
        )
        return validator_of({})


def _masks(contract: Contract, findings: Findings) -> tuple[Mask, ...]:
    masks: list[Mask] = []
    for number, redaction in enumerate(contract.redact):
        pointer = f"redact/{number}/pattern"
        try:
            pattern = re.compile(redaction.pattern)
        except re.error as error:
            findings.add(pointer, f"the pattern can't be read: {error}", "mend it (Python's re syntax)")
            continue
        if pattern.search(""):
            findings.add(
                pointer, "the pattern matches nothing at all, and so everywhere", "make it match something"
            )
        masks.append(Mask(pattern, f"[redacted:{redaction.name}]" if redaction.name else "[redacted]"))
    return tuple(masks)
