"""The judge: may this be done, now, by this run? The first refusal wins.

The order goes from what is cheapest to say and to mend: the tool, its arguments, what it touches,
the rules as they are written, repetition, money and rates, and last whether a person must agree.
"""

from typing import Final

from perdure.contract.budgets import UNBOUNDED, exhausted, spent_counter, taken
from perdure.contract.clauses import Clause
from perdure.contract.complaints import nearest
from perdure.contract.conditions import Condition, Undecided, value_of
from perdure.contract.gates import stopped
from perdure.contract.judgement import Allowed, ApprovalNeed, Figures, Refusal, Where
from perdure.contract.law import Law, ToolLaw
from perdure.contract.schemas import faults_of
from perdure.contract.vocabulary import Scene, scene_of
from perdure.intention.declaration import Declaration, Divergence
from perdure.intention.identity import digest_of
from perdure.log.events import Reservation
from perdure.values.digest import Json

VALUES_SHOWN_MAX: Final = 6
"""Values that a refusal quotes: the names of a readable condition are fewer."""

VALUE_CHARACTERS_MAX: Final = 60
"""One quoted value."""


def judge(
    law: Law, declaration: Declaration, arguments: dict[str, Json], figures: Figures, where: Where
) -> Allowed | Refusal:
    """Say whether the call may be done, what it reserves, and whether a person must allow it."""
    tool = law.tools.get(declaration.name)
    if tool is None:
        return _unknown(law, declaration.name)
    refusal = tool.shut or _misfit(tool, arguments) or _out_of_reach(tool, arguments)
    if refusal:
        return refusal
    scene = tool.blank or _scene(tool, arguments, figures, where)
    if isinstance(scene, Refusal):
        return scene
    for clause in tool.clauses:
        refusal = _broken(clause, declaration.name, scene)
        if refusal:
            return refusal
    return _repeated(tool, arguments, figures) or _priced(tool, scene, figures, where)


def check_arguments(law: Law, tool: str, arguments: dict[str, Json]) -> Refusal | None:
    """Refuse arguments that don't fit the tool's JSON Schema, or a tool that there isn't."""
    known = law.tools.get(tool)
    return _unknown(law, tool) if known is None else _misfit(known, arguments)


def judge_model(law: Law, figures: Figures, where: Where) -> Refusal | None:
    """Refuse to ask the model once its tokens, money, time or turns are used up."""
    for purse in law.purses:
        refusal = exhausted(purse, figures, where)
        if refusal:
            return refusal
    return None


def divergence(law: Law, declaration: Declaration) -> Divergence:
    """Return what to do with a call that differs from what the world remembers."""
    tool = law.tools.get(declaration.name)
    return declaration.on_divergence if tool is None else tool.divergence


def redact(law: Law, text: str) -> str:
    """Return ``text`` without what the contract says may not be shown or kept."""
    for mask in law.masks:
        text = mask.pattern.sub(lambda _, shown=mask.shown: shown, text)
    return text


def _unknown(law: Law, tool: str) -> Refusal:
    return Refusal("tool", f"there is no tool {tool!r}", nearest(tool, law.names, otherwise="there are"))


def _misfit(tool: ToolLaw, arguments: dict[str, Json]) -> Refusal | None:
    for validator in (tool.own, tool.extra):
        faults = [] if validator is None else faults_of(validator, arguments)
        if faults:
            return Refusal("arguments", "; ".join(faults), tool.usage)
    return None


def _out_of_reach(tool: ToolLaw, arguments: dict[str, Json]) -> Refusal | None:
    for gate in tool.gates:
        refusal = stopped(gate, arguments)
        if refusal:
            return refusal
    return None


def _scene(tool: ToolLaw, arguments: dict[str, Json], figures: Figures, where: Where) -> Scene | Refusal:
    try:
        return scene_of(tool.words, arguments, figures, where)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        return Refusal("arguments", f"the arguments can't be judged: {error}", "use plain values")


def _broken(clause: Clause, tool: str, scene: Scene) -> Refusal | None:
    rule = clause.rule
    name = f"rules.{rule.name}"
    applies = _holds(clause.when, scene, otherwise=rule.when == "true")
    if isinstance(applies, Undecided):
        return _undecided(name, rule.when, applies)
    if not applies:
        return None
    kept = _holds(clause.require, scene, otherwise=rule.require == "true")
    if isinstance(kept, Undecided):
        return _undecided(name, rule.require, kept)
    if kept:
        return None
    asked = clause.require or clause.when
    said = f"requires `{rule.require}`" if clause.require else f"forbids it when `{rule.when}`"
    seen = _shown(asked, scene) if asked else ""
    return Refusal(name, rule.reason or f"the rule {rule.name!r} for {tool} {said}{seen}", rule.hint)


def _holds(program: Condition | None, scene: Scene, *, otherwise: bool) -> bool | Undecided:
    if program is None:
        return otherwise
    value = value_of(program, scene)
    return value if isinstance(value, bool | Undecided) else Undecided("it is a number")


def _undecided(rule: str, source: str, undecided: Undecided) -> Refusal:
    reason = f"the contract's condition `{source}` could not be decided: {undecided.why}"
    return Refusal(rule, reason, "give the arguments it looks at, in plain values")


def _shown(program: Condition, scene: Scene) -> str:
    seen = [(name, scene.values[name]) for name in program.names if name in scene.values][:VALUES_SHOWN_MAX]
    if not seen:
        return ""
    return "; here " + ", ".join(f"{name} is {str(value)[:VALUE_CHARACTERS_MAX]!s}" for name, value in seen)


def _repeated(tool: ToolLaw, arguments: dict[str, Json], figures: Figures) -> Refusal | None:
    if tool.repeat is None:
        return None
    before = figures.repeats(tool.declaration.name, digest_of(arguments))
    if before < tool.repeat:
        return None
    reason = f"the same call of {tool.declaration.name} came {before} times in a row, and {tool.repeat} is the most"
    return Refusal(
        "repeat", reason, "it will not answer differently: use what it said, or try something else"
    )


def _priced(tool: ToolLaw, scene: Scene, figures: Figures, where: Where) -> Allowed | Refusal:
    amount = _amount(tool, scene)
    if isinstance(amount, Refusal):
        return amount
    reserved: list[Reservation] = []
    if amount is not None:
        reserved.append(Reservation(spent_counter(where), amount, UNBOUNDED, shared=True))
    claims = tool.declaration.effect != "read"
    for purse in tool.purses:
        took = taken(purse, amount or 0, figures, where, claims=claims)
        if isinstance(took, Refusal):
            return took
        reserved.extend(took)
    need = _need(tool, scene)
    return need if isinstance(need, Refusal) else Allowed(tuple(reserved), need)


def _amount(tool: ToolLaw, scene: Scene) -> int | Refusal | None:
    if not isinstance(tool.amount, Condition):
        return tool.amount
    value = value_of(tool.amount, scene)
    if isinstance(value, Undecided):
        return _undecided("amount", tool.amount.source, value)
    if isinstance(value, bool) or not 0 <= value < UNBOUNDED:
        reason = f"`{tool.amount.source}` is {value}, which can't be spent"
        return Refusal("amount", reason, "ask for an amount of 0 or more")
    return value


def _need(tool: ToolLaw, scene: Scene) -> ApprovalNeed | Refusal | None:
    """Return the first approval that the call needs; the order in the contract decides."""
    for consent in tool.consents:
        rule = consent.rule
        asked = _holds(consent.when, scene, otherwise=rule.when == "true")
        if isinstance(asked, Undecided):
            return _undecided(f"approvals.{rule.name}", rule.when, asked)
        if asked:
            seen = _shown(consent.when, scene) if consent.when else ""
            why = rule.why or f"the contract's {rule.name!r} asks for it{seen}"
            return ApprovalNeed(why, rule.who, consent.expires_ns)
    return None
