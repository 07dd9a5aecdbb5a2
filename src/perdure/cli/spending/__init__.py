"""``perdure cost`` and ``perdure profile``: where tokens and money went."""
