"""An unmodified agent client with the log, the gateway, MCP receipts and checkpoints around it."""
