"""What a person asks of ``perdure wrap``, and what they are told of it."""

from pathlib import Path
from typing import NamedTuple, Protocol

from perdure.assembly.foreign.gateways import Mode
from perdure.assembly.stores.addresses import Address
from perdure.values.limits import MCP_PATIENCE_SECONDS
from perdure.wrap.order import Summary


class Wish(NamedTuple):
    """One session that is to be wrapped."""

    words: tuple[str, ...]
    """the client and its arguments; empty only with ``resume``: as it was started before"""
    store: Address
    root: Path
    run: str = ""
    """empty: a name is made"""
    resume: str = ""
    contract: Path | None = None
    effects: Path | None = None
    profile: Path | None = None
    mode: Mode = "safe"
    room: int = 0
    upstreams: tuple[str, ...] = ()
    port: int = 0
    hooks: bool | None = None
    """None: where a contract is given, since else there is nothing to judge"""
    isolate: bool = False
    patience: float = MCP_PATIENCE_SECONDS
    """how long a call waits for a person, in seconds, before the client is told so"""


class Cover(NamedTuple):
    """What of a session is covered, and what isn't, for a person to read before it begins."""

    run: str
    title: str
    """the client's"""
    version: str
    untested: str
    """why only requests are recorded; empty where the version was tested"""
    store: Address
    root: Path
    mode: Mode
    """'observe' where nothing is moved"""
    resumed: bool
    servers: tuple[str, ...]
    """MCP servers whose tools' effects happen once"""
    hooked: bool
    """whether the client's own tools are judged by the contract"""
    contract: bool
    isolated: str
    """the copy of the directory that the client works in; empty: the directory itself"""
    continues: tuple[str, ...] = ()
    """what it goes on from"""
    notes: tuple[str, ...] = ()
    """what isn't covered with this client and these settings"""


class Voice(Protocol):
    """Who tells the person."""

    def begins(self, cover: Cover) -> None:
        """The client is about to start."""
        ...

    def waits(self) -> None:
        """It has ended, and what it had begun is still being recorded."""
        ...

    def ends(self, summary: Summary | None, *, restarts: int, failure: str) -> None:
        """It has ended. Without a summary the keeper couldn't tell how the run stands; ``failure`` says why."""
        ...

    def warns(self, words: str) -> None:
        """Something has to be known, also where all else is silent."""
        ...
