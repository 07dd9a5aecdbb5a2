"""What the model of a wrapped client said last: whose calls a client makes is found by it.

The gateway, which sees the reply, writes it; whoever receives calls of that client's tools asks. Neither knows the
other. All of it is found again in the log, or only says less than it could.

Invariant: a call of the reply is given once: of two that are equal each receives its own.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from perdure.values.digest import Json, canonical

_APART: Final = re.compile(r"[^a-z0-9]+")


class SpelledCall(NamedTuple):
    """A call that stands in a reply."""

    use: str
    """its id, in the provider's words"""
    name: str
    """of the tool, as the client offers it to the model"""
    arguments: str | None = None
    """JSON as the model spelled it; None while it is being spelled"""


class CameFrom(NamedTuple):
    """Where a call comes from."""

    of: int = 0
    """position of the request in whose reply the model made it; 0: it isn't of the main conversation, or not known"""
    use: str = ""
    """its id there"""


class LastReply:
    """The newest reply of a main conversation, as far as it has come."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.of: int = 0
        """position of the request that it answers"""
        self._calls: dict[str, SpelledCall] = {}
        self._given: set[tuple[bool, str]] = set()
        """whether a server received it, or a hook told of it: a client may do both for one call"""
        self._uses: dict[str, str] = {}

    def begin(self, of: int) -> None:
        """A request stands at ``of``; its reply is to come."""
        self.of, self._calls, self._given = of, {}, set()

    def hear(self, call: SpelledCall) -> None:
        """The model makes ``call``, or has spelled it to its end."""
        self._calls[call.use] = call

    @property
    def calls(self) -> tuple[SpelledCall, ...]:
        """Its calls, in their order."""
        return tuple(self._calls.values())

    def use_of(self, call: str) -> str:
        """Return which call of the model ``call`` was found to be; empty where that isn't known."""
        return self._uses.get(call, "")

    def found(
        self, call: str, server: str, tool: str, arguments: Mapping[str, Json], use: str = ""
    ) -> CameFrom:
        """Return where ``call`` (its name in the run) of ``tool`` comes from.

        ``use`` is the id of the model's call, where the client says it. Without it the call is the one with that
        tool's name and these arguments; else the one with these arguments; else the only one with that name. Where
        several are still being spelled it is one of them.
        """
        if use:
            self._uses[call] = use
            return CameFrom(self.of if use in self._calls else 0, use)
        known = self._uses.get(call)
        if known is not None:
            return CameFrom(self.of if known in self._calls else 0, known)
        named = self._named(server, tool)
        picked = self._picked(server, named, arguments)
        if picked is None:
            return CameFrom(self.of if any(each.arguments is None for each in named) else 0)
        self._given.add((bool(server), picked))
        self._uses[call] = picked
        return CameFrom(self.of, picked)

    def position_of(self, call: str, tool: str, arguments: Mapping[str, Json], use: str = "") -> int:
        """Return where the request stands in whose reply ``call`` of ``tool``, as the run names it, was made; 0: not known."""
        server, bare = names_in(tool)
        return self.found(call, server, bare, arguments, use).of

    def _left(self, server: str) -> list[SpelledCall]:
        return [each for each in self._calls.values() if (bool(server), each.use) not in self._given]

    def _named(self, server: str, tool: str) -> list[SpelledCall]:
        """Return the calls that may be of that tool: of two servers with a tool of one name, those that say which."""
        named = [each for each in self._left(server) if is_named(each.name, server, tool)]
        whole = [each for each in named if server and is_named(each.name, "", f"{server} {tool}")]
        return whole or named

    def _picked(self, server: str, named: Sequence[SpelledCall], arguments: Mapping[str, Json]) -> str | None:
        same = canonical(dict(arguments))
        for among in (named, self._left(server)):
            for each in among:
                if each.arguments is not None and _canonical(each.arguments) == same:
                    return each.use
        unspelled = [each for each in named if each.arguments is None]
        return unspelled[0].use if len(unspelled) == 1 else None


def is_named(name: str, server: str, tool: str) -> bool:
    """Tell whether a client that offers ``tool`` of ``server`` may call it ``name``: clients put both together, each in its way."""
    squeezed, bare, whole = _squeezed(name), _squeezed(tool), _squeezed(f"{server} {tool}")
    return squeezed in {bare, whole} or squeezed.endswith((f"_{whole}", f"_{bare}"))


def names_in(call_tool: str) -> tuple[str, str]:
    """Return server and tool of a tool's name in a run: ``server__tool``."""
    server, sign, tool = call_tool.partition("__")
    return (server, tool) if sign else ("", call_tool)


def _squeezed(name: str) -> str:
    return _APART.sub("_", name.lower()).strip("_")


def _canonical(spelled: str) -> bytes | None:
    try:
        return canonical(cast("Json", msgspec.json.decode(spelled or "{}")))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
