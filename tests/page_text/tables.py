"""Page tables for tests, as the fold would make them, and the bytes behind them."""

from collections.abc import Mapping

from perdure.log.events import Content
from perdure.page.handles import handle_of
from perdure.projection.state import Page, Shape
from perdure.values.digest import digest


class Shelf:
    """Pages, and what their contents name; it counts what was read."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.blobs: dict[str, bytes] = {}
        self.read_bytes: int = 0

    def put(
        self, text: str, *, tool: str = "Read", about: str = "", exempt: str = "", shape: Shape = "evicted"
    ) -> Page:
        """Add a page of that text; each is newer than the one before."""
        raw = text.encode("utf-8", "surrogatepass")
        name, place = digest(raw), len(self.pages) + 1
        call = f"call-{place}"
        page = Page(
            page=handle_of(call, name),
            content=Content(len(raw), None, name),
            tokens=max(1, len(text) // 3),
            admitted=place,
            moves=((place, "whole"),),
            shape=shape,
            call=call,
            tool=tool,
            about=about,
            number=place,
            exempt=exempt,
            lines=text.count("\n") + (not text.endswith("\n")),
        )
        self.pages[page.page], self.blobs[name] = page, raw
        return page

    def read(self, content: Content) -> bytes:
        """Return what ``content`` names."""
        self.read_bytes += content.size
        return self.blobs[content.blob or ""]


def shelf_of(texts: Mapping[str, str]) -> Shelf:
    """Return a shelf with a page for each path and text."""
    shelf = Shelf()
    for about, text in texts.items():
        shelf.put(text, about=about)
    return shelf
