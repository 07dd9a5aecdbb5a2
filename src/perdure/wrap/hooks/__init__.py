"""What clients tell by their own hooks: before a tool of theirs runs, and after."""
