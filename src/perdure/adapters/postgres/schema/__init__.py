"""The tables, in numbered steps, and what a worker's role may do with them."""
