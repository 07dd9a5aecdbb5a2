"""Conditions and amounts in CEL: checked against a tool's arguments once, evaluated for every call.

Invariants:
- An expression that reads a name that isn't there, or compares what can't be compared, never gets
  as far as a call: it is a complaint when the contract is loaded.
- What can still go wrong at run time (a missing map entry, a division by zero, an overflow, a bound
  on loops) gives ``Undecided``, which the judge takes for a refusal.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple

from cel_expr_python.cel import Env, Expression, NewEnv, Type

from perdure.contract.fields import Field, types_of
from perdure.contract.judgement import Figures, Where
from perdure.contract.spelling import Name, names_in, patterns_in, respelled

CONDITION_CHARACTERS_MAX: Final = 4000
"""A page and a half; CEL's own parser goes deep on longer ones, and nobody can review them."""

COMPLAINTS_MAX: Final = 3
"""Complaints told of one expression: after the third, CEL mostly complains about the first."""

STATE: Final[Mapping[str, Type]] = {
    "state.spent": Type.INT,
    "state.turns": Type.INT,
    "state.calls": Type.Map(Type.STRING, Type.INT),
    "state.tokens": Type.INT,
    "state.cost_microusd": Type.INT,
    "state.elapsed_s": Type.INT,
    "state.tenant": Type.STRING,
}

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\(?(.*?)\)?'")
_MISSING = re.compile(r'No value with name "([^"]+)"')


class Complaint(NamedTuple):
    """What is wrong with one expression, and what to write instead."""

    text: str
    cure: str


class Undecided(NamedTuple):
    """The expression has no value here."""

    why: str


class Program(NamedTuple):
    """A checked expression, and the names that it looks at."""

    source: str
    expression: Expression
    names: tuple[str, ...]


class Vocabulary(NamedTuple):
    """The names that an expression about one tool may use."""

    tool: str
    """empty where the expression is not about a known tool"""
    fields: tuple[Field, ...] | None
    tools: tuple[str, ...]
    env: Env


def vocabulary_of(tool: str, fields: tuple[Field, ...] | None, tools: tuple[str, ...]) -> Vocabulary:
    """Return what conditions on ``tool`` may name; ``tools`` are all that the agent has."""
    return Vocabulary(tool, fields, tools, NewEnv(variables={**types_of(fields), **STATE}))


def program_of(source: str, words: Vocabulary, *, wanted: str, guards: str = "") -> Program | list[Complaint]:
    """Return the compiled ``source``, whose value must be a ``wanted`` ('bool' or 'int').

    ``guards`` is another condition that is known to hold whenever this one is asked.
    """
    if len(source) > CONDITION_CHARACTERS_MAX:
        cure = f"keep it under {CONDITION_CHARACTERS_MAX} characters: make two rules of it"
        return [Complaint("the condition is too long to be reviewed", cure)]
    known = {".".join(("args", *field.path)) for field in words.fields or ()}
    try:
        expression = words.env.compile(respelled(source, known))
    except RuntimeError as error:
        return list(_told(str(error), words))
    names = names_in(source)
    found = [
        *_wrong_type(expression.return_type().name(), wanted),
        *_unguarded(names, names_in(guards), words),
        *_unknown_calls(names, words),
        *_bad_patterns(source, words),
    ]
    return found or Program(source, expression, tuple(dict.fromkeys(_looked_at(name) for name in names)))


def value_of(program: Program, values: Mapping[str, object]) -> object:
    """Return the expression's value, or ``Undecided``."""
    try:
        found = program.expression.eval(data=values)
        value: object = found.plain_value()
        failed = found.type() == Type.ERROR
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        return Undecided(str(error))
    if failed:
        missing = _MISSING.search(str(value))
        return Undecided(f"{missing[1]} is missing" if missing else _plain(str(value)))
    return value


def state_of(figures: Figures, where: Where, tools: tuple[str, ...]) -> dict[str, object]:
    """Return what ``state.*`` is now."""
    calls = figures.calls
    return {
        "state.spent": figures.spent,
        "state.turns": figures.turns,
        "state.calls": {tool: calls.get(tool, 0) for tool in tools},
        "state.tokens": figures.tokens,
        "state.cost_microusd": figures.cost_microusd,
        "state.elapsed_s": figures.elapsed_ns // 1_000_000_000,
        "state.tenant": where.tenant,
    }


def nearest(word: str, known: tuple[str, ...], *, otherwise: str) -> str:
    """Return 'did you mean ...?' for a word that isn't known, or ``otherwise`` with what is."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{otherwise}: {', '.join(sorted(known)[:12])}" if known else otherwise


def _told(error: str, words: Vocabulary) -> Iterator[Complaint]:
    found = list(_ERROR.finditer(error))
    for complaint in found[:COMPLAINTS_MAX]:
        line, column, message = complaint[1], complaint[2], complaint[3]
        at = f"column {column}" if line == "1" else f"line {line}, column {column}"
        undeclared = _UNDECLARED.search(message)
        overload = _OVERLOAD.search(message)
        if undeclared:
            yield _undeclared(undeclared[1], words, at)
        elif overload:
            yield _overload(overload[1], overload[2], at)
        else:
            text = (
                message.split(" expecting {")[0].removeprefix("Syntax error: ").replace("'<EOF>'", "the end")
            )
            cure = "mend the expression: https://cel.dev has the language on one page"
            yield Complaint(f"the condition can't be read: {text} ({at})", cure)
    if not found:
        yield Complaint(f"the condition can't be read: {_plain(error)}", "mend the expression")


def _undeclared(name: str, words: Vocabulary, at: str) -> Complaint:
    root, _, rest = name.partition(".")
    if root == "args" and words.fields is not None:
        fields = tuple(".".join(field.path) for field in words.fields if field.kind is not None)
        if not rest:
            return Complaint(
                f"args can't be used as a whole ({at})", "name a field: args." + (fields or ("x",))[0]
            )
        inner = tuple(field for field in fields if field.startswith(f"{rest}."))
        if inner:
            return Complaint(
                f"args.{rest} can't be used as a whole ({at})", f"name a field of it: args.{inner[0]}"
            )
        cure = nearest(rest, fields, otherwise="its arguments are")
        return Complaint(f"{words.tool} has no argument {rest!r} ({at})", cure)
    if root == "state":
        names = tuple(known.removeprefix("state.") for known in STATE)
        return Complaint(f"state has no {rest!r} ({at})", nearest(rest, names, otherwise="it has"))
    return Complaint(f"nothing is called {name!r} ({at})", "a condition sees args.* and state.*")


def _overload(operator: str, types: str, at: str) -> Complaint:
    kinds = {kind.strip() for kind in types.split(",")}
    sign = operator.strip("_").replace("_", " ") or operator
    text = f"{sign!r} does not take {types.replace(', ', ' and ')} ({at})"
    if kinds == {"double", "int"}:
        return Complaint(text, "the schema says 'number', so write 5.0 instead of 5, or make it an 'integer'")
    if kinds == {"string", "int"}:
        return Complaint(
            text, "compare text with text and numbers with numbers; int(args.x) reads a number from text"
        )
    return Complaint(text, "use values of one type on both sides")


def _wrong_type(found: str, wanted: str) -> Iterator[Complaint]:
    kind = found.lower()
    if kind in {wanted, "dyn"}:
        return
    if wanted == "bool":
        yield Complaint(f"a condition must be true or false, and this is {kind}", "compare it with something")
    elif kind == "double":
        cure = "count in the smallest whole unit: int(args.amount * 100.0 + 0.5)"
        yield Complaint("an amount must be a whole number, and this is double", cure)
    else:
        yield Complaint(f"an amount must be a whole number, and this is {kind}", "name an integer argument")


def _unguarded(names: list[Name], guards: list[Name], words: Vocabulary) -> Iterator[Complaint]:
    unsure = {
        ".".join(field.path) for field in words.fields or () if not field.sure and field.kind is not None
    }
    guarded = {_looked_at(name) for name in (*names, *guards) if name.asked is not None}
    seen = dict.fromkeys(_looked_at(name) for name in names if name.asked is None)
    for name in seen:
        path = next(
            (path for path in unsure if name == f"args.{path}" or name.startswith(f"args.{path}.")), None
        )
        if path is not None and f"args.{path}" not in guarded:
            cure = f"say what holds without it: has(args.{path}) && ..., or !has(args.{path}) || ..."
            yield Complaint(f"args.{path} may be absent from a call of {words.tool}", cure)


def _unknown_calls(names: list[Name], words: Vocabulary) -> Iterator[Complaint]:
    for name in names:
        if not words.tools or name.parts[:2] != ("state", "calls"):
            continue
        tool = name.literal.strip("'\"") if name.literal else "".join(name.parts[2:3])
        if tool and not (name.called and len(name.parts) == 3) and tool not in words.tools:
            cure = nearest(tool, words.tools, otherwise="the tools are")
            yield Complaint(f"state.calls counts no tool {tool!r}", cure)


def _bad_patterns(source: str, words: Vocabulary) -> Iterator[Complaint]:
    for literal in patterns_in(source):
        found = words.env.compile(f"''.matches({literal})").eval()
        if found.type() == Type.ERROR:
            why = _plain(str(found.plain_value())).removeprefix("invalid regular expression: ")
            yield Complaint(f"the pattern {literal} can't be read: {why}", "mend it (RE2 syntax)")


def _looked_at(name: Name) -> str:
    return ".".join(name.parts[:-1] if name.called else name.parts)


def _plain(error: str) -> str:
    """Return CEL's sentence without its status codes."""
    return re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", error.strip())
