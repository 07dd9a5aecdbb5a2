"""The conditions of a contract, compiled for one tool: rules, approvals and the amount it spends."""

from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple

from perdure.contract.budgets import span_of
from perdure.contract.conditions import Condition, program_of
from perdure.contract.problems import Findings
from perdure.contract.rules import ApprovalRule, Contract, Rule
from perdure.contract.vocabulary import Vocabulary

SOURCE_SHOWN_MAX: Final = 60
"""Characters of a condition that a problem quotes; enough to find it, short enough for a line."""


class Clause(NamedTuple):
    """A rule for one tool. ``when`` None always holds, ``require`` None never does."""

    rule: Rule
    when: Condition | None
    require: Condition | None


class Consent(NamedTuple):
    """An approval rule for one tool."""

    rule: ApprovalRule
    when: Condition | None
    expires_ns: int


def covers(names: tuple[str, ...], tool: str) -> bool:
    """Tell whether a list of tool names and globs covers ``tool``."""
    return any(name == tool or fnmatchcase(tool, name) for name in names)


def clauses_of(
    contract: Contract, words: Vocabulary, chosen: frozenset[int], findings: Findings
) -> tuple[Clause, ...]:
    """Return the rules with these numbers, compiled for the tool of ``words``."""
    clauses: list[Clause] = []
    for number, rule in enumerate(contract.rules):
        if number in chosen:
            pointer = f"rules/{number}"
            when = _program(f"{pointer}/when", rule.when, words, findings)
            require = _program(f"{pointer}/require", rule.require, words, findings, guards=rule.when)
            clauses.append(Clause(rule, when, require))
    return tuple(clauses)


def consents_of(
    contract: Contract, words: Vocabulary, chosen: frozenset[int], findings: Findings
) -> tuple[Consent, ...]:
    """Return the approval rules with these numbers, compiled for the tool of ``words``."""
    return tuple(
        Consent(
            rule, _program(f"approvals/{number}/when", rule.when, words, findings), span_of(rule.expires) or 0
        )
        for number, rule in enumerate(contract.approvals)
        if number in chosen
    )


def amount_of(contract: Contract, words: Vocabulary, findings: Findings) -> Condition | int | None:
    """Return what a call of the tool spends; None if the contract doesn't say."""
    rules = contract.tools.get(words.tool)
    match rules.amount if rules else None:
        case str() as source:
            return _program(f"tools/{words.tool}/amount", source, words, findings, wanted="int")
        case amount:
            return amount


def _program(
    pointer: str,
    source: str,
    words: Vocabulary,
    findings: Findings,
    *,
    wanted: Literal["bool", "int"] = "bool",
    guards: str = "",
) -> Condition | None:
    if source in {"true", "false"} and wanted == "bool":
        return None
    compiled = program_of(source, words, wanted=wanted, guards=guards)
    if isinstance(compiled, Condition):
        return compiled
    quoted = source if len(source) <= SOURCE_SHOWN_MAX else f"{source[: SOURCE_SHOWN_MAX - 1]}…"
    for complaint in compiled:
        findings.add(pointer, f"in `{' '.join(quoted.split())}`: {complaint.text}", complaint.cure)
    return None
