"""What is wrong with one expression, in the words of whoever wrote it, and what to write instead."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final, NamedTuple

from cel_expr_python.cel import Type

from perdure.contract.spelling import Name, names_in, patterns_in
from perdure.contract.vocabulary import STATE, Vocabulary

COMPLAINTS_MAX: Final = 3
"""Complaints told of one expression: after the third, CEL mostly complains about the first."""

NAMES_SHOWN_MAX: Final = 12
"""Names listed when none is close to what was written."""

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\(?(.*?)\)?'")


class Complaint(NamedTuple):
    """One thing to mend."""

    text: str
    cure: str


def nearest(word: str, known: tuple[str, ...], *, otherwise: str) -> str:
    """Return 'did you mean ...?' for a word that isn't known, or ``otherwise`` with what is."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{otherwise}: {', '.join(sorted(known)[:NAMES_SHOWN_MAX])}" if known else f"{otherwise}: none"


def plain(error: str) -> str:
    """Return CEL's sentence without its status codes."""
    return re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", error.strip())


def refused_by_cel(error: str, words: Vocabulary) -> Iterator[Complaint]:
    """Yield what CEL said when it would not compile an expression."""
    found = list(_ERROR.finditer(error))[:COMPLAINTS_MAX]
    for one in found:
        message = one[3]
        at = f"column {one[2]}" if one[1] == "1" else f"line {one[1]}, column {one[2]}"
        if undeclared := _UNDECLARED.search(message):
            yield _undeclared(undeclared[1], words, at)
        elif overload := _OVERLOAD.search(message):
            yield _overload(overload[1], overload[2], at)
        else:
            text = (
                message.split(" expecting {")[0].removeprefix("Syntax error: ").replace("'<EOF>'", "the end")
            )
            yield Complaint(f"it can't be read: {text} ({at})", "mend the expression (CEL, see cel.dev)")
    if not found:
        yield Complaint(f"it can't be read: {plain(error)}", "mend the expression (CEL, see cel.dev)")


def found_in(source: str, guards: str, kind: str, wanted: str, words: Vocabulary) -> list[Complaint]:
    """Return what is wrong with an expression that compiles, and is of type ``kind``."""
    names = names_in(source)
    return [
        *_wrong_type(kind.lower(), wanted),
        *_unguarded(names, names_in(guards), words),
        *_unknown_calls(names, words),
        *_bad_patterns(source, words),
    ]


def _undeclared(name: str, words: Vocabulary, at: str) -> Complaint:
    root, _, rest = name.partition(".")
    if root == "args" and words.fields is not None:
        fields = tuple(field.name for field in words.fields if field.kind is not None)
        inner = [field for field in fields if field.startswith(f"{name}.")]
        if inner:
            return Complaint(f"{name} can't be used as a whole ({at})", f"name a field of it: {inner[0]}")
        known = tuple(field.removeprefix("args.") for field in fields)
        return Complaint(
            f"{words.tool} has no argument {rest!r} ({at})",
            nearest(rest, known, otherwise="its arguments are"),
        )
    if root == "state":
        known = tuple(field.removeprefix("state.") for field in STATE)
        return Complaint(f"state has no {rest!r} ({at})", nearest(rest, known, otherwise="it has"))
    return Complaint(f"nothing is called {name!r} ({at})", "a condition sees args.* and state.*")


def _overload(operator: str, types: str, at: str) -> Complaint:
    kinds = {kind.strip() for kind in types.split(",")}
    sign = operator.strip("_").replace("_", " ")
    text = f"{sign!r} does not take {types.replace(', ', ' and ')} ({at})"
    if kinds == {"double", "int"}:
        return Complaint(text, "the schema says 'number': write 5.0 for 5, or make it an 'integer'")
    if kinds == {"string", "int"}:
        return Complaint(text, "compare text with text, or read the number with int(...)")
    return Complaint(text, "use values of one type on both sides")


def _wrong_type(kind: str, wanted: str) -> Iterator[Complaint]:
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
    unsure = [field.name for field in words.fields or () if not field.sure and field.kind is not None]
    guarded = {name.value for name in (*names, *guards) if name.asked is not None}
    for spelled in dict.fromkeys(name.value for name in names if name.asked is None):
        field = next((field for field in unsure if f"{spelled}.".startswith(f"{field}.")), None)
        if field is not None and field not in guarded:
            cure = f"say what holds without it: has({field}) && ..., or !has({field}) || ..."
            yield Complaint(f"{field} may be absent from a call of {words.tool}", cure)


def _unknown_calls(names: list[Name], words: Vocabulary) -> Iterator[Complaint]:
    for name in names:
        parts = name.value.split(".")
        if not words.tools or parts[:2] != ["state", "calls"]:
            continue
        tool = name.literal.strip("'\"") if name.literal else "".join(parts[2:3])
        if tool and tool not in words.tools:
            cure = nearest(tool, words.tools, otherwise="the tools are")
            yield Complaint(f"state.calls counts no tool {tool!r}", cure)


def _bad_patterns(source: str, words: Vocabulary) -> Iterator[Complaint]:
    for literal in patterns_in(source):
        found = words.env.compile(f"''.matches({literal})").eval()
        if found.type() == Type.ERROR:
            why = plain(str(found.plain_value())).removeprefix("invalid regular expression: ")
            yield Complaint(f"the pattern {literal} can't be read: {why}", "mend it (RE2 syntax)")
