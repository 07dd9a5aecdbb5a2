"""The store in PostgreSQL: what only a server can do to a store."""
