"""``perdure store``: a whole store as its keeper sees it."""
