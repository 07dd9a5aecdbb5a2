"""What the open stores of this process count."""

from collections.abc import Mapping

from perdure.driver.books import Books, shards
from perdure.log.metering import Counting


def counting_in(books: Books) -> Mapping[str, Counting]:
    """Return those of ``books`` that count what they do, by their shards' names ('' where it is one)."""
    return {name: each for name, each in shards(books).items() if isinstance(each, Counting)}
