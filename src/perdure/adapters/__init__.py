"""Floor 6: what touches the world: stores, models, tools. Adapters know nothing of one another."""
