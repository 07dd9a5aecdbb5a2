"""``python -m benchmarks.wrap.asking [--through COMMAND...] -- URL``: an MCP client for the suite's client scenarios.

It connects to the suite's server, lists its tools and calls each: directly, or through a command that puts itself
between the two on its standard streams. Elicited forms are accepted with the defaults that their schema names.
"""

import shlex
import sys
from typing import Any

import anyio
from mcp import Client, StdioServerParameters, types
from mcp.client.context import ClientRequestContext

from perdure.testing.upstream.schemas import filled

CALL_SECONDS = 20


async def accepted(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Accept with the defaults."""
    del context
    schema = getattr(params, "requested_schema", {})
    given = {name: each["default"] for name, each in schema["properties"].items() if "default" in each}
    return types.ElicitResult(action="accept", content=given)


async def asked(target: str | StdioServerParameters) -> None:
    """List the tools and call each once."""
    async with Client(target, read_timeout_seconds=CALL_SECONDS, elicitation_callback=accepted) as client:
        for tool in (await client.list_tools()).tools:
            arguments: Any = filled(dict(tool.input_schema), "words")
            result = await client.call_tool(tool.name, arguments)
            print(tool.name, result.is_error, file=sys.stderr)


def main() -> None:
    """Ask directly, or through a command in which ``{url}`` stands for the server."""
    url = sys.argv[-1]
    through = sys.argv[1] if len(sys.argv) > 2 else ""
    target: str | StdioServerParameters = url
    if through:
        command, *arguments = [word.replace("{url}", url) for word in shlex.split(through)]
        target = StdioServerParameters(command=command, args=arguments)
    anyio.run(asked, target)


if __name__ == "__main__":
    main()
