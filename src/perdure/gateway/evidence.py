"""Which pages that have left were needed all the same: loose faults, as far as the client's requests show them.

A page counts once its call is made anew, another call is about the same path, or words that stand in it alone are
quoted by the model. Nobody asked for it in these cases; so what is counted here is at least what was missed.
"""

from collections.abc import Mapping

from perdure.profile.quoting import Quotes
from perdure.projection.state import Page
from perdure.wire.bodies.nouns import MadeCall
from perdure.wire.bodies.request import RequestBody


class Evidence:
    """What is looked for in one conversation."""

    def __init__(self) -> None:
        """Look for nothing yet."""
        self._quotes: Quotes = Quotes()
        self._places: list[str] = []
        self._counted: set[str] = set()
        self._seen: set[str] = set()

    def again(
        self,
        pages: Mapping[str, Page],
        handles: Mapping[tuple[str, str], str],
        made: Mapping[str, MadeCall],
        read: RequestBody,
        kept: int,
    ) -> tuple[str, ...]:
        """Return the pages that left and that the messages from ``kept`` on show to have been needed, each once.

        ``handles`` are those of the results, by call and digest; ``made`` the calls that pages answer. Nothing is
        looked at before a page has left.
        """
        away = {name: page for name, page in pages.items() if _is_away(page) and name not in self._counted}
        if not away:
            return ()
        calls = tuple(read.calls_since(kept))
        digests = {call.digest for call in calls}
        paths = {path for call in calls for path in call.paths}
        found: dict[str, None] = {}
        for name in away:
            call = made.get(name)
            if call is not None and (call.digest in digests or paths.intersection(call.paths)):
                found[name] = None
        said = read.said_since(kept)
        self._look(pages, handles, read)
        for place in self._quotes.quoted(said) if said else ():
            if 0 <= place < len(self._places) and self._places[place] in away:
                found[self._places[place]] = None
        self._counted.update(found)
        return tuple(found)

    def _look(
        self, pages: Mapping[str, Page], handles: Mapping[tuple[str, str], str], read: RequestBody
    ) -> None:
        """Take in the results of ``read`` that were not seen before: whoever is quoted has to be told apart."""
        for result in read.results:
            name = handles.get((result.call, result.digest))
            if name is None or name in self._seen or name not in pages:
                continue
            self._seen.add(name)
            self._places.append(name)
            self._quotes.stands(read.text(result), len(self._places) - 1)


def _is_away(page: Page) -> bool:
    return page.shape != "whole" and page.shown is not None
