"""The names that a condition may use, and what they mean for one call.

``args.*`` are the tool's arguments (``perdure.contract.fields``), ``state.*`` the run's figures.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from cel_expr_python.cel import Activation, Env, NewEnv, Type

from perdure.contract.fields import Field, types_of, values_of
from perdure.contract.judgement import Figures, Where
from perdure.values.digest import Json

STATE: Final[Mapping[str, Type]] = {
    "state.spent": Type.INT,
    "state.turns": Type.INT,
    "state.calls": Type.Map(Type.STRING, Type.INT),
    "state.tokens": Type.INT,
    "state.cost_microusd": Type.INT,
    "state.elapsed_s": Type.INT,
    "state.tenant": Type.STRING,
}


class Vocabulary(NamedTuple):
    """What expressions about one tool are checked and run with."""

    tool: str
    """empty where the expression is about no tool that we know"""
    fields: tuple[Field, ...] | None
    tools: tuple[str, ...]
    """all that the agent has; empty where we don't know"""
    env: Env


class Scene(NamedTuple):
    """One call as its conditions see it."""

    values: Mapping[str, object]
    activation: Activation


def vocabulary_of(tool: str, fields: tuple[Field, ...] | None, tools: tuple[str, ...]) -> Vocabulary:
    """Return the names for conditions on ``tool`` of an agent that has ``tools``."""
    return Vocabulary(tool, fields, tools, NewEnv(variables={**types_of(fields), **STATE}))


def only(words: Vocabulary, names: Iterable[str]) -> Vocabulary:
    """Return ``words`` without the fields that ``names`` don't look at: a call then costs only the rest."""
    if words.fields is None:
        return words
    wanted = set(names)
    kept = tuple(
        field
        for field in words.fields
        if field.name in wanted or any(name.startswith(f"{field.name}.") for name in wanted)
    )
    return words._replace(fields=kept)


def blank(words: Vocabulary) -> Scene:
    """Return the scene of a tool that has no conditions."""
    return Scene({}, words.env.Activation({}))


def scene_of(words: Vocabulary, arguments: Mapping[str, Json], figures: Figures, where: Where) -> Scene:
    """Return what the names mean now.

    Raises ``ValueError``, ``OverflowError`` or ``RuntimeError`` for arguments that CEL has no value for.
    """
    calls = figures.calls
    values: dict[str, object] = {
        **values_of(words.fields, arguments),
        "state.spent": figures.spent,
        "state.turns": figures.turns,
        "state.calls": {tool: calls.get(tool, 0) for tool in words.tools},
        "state.tokens": figures.tokens,
        "state.cost_microusd": figures.cost_microusd,
        "state.elapsed_s": figures.elapsed_ns // 1_000_000_000,
        "state.tenant": where.tenant,
    }
    return Scene(values, words.env.Activation(values))
