"""How things look, on a terminal and on a page: nothing here knows a run."""
