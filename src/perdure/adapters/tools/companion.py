"""The functions beside a tool: probe, undo, check, poll.

They are called with the context, what they are about (a receipt, a reference), and those of the
tool's arguments that they ask for by name.
"""

from typing import NamedTuple

from perdure.adapters.tools.signature import NOTHING, Function, is_async, parameters_of
from perdure.values.errors import BadTool


class Companion(NamedTuple):
    """A function that goes with a tool."""

    function: Function
    is_async: bool
    accepts: frozenset[str] | None
    """arguments of the tool that it wants; None: all"""

    def __call__(self, *about: object, **arguments: object) -> object:
        """Call it with the context, what it is about, and the arguments that it wants."""
        if self.accepts is not None:
            arguments = {name: value for name, value in arguments.items() if name in self.accepts}
        return self.function(*about, **arguments)


def companion(
    function: Function | None, *, role: str, about: tuple[str, ...], arguments: tuple[str, ...], label: str
) -> Companion | None:
    """Return ``function`` as a companion, or raise ``BadTool`` if it can't be called as one.

    ``about`` names the positional parameters that it has to begin with.
    """
    if function is None:
        return None
    shape = f"{role}({', '.join((*about, '**arguments'))})"
    parameters = parameters_of(function, label=f"{label}: {role}")
    first, rest = parameters[: len(about)], parameters[len(about) :]
    if len(first) < len(about) or any(each.gathers for each in first):
        raise BadTool(
            f"{label}: {role} takes {len(parameters)} parameters, and is called as {shape}",
            hint=f"let {role} begin with the parameters {', '.join(about)}",
        )
    if any(each.name in arguments for each in first):
        named = next(each.name for each in first if each.name in arguments)
        raise BadTool(
            f"{label}: {role} has the argument {named!r} where {' and '.join(about)} stand",
            hint=f"let {role} begin with the parameters {', '.join(about)}",
        )
    for each in rest:
        if each.by_name and each.default is NOTHING and each.name not in arguments:
            raise BadTool(
                f"{label}: {role} asks for {each.name!r}, which is no argument of the tool",
                hint=f"use arguments of the tool ({', '.join(arguments) or 'it has none'}), or give a default",
            )
    gathers = any(each.gathers for each in rest)
    accepts = None if gathers else frozenset(each.name for each in rest if each.name in arguments)
    return Companion(function, is_async(function), accepts)
