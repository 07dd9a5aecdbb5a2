"""Shell commands in real sandboxes: what they see, what they may do, and what is left of them."""
