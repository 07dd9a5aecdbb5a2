"""The library of ``tests.cli``: a store with a finished run ``march``, for reading."""

from tests.cli.conftest import library, reader

__all__ = ["library", "reader"]
