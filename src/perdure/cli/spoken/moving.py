"""What an event about pages and about foreign conversations says in one line."""

from collections.abc import Mapping

from perdure.cli.drawing.ink import Line, count, money
from perdure.log import events as e

_WHYS = {
    "used": "it was used once",
    "cold": "the cache was cold",
    "batch": "one of a batch",
    "room": "room was needed",
    "uncached": "nothing is cached",
}


def moved(body: e.Body, pages: Mapping[str, str]) -> Line | None:
    """Return the line for a page's move; ``pages`` says what each handle stands for."""
    match body:
        case e.PageAdmitted(page=page, tokens=tokens, shape=shape, exempt=exempt):
            sign, tone = ("◧", "doubt") if shape == "preview" else ("■", "quiet")
            how = "as a preview" if shape == "preview" else f"whole{f', stays: {exempt}' if exempt else ''}"
            return Line(
                sign, tone, f"{page} {pages.get(page, '')}".rstrip(), f"{count(tokens, 'token')}, {how}"
            )
        case e.PageEvicted(page=page, why=why, saves_microusd=saves):
            worth = f", {money(saves)} expected" if saves > 0 else ""
            return Line(
                "□", "doubt", f"{page} {pages.get(page, '')} left".rstrip(), f"{_WHYS.get(why, why)}{worth}"
            )
        case e.PageFaulted(page=page, start=start, size=size):
            return Line(
                "↩",
                "tool",
                f"{page} {pages.get(page, '')} was asked for".rstrip(),
                f"{size:,} bytes from {start:,}",
            )
        case e.PagePinned(page=page, until=until):
            return Line("·", "quiet", f"{page} stays until request {until}")
        case e.PageUnpinned(page=page):
            return Line("·", "quiet", f"{page} may leave again")
        case e.RecallAnswered(text=text):
            return Line("↩", "tool", f"recall gave {text.size:,} bytes")
        case _:
            return None


def conversed(body: e.Body, noun: str = "request") -> Line | None:
    """Return the line for what a conversation asks and what it is answered; ``noun`` is what a main request is."""
    match body:
        case e.ConversationOpened(client=client, api=api, model=model, mode=mode):
            return Line("▶", "head", f"{client} {model}".strip(), f"{api}, {mode}")
        case e.RequestForwarded(
            number=number, tokens=tokens, purpose=purpose, arrived=arrived, broken=broken
        ):
            new = f", {count(len(arrived), 'result')} new" if arrived else ""
            rewrote = f", {broken} rewrote what was sent before" if broken else ""
            what = f"{noun} {number}" if purpose == "main" else f"request {number} ({purpose})"
            return Line("»", "head", what, f"about {count(tokens, 'token')}{new}{rewrote}")
        case e.RequestAnswered(number=number, usage=usage, alone_microusd=alone):
            read = f", {usage.cache_read_tokens:,} from the cache" if usage.cache_read_tokens else ""
            saved = alone - usage.cost_microusd
            beside = (
                f", {money(abs(saved))} {'less' if saved > 0 else 'more'} than alone"
                if saved and alone
                else ""
            )
            return Line(
                "«",
                "quiet",
                f"{noun} {number}: {usage.input_tokens:,} tokens{read}",
                f"{money(usage.cost_microusd)}{beside}",
            )
        case e.RequestFailed(number=number, status=status, error=error):
            return Line("✗", "bad", f"{noun} {number}: {status or ''} {error}".replace("  ", " ").rstrip())
        case e.RecallHidden(number=number, split=split):
            return Line("·", "quiet", f"request {number}: a reply goes on split", f"{split.size:,} bytes")
        case e.PagingSet(mode=mode, frozen=frozen, why=why, by=by):
            return Line(
                "‖" if frozen else "·",
                "ask" if frozen else "head",
                f"{mode}{', frozen' if frozen else ''} {why}".rstrip(),
                by,
            )
        case _:
            return None
