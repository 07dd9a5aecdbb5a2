"""Conditions and amounts in CEL: checked against a tool's arguments once, evaluated for every call.

Invariants:
- An expression that reads a name that isn't there, or compares what can't be compared, never gets
  as far as a call: it is a complaint when the contract is loaded.
- What can still go wrong at run time (a missing map entry, a division by zero, an overflow, CEL's
  bound on loops) gives ``Undecided``, which the judge takes for a refusal.
"""

import re
from typing import Final, Literal, NamedTuple

from cel_expr_python.cel import Expression, Type

from perdure.contract.complaints import Complaint, found_in, plain, refused_by_cel
from perdure.contract.spelling import names_in, respelled
from perdure.contract.vocabulary import Scene, Vocabulary

CONDITION_CHARACTERS_MAX: Final = 4000
"""A page and a half; CEL's own parser goes deep on longer ones, and nobody can review them."""

_MISSING = re.compile(r'No value with name "([^"]+)"')


class Undecided(NamedTuple):
    """The expression has no value here."""

    why: str


class Condition(NamedTuple):
    """A checked expression, and the names that it looks at."""

    source: str
    expression: Expression
    names: tuple[str, ...]


def program_of(
    source: str, words: Vocabulary, *, wanted: Literal["bool", "int"], guards: str = ""
) -> Condition | list[Complaint]:
    """Return the compiled ``source``, or all that is wrong with it.

    ``guards`` is another condition that is known to hold whenever this one is asked.
    """
    if len(source) > CONDITION_CHARACTERS_MAX:
        cure = f"keep it under {CONDITION_CHARACTERS_MAX} characters: make two rules of it"
        return [Complaint("it is too long to be reviewed", cure)]
    try:
        expression = words.env.compile(respelled(source, {field.name for field in words.fields or ()}))
    except RuntimeError as error:
        return list(refused_by_cel(str(error), words))
    complaints = found_in(source, guards, expression.return_type().name(), wanted, words)
    names = tuple(dict.fromkeys(name.value for name in names_in(source)))
    return complaints or Condition(source, expression, names)


def value_of(program: Condition, scene: Scene) -> bool | int | Undecided:
    """Return the expression's value in ``scene``."""
    try:
        found = program.expression.eval(scene.activation)
        value: object = found.plain_value()
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        return Undecided(f"it stopped at a value that CEL can't read or bear ({plain(str(error))})")
    if isinstance(value, bool | int):
        return value
    if found.type() != Type.ERROR:
        return Undecided(f"it is {found.type().name().lower()}")
    missing = _MISSING.search(str(value))
    return Undecided(f"{missing[1]} is missing" if missing else plain(str(value)))
