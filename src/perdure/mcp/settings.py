"""What a gateway before MCP servers is told when it starts."""

from typing import NamedTuple

from perdure.assembly.stores.addresses import Location
from perdure.contract import Contract
from perdure.mcp.effects import Effects
from perdure.mcp.servers import Server
from perdure.values.limits import MCP_PATIENCE_SECONDS


class Standing(NamedTuple):
    """One gateway: its servers, its run, and how its clients reach it."""

    store: Location
    run: str
    servers: tuple[Server, ...]
    effects: Effects = Effects()
    contract: Contract = Contract()
    patience: float = MCP_PATIENCE_SECONDS
    host: str = "127.0.0.1"
    port: int | None = None
    """where clients reach it over HTTP; None: one client on the standard streams"""
    token: str = ""
    """what clients over HTTP have to show; empty on loopback"""
    take_over: bool = False
