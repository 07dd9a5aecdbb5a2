"""What a tool says of itself: its schema, and what it does to the world.

Invariants:
- A declaration is data: it stands in the log as part of the agent's definition, and the deciding
  logic sees nothing else of a tool.
- What isn't declared is taken for the dangerous case: an unknown effect is ``once``.
"""

from typing import Final, Literal

import msgspec

from perdure.log.events import Tariff
from perdure.values.digest import Json, digest
from perdure.values.limits import SENDS_MAX, TIMEOUT_SECONDS, TURNS_MAX

EffectClass = Literal["read", "workspace", "transactional", "idempotent", "probeable", "once"]
Scope = Literal["lineage", "tenant"]
Divergence = Literal["allow", "ask", "refuse"]
Builtin = Literal["child", "wait", "ask", "recall", "client"]
"""'client': a foreign client does it itself, and only asks whether it may"""
Bounded = Literal["read", "write", "hosts"]

EFFECTS: Final[tuple[EffectClass, ...]] = (
    "read",
    "workspace",
    "transactional",
    "idempotent",
    "probeable",
    "once",
)


class Declaration(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool, as the deciding logic and the model see it. Times are nanoseconds."""

    name: str
    description: str = ""
    schema: dict[str, Json] = {}
    """JSON Schema of the arguments"""
    effect: EffectClass = "once"
    identity: tuple[str, ...] | None = None
    """names of arguments that make two calls the same business act"""
    scope: Scope = "lineage"
    volatile: tuple[str, ...] = ()
    """names of arguments that say nothing about what is done"""
    on_divergence: Divergence = "allow"
    key_lifetime: int | None = None
    """how long the other side honours our key; None: repeating is harmless for ever"""
    visible_within: int | None = None
    """how long after its sender's end an effect may stay invisible to the probe"""
    probes: bool = False
    undoes: bool = False
    checks: bool = False
    polls: bool = False
    timeout: int = int(TIMEOUT_SECONDS * 1e9)
    sends_max: int = SENDS_MAX
    builtin: Builtin | None = None
    reads: tuple[str, ...] = ()
    """arguments that are paths to be read; ``edits.path`` goes into objects and lists. They are judged by
    the contract's reach where it has one, and a contract that names the tool's arguments itself wins"""
    writes: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()
    """arguments that are URLs"""
    keeps: tuple[Bounded, ...] = ()
    """what it keeps to the contract's reach by itself, whatever its arguments are"""


class Paging(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an agent's context window is kept small, and what its model's tokens cost."""

    mode: str = "safe"
    """'observe', 'safe', 'room' or 'nocache'"""
    room: int = 0
    """tokens under which 'room' keeps the window"""
    tariff: Tariff = Tariff()
    density: int = 300
    """bytes that make a hundred tokens"""

    def tokens(self, size: int) -> int:
        """Return about how many tokens ``size`` bytes take."""
        return -(-size * 100 // max(self.density, 1))


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent: what it is told, which model it asks, and what it can do."""

    name: str
    instructions: str
    model: str
    tools: tuple[Declaration, ...]
    turns_max: int = TURNS_MAX
    settings: dict[str, Json] = {}
    """what the model is asked with beside the conversation: temperature, maximum output, ..."""
    workspace: bool = False
    """whether the agent has a workspace that can be put back"""
    secret_files: tuple[str, ...] | None = None
    """globs of names of files in it that are recorded by digest only; None: the usual ones"""
    foreign: bool = False
    """whether a foreign client asks the model: its calls are judged here, and no model is asked"""
    paging: Paging | None = None
    """None: everything stays in the window, as in definitions from before there were pages"""
    version: str = ""
    """what its author calls this version; empty: what the definition's digest says"""

    def tool(self, name: str) -> Declaration | None:
        """Return the tool of that name."""
        return next((tool for tool in self.tools if tool.name == name), None)


VERSION_DIGITS: Final = 12
"""Of the definition's digest: the version of an agent whose author doesn't give it one."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Definition).decode


def definition_bytes(definition: Definition) -> bytes:
    """Return the stored form of a definition."""
    return _encode(definition)


def read_definition(stored: bytes) -> Definition:
    """Return the definition in ``stored``."""
    return _decode(stored)


def version_of(definition: Definition, digest: str) -> str:
    """Return the version of the agent with this definition, whose digest is known."""
    return definition.version or digest[:VERSION_DIGITS]


def definition_digest(definition: Definition) -> str:
    """Return the name under which the log knows this definition."""
    return digest(definition_bytes(definition))
