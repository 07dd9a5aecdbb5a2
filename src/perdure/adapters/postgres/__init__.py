"""A store in PostgreSQL: many processes and hosts write it, each run by one at a time.

It shares no code with the store in one file, and passes the same suite.
"""
