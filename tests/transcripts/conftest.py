"""A quick terminal in an empty directory, as the tests of the command line have it."""

from tests.cli.conftest import inside

__all__ = ["inside"]
