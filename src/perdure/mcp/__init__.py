"""MCP: real servers behind, clients in front, and between them the run that every call goes through."""
