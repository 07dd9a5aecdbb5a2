"""The contract room, proved from outside: what it lets through, what it refuses, and what it won't load."""
