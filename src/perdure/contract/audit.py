"""What can be wrong with a contract besides its conditions: names, numbers, and rules that bind nothing.

A rule that binds nothing is a problem and not a nicety: whoever wrote it believes that it protects.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from perdure.contract.budgets import Purse, span_of
from perdure.contract.clauses import covers
from perdure.contract.complaints import nearest
from perdure.contract.gates import KEYS, Deed
from perdure.contract.problems import Findings
from perdure.contract.rules import Budget, Contract
from perdure.intention.declaration import Definition
from perdure.values.digest import Json

_NAME = re.compile(r"[^\s:](?:[^:]*[^\s:])?")
_GLOB_SIGNS: Final = frozenset("*?[")
DURATIONS: Final = "write a number and a unit: 90s, 15m, 12h or 7d"


def audit(contract: Contract, definition: Definition | None, findings: Findings) -> None:
    """Add all of it to ``findings``; what depends on the agent's tools only where they are known."""
    _names(contract, findings)
    _numbers(contract, findings)
    if definition is not None:
        tools = tuple(tool.name for tool in definition.tools)
        for pointer, name in _named_tools(contract):
            if name not in tools and not _GLOB_SIGNS.intersection(name):
                findings.add(
                    pointer, f"the agent has no tool {name!r}", nearest(name, tools, otherwise="it has")
                )
        _idle(contract, definition, findings)
        for tool in definition.tools:
            _foreign_arguments(contract, tool.name, tool.schema, findings)


def purses_of(contract: Contract, findings: Findings) -> tuple[Purse, ...]:
    """Return the budgets made ready."""
    purses: list[Purse] = []
    for number, budget in enumerate(contract.budgets):
        pointer = f"budgets/{number}"
        span = span_of(budget.every)
        if span is None:
            cure = "write minute, hour, day, week, never, or a duration: 90s, 15m, 12h, 7d"
            findings.add(f"{pointer}/every", f"{budget.every!r} is no window of time", cure)
        if budget.max < 0:
            findings.add(f"{pointer}/max", "a budget can't be negative", "write 0 to allow nothing")
        for key, why, cure in _misfits(budget):
            findings.add(f"{pointer}/{key}", why, cure)
        purses.append(Purse(budget, span or 0))
    return tuple(purses)


def _misfits(budget: Budget) -> Iterator[tuple[str, str, str]]:
    if budget.of in {"turns", "seconds"} and (budget.per != "run" or budget.every != "never"):
        yield "of", f"{budget.of} are counted for a run as a whole", "use per: run, and leave out every"
    if budget.of not in {"calls", "spend"} and budget.tools != ("*",):
        yield "tools", f"{budget.of} are used by the model, not by a tool", "leave out tools"


def _names(contract: Contract, findings: Findings) -> None:
    for part, entries in (
        ("rules", contract.rules),
        ("approvals", contract.approvals),
        ("budgets", contract.budgets),
    ):
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            pointer = f"{part}/{number}/name"
            if not (_NAME.fullmatch(entry.name) and entry.name.isprintable()):
                cure = "use a few words on one line without ':', which parts the names of counters"
                findings.add(pointer, f"{entry.name!r} is not a name", cure)
            if entry.name in seen:
                findings.add(pointer, f"{entry.name!r} is named twice in {part}", "give each its own name")
            seen.add(entry.name)


def _numbers(contract: Contract, findings: Findings) -> None:
    limits = [
        ("repeat", contract.repeat),
        *((f"tools/{name}/repeat", rules.repeat) for name, rules in contract.tools.items()),
    ]
    for pointer, limit in limits:
        if limit is not None and limit < 1:
            findings.add(
                pointer, f"{limit} equal calls in a row would forbid the tool", "write 1 or more, or use deny"
            )
    for name, rules in contract.tools.items():
        if isinstance(rules.amount, int) and rules.amount < 0:
            findings.add(f"tools/{name}/amount", "an amount can't be negative", "write 0 or more")
    for number, approval in enumerate(contract.approvals):
        if not span_of(approval.expires):
            findings.add(f"approvals/{number}/expires", f"{approval.expires!r} is no duration", DURATIONS)
    for number, rule in enumerate(contract.rules):
        if rule.when == "true" and rule.require == "false":
            text = f"rule {rule.name!r} has no condition and would refuse everything it covers"
            findings.add(f"rules/{number}", text, "add when or require, or name the tools under deny")


def _named_tools(contract: Contract) -> Iterator[tuple[str, str]]:
    lists = [("allow", contract.allow or ()), ("deny", contract.deny)]
    lists += [(f"rules/{number}/tools", rule.tools) for number, rule in enumerate(contract.rules)]
    lists += [(f"approvals/{number}/tools", rule.tools) for number, rule in enumerate(contract.approvals)]
    lists += [(f"budgets/{number}/tools", budget.tools) for number, budget in enumerate(contract.budgets)]
    for pointer, names in lists:
        for number, name in enumerate(names):
            yield f"{pointer}/{number}", name
    for name in contract.tools:
        yield f"tools/{name}", name


def _idle(contract: Contract, definition: Definition, findings: Findings) -> None:
    rules = contract.tools.values()
    tools = definition.tools
    bounds: tuple[tuple[Deed, tuple[str, ...] | None, bool], ...] = (
        ("read", contract.reach.read, any(each.reads for each in (*rules, *tools))),
        ("write", contract.reach.write, any(each.writes for each in (*rules, *tools))),
        ("hosts", contract.reach.hosts, any(each.connects for each in (*rules, *tools))),
    )
    for deed, globs, named in bounds:
        if globs is not None and not named and not any(deed in tool.keeps for tool in tools):
            cure = f"name the arguments it judges: tools.<name>.{KEYS[deed]}"
            findings.add(f"reach/{deed}", f"reach.{deed} binds nothing: no argument is named", cure)
    priced = [
        tool.name for tool in tools if (each := contract.tools.get(tool.name)) and each.amount is not None
    ]
    for number, budget in enumerate(contract.budgets):
        if budget.of == "spend" and not any(covers(budget.tools, name) for name in priced):
            text = f"budget {budget.name!r} counts nothing: no tool that it covers has an amount"
            findings.add(f"budgets/{number}", text, "add tools.<name>.amount")


def _foreign_arguments(contract: Contract, tool: str, schema: Mapping[str, Json], findings: Findings) -> None:
    known = schema.get("properties")
    rules = contract.tools.get(tool)
    if rules is None or not isinstance(known, dict) or not known:
        return
    more = rules.arguments.get("properties")
    for name in more if isinstance(more, dict) else ():
        if name not in known:
            cure = nearest(name, tuple(known), otherwise="its arguments are")
            findings.add(
                f"tools/{tool}/arguments/properties/{name}", f"{tool} has no argument {name!r}", cure
            )
