"""Transactional tools on the user's own tables in PostgreSQL."""
