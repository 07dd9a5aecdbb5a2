"""perdure as an MCP server: an agent looks at its own run."""
