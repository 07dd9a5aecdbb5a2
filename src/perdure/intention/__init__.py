"""Floor 2: what the model may propose, and what it proposed. Nothing here allows anything."""
