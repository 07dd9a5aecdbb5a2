"""Python functions as tools: their declaration, their arguments and results, and what they can say."""
