"""The documents, tried: what they show is run, and what they say of a log is held against a real one."""
