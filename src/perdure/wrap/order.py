"""What a wrapper tells its keeper, and what it hears from it: one JSON document a line, over two pipes.

Invariants:
- What is secret (the token, headers and variables of servers) goes through a pipe and never onto a disk.
- The pipe of orders is open as long as the wrapper lives; its end is how a keeper knows of the wrapper's.
"""

from msgspec import Struct, json

from perdure.assembly.foreign.gateways import Mode
from perdure.mcp.servers import Server
from perdure.values.digest import Json
from perdure.values.limits import MCP_PATIENCE_SECONDS
from perdure.wire.bodies.nouns import Api
from perdure.wrap.crews import Crew


class KeepingOrder(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="keep"):
    """Which run is kept, how, and for which client."""

    store: str
    run: str
    client: str
    """the profile's name"""
    version: str
    root: str
    goes_on: bool = False
    """the run was begun before, by an earlier wrapper or a keeper that was killed"""
    began: bool = False
    """this wrapper's client is attached already: the keeper before this one was killed"""
    contract: str = ""
    """empty: the run's own, where it has one"""
    effects: str = ""
    patience: float = MCP_PATIENCE_SECONDS
    """how long a call waits for a person, in seconds, before the client is told so"""
    toolless: bool = False
    """whether the client's main loop offers its model no tools"""
    mode: Mode = "safe"
    room: int = 0
    upstreams: tuple[tuple[Api, str], ...] = ()
    token: str = ""
    trusted: tuple[str, ...] = ()
    servers: tuple[Server, ...] = ()
    hooks: str = ""
    """the client's name among those whose hooks are known; empty: it has none"""
    attached: str = ""
    """how the client was started, for who goes on with it"""
    transcript: str = ""
    """the format in which it keeps its own history"""
    expects: tuple[str, ...] = ()
    """digests of messages with which its first request has to begin"""
    folder: str = ""
    """the wrapper's private one, removed by whoever of the two ends last"""
    listener: int
    """descriptor of the gateway's socket, which listens already"""
    door: int
    """the same for clients' servers and hooks"""


class ClientStarted(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="started"):
    """The client lives; the keeper ends it where the wrapper was killed."""

    crew: Crew


class ClientEnded(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ended"):
    """The client has ended, and nothing more will come from it."""

    words: str


Told = KeepingOrder | ClientStarted | ClientEnded


class Ready(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ready"):
    """The run is held, and everything listens."""

    run: str
    resumed: bool
    position: int
    contract: bool = False
    """whether a contract holds"""


class Refused(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="refused"):
    """It can't be kept."""

    code: str
    message: str
    hint: str


class Summary(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="summary"):
    """How the run stands at the end of a session."""

    run: str
    position: int
    requests: int = 0
    cost_microusd: int = 0
    saved_microusd: int = 0
    done: int = 0
    """effects of this run that succeeded"""
    doubts: int = 0
    asked: int = 0
    """approvals that wait for a person"""
    recorded: bool = False
    """whether its files are"""
    notes: tuple[str, ...] = ()


Said = Ready | Refused | Summary

_encoder = json.Encoder()
_told: json.Decoder[Told] = json.Decoder(Told)
_said: json.Decoder[Said] = json.Decoder(Said)


def line_of(document: Told | Said) -> bytes:
    """Return ``document`` as one line."""
    return _encoder.encode(document) + b"\n"


def told_in(line: bytes) -> Told:
    """Return what a keeper is told. Raises ``msgspec.MsgspecError``."""
    return _told.decode(line)


def said_in(line: bytes) -> Said:
    """Return what a keeper says. Raises ``msgspec.MsgspecError``."""
    return _said.decode(line)


Words = dict[str, Json]
"""One line that comes to a keeper's door."""
