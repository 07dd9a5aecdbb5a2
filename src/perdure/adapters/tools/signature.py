"""A function as a list of typed parameters: the door through which untyped Python comes in."""

import inspect
import typing
from collections.abc import Callable
from typing import Final, NamedTuple

from perdure.adapters.tools.context import Context
from perdure.values.errors import BadTool

Function = Callable[..., object]

NOTHING: Final = object()
"""stands where a parameter has no default, or no type"""

ABSENT: Final = object()
"""stands where an argument was not given"""

CONTEXT_NAME: Final = "ctx"

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameter(NamedTuple):
    """One parameter. ``annotation`` is ``NOTHING`` where there is none."""

    name: str
    annotation: object
    default: object
    by_name: bool
    """whether it can be given by its name; else it is *args or positional only"""
    gathers: bool
    """whether it is **kwargs"""


def parameters_of(function: Function, *, label: str) -> tuple[Parameter, ...]:
    """Return the parameters of ``function`` with their types resolved; raise ``BadTool`` if they can't be."""
    try:
        signature = inspect.signature(function)
        hints: dict[str, object] = typing.get_type_hints(_plain(function), include_extras=True)
    except NameError as error:
        raise BadTool(
            f"{label}: the type {error.name!r} in its signature can't be found",
            hint="define or import the type at module level, not under TYPE_CHECKING or in a function",
        ) from error
    except (TypeError, ValueError) as error:
        raise BadTool(f"{label}: its signature can't be read ({error})") from error
    found: list[Parameter] = []
    for name, each in signature.parameters.items():
        default = typing.cast("object", each.default)
        found.append(
            Parameter(
                name,
                hints.get(name, NOTHING),
                NOTHING if default is inspect.Parameter.empty else default,
                each.kind in _BY_NAME,
                each.kind is inspect.Parameter.VAR_KEYWORD,
            )
        )
    return tuple(found)


def _plain(function: Function) -> Function:
    """Return what carries the annotations: of an object with ``__call__``, that method."""
    if inspect.isroutine(function) or inspect.isclass(function):
        return typing.cast("Function", inspect.unwrap(function))
    return typing.cast("Function", type(function).__call__)


def is_context(parameter: Parameter) -> bool:
    """Tell whether the parameter is for the ``Context``: by its name, or its type."""
    return parameter.name == CONTEXT_NAME or parameter.annotation is Context


def is_async(function: Function) -> bool:
    """Tell whether calling ``function`` gives something to await."""
    return inspect.iscoroutinefunction(_plain(function))
