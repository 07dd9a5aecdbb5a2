"""``perdure worker`` and ``perdure submit``: runs that workers drive."""
