"""Content by its digest: here or in the object store, brought over, and collected when nothing names it."""
