"""How a reader makes a trace: it says what entered the window and what was replied, in the order in which it was sent.

Invariants:
- A request's prompt is everything since its stretch began, so ``segments`` only ever grows. A client that compacts,
  goes back or rewrites what it had sent begins a new stretch, in which what stays stands again.
- A text is looked at once, for its digest, its preview and its quotes, and let go.
- A need is noticed when the reply comes that needed it, and only towards results that its own prompt held.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from perdure.log.events import Usage
from perdure.page.preview import preview
from perdure.profile.allotting import Growth, Strand, allotted, density_of
from perdure.profile.quoting import Quotes
from perdure.profile.snippets import Inquiry, Snippet
from perdure.profile.trace import Exchange, Kind, Need, Needed, Segment, Trace
from perdure.values.digest import digest
from perdure.values.limits import PREVIEW_BUDGET_TOKENS

SHRUNK_TOKENS: Final = 600
SHRUNK_SHARE: Final = 100
"""A prompt that is smaller than its words by this many tokens and by a hundredth was rewritten; less is a reminder that
the client took out again."""

UNSEEN_TOKENS: Final = 400
"""A prompt that grew by this more than half as much again as its new words held something that isn't recorded."""

PREVIEWED_CHARACTERS_MAX: Final = 40_000
"""Beyond it a preview isn't made but taken to fill its budget, which is the most it can: clients cut results below this,
and making one takes longer than all else that is done with a result."""

REWRITES_MAX: Final = 64
"""Stretches that are copied whole in one trace: a client that rewrites at every turn would make it grow with the
square of its length."""

_HANDLE: Final = "p-aaaaaaaaaa"
_RANK: Final[dict[Needed, int]] = {"path": 0, "quoted": 1, "strict": 2}


class Reported(NamedTuple):
    """What a transcript says of one request and its reply."""

    at: int
    usage: Usage
    pieces: Sequence[Snippet] = ()
    model: str = ""
    written_short: int = 0
    written_long: int = 0
    ttl: int = 0
    kept_out: int = 0
    """tokens of pages that were not in the prompt: it is told as if they had been"""
    measured: bool = True
    """False where the transcript holds no usage, and tokens are estimated"""


class Loom:
    """One trace in the making."""

    def __init__(
        self, name: str, source: str, *, density: float, shares: dict[str, float] | None = None
    ) -> None:
        """``density``: characters per token until the session's own is known; ``shares``: of the holes in front."""
        self.name: str = name
        self.source: str = source
        self.assumed: dict[str, None] = {}
        self._density: float = density
        self._shares: dict[str, float] = shares or {}
        self._segments: list[Segment] = []
        self._woven: list[Strand] = []
        self._steps: list[Growth] = []
        self._exchanges: list[tuple[Exchange, bool]] = []
        self._needs: dict[tuple[int, int], Needed] = {}
        self._compactions: list[int] = []
        self._base: int = 0
        self._new: int = 0
        """where what no request has held begins"""
        self._before: tuple[int, int] = (0, 0)
        """input and output of the request before"""
        self._rewrites: int = 0
        self._quotes: Quotes = Quotes()
        self._asked: dict[str, Inquiry] = {}
        self._same: dict[str, int] = {}
        self._about: dict[str, list[int]] = {}

    @property
    def window(self) -> range:
        """Places of what is in the window."""
        return range(self._base, len(self._segments))

    @property
    def requests(self) -> int:
        """How many requests were told."""
        return len(self._exchanges)

    def asked(self, call_id: str) -> Inquiry:
        """Return the call of that id; an empty one where none is known."""
        return self._asked.get(call_id, Inquiry())

    def hole(self, kind: Kind, hole: str) -> int:
        """Leave room for what the transcript doesn't hold, and return its place; the usage says how much it was."""
        name = digest(f"{self.name} {hole} {len(self._segments) if hole == 'other' else ''}".encode())
        self._segments.append(Segment(kind, 0, 0, name, about=f"{hole}: not in the transcript"))
        self._woven.append(Strand(0, hole=hole))
        return len(self._segments) - 1

    def put(self, pieces: Iterable[Snippet]) -> list[int]:
        """Take in what entered the window from outside, and return where it stands."""
        places: list[int] = []
        for piece in pieces:
            asked = self._asked.get(piece.call_id, piece.asked) if piece.kind == "result" else piece.asked
            place = self._add(piece._replace(asked=asked))
            if piece.kind == "result":
                self._remember(place, asked)
            self._quotes.stands(piece.text, place if piece.kind == "result" else -1)
            places.append(place)
        return places

    def said(self, pieces: Sequence[Snippet]) -> list[int]:
        """Take in a reply as part of the window, whoever it was asked by."""
        places: list[int] = []
        for piece in pieces:
            places.append(self._add(piece, replied=True))
            if piece.kind == "call":
                self._asked[piece.call_id] = piece.asked
            self._quotes.stands(piece.words or piece.text, -1)
        return places

    def reply(self, told: Reported) -> list[int]:
        """Take in that the model was asked with the window as it stands, and what it replied."""
        whole = told.usage.input_tokens + told.kept_out
        grown, counted = whole - self._before[0], told.measured and bool(self.requests)
        rewritten = False
        if counted and self._new > self._base:
            missing = self._guess() - grown
            if (
                missing > max(SHRUNK_TOKENS, self._before[0] // SHRUNK_SHARE)
                and grown * 2 < self._guess()
                and self._rewrites < REWRITES_MAX
            ):
                rewritten = True
                self._rewrites += 1
                self.restart(self.window, fresh=self._new)
            elif grown > self._guess() * 1.5 + UNSEEN_TOKENS:
                self.hole("other", "other")
                self.assumed[
                    "Some requests grew by more than the words recorded for them: counted as 'other'."
                ] = None
        last, measured = len(self._segments), told.measured
        tokens = whole if measured else -1
        read = told.usage.cache_read_tokens
        self._steps.append(Growth(self._base, self._new, last, tokens, self._output(), rewritten, read))
        usage = (told.usage, told.written_short, told.written_long, told.model, told.ttl)
        self._exchanges.append((Exchange(told.at, self._base, last, *usage), measured))
        self._before, self._new = (whole, told.usage.output_tokens), last
        return self.answer(told.pieces)

    def answer(self, pieces: Sequence[Snippet]) -> list[int]:
        """Take in the reply to the newest request: what it needed, and that it is part of the window now."""
        for piece in pieces:
            self._notice(self.requests - 1, piece)
        return self.said(pieces)

    def restart(self, kept: Iterable[int], *, compacted: bool = False, fresh: int | None = None) -> None:
        """Begin a new stretch in which only ``kept`` stands, and what is put from now on.

        What stands from ``fresh`` on was in no request yet.
        """
        begin, moved = len(self._segments), dict[int, int]()
        for place in kept:
            moved[place] = len(self._segments)
            self._segments.append(self._segments[place])
            origin = self._woven[place]
            known = fresh is None or place < fresh
            self._woven.append(origin._replace(origin=place) if known else origin)
        self._base = self._new = begin
        self._quotes.moved(moved)
        self._same = {call: moved[place] for call, place in self._same.items() if place in moved}
        about = {
            path: [moved[place] for place in places if place in moved] for path, places in self._about.items()
        }
        self._about = {path: places for path, places in about.items() if places}
        if compacted:
            self._compactions.append(self.requests)

    def trace(self) -> Trace:
        """Return what was woven; what no request has held is left out."""
        last = self._steps[-1].last if self._steps else 0
        density = density_of(self._woven, self._steps, self._density)
        tokens = allotted(self._woven, self._steps, density, self._shares)
        segments = tuple(
            segment._replace(tokens=count, preview=int(segment.preview / density))
            for segment, count in zip(self._segments[:last], tokens, strict=False)
        )
        return Trace(
            self.name,
            self.source,
            segments,
            tuple(self._counted(place, tokens) for place in range(self.requests)),
            tuple(Need(place, request, why) for (place, request), why in sorted(self._needs.items())),
            tuple(self.assumed),
            tuple(number for number in self._compactions if number < self.requests),
        )

    def _counted(self, number: int, tokens: list[int]) -> Exchange:
        exchange, measured = self._exchanges[number]
        if measured:
            return exchange
        after = self._steps[number + 1].last if number + 1 < self.requests else len(tokens)
        reply = range(exchange.last, after)
        output = sum(tokens[place] for place in reply if self._woven[place].replied)
        return exchange._replace(
            usage=Usage(input_tokens=sum(tokens[exchange.first : exchange.last]), output_tokens=output)
        )

    def _output(self) -> int:
        """Return the tokens of the reply before; 0 where its record is of the stream's first moment only."""
        said = sum(each.size for each in self._woven[self._new :] if each.replied)
        return self._before[1] if self._before[1] * self._density * 2 > said else 0

    def _guess(self) -> float:
        """Return about how many tokens the window has grown by since the request before."""
        output = self._output()
        return output + sum(
            each.tokens if each.tokens >= 0 else each.size / self._density
            for each in self._woven[self._new :]
            if not (each.replied and output)
        )

    def _add(self, piece: Snippet, *, replied: bool = False) -> int:
        raw = piece.text.encode("utf-8", "surrogatepass")
        asked = piece.asked
        self._segments.append(
            Segment(
                piece.kind,
                0,
                len(piece.text),
                digest(raw),
                asked.tool,
                asked.about,
                asked.digest,
                self._previewed(piece),
                piece.exempt,
                asked.paths[0] if asked.paths else "",
            )
        )
        thought = piece.kind == "thinking"
        hole = "thought" if thought and not piece.characters else ""
        self._woven.append(
            Strand(piece.characters, piece.tokens, hole=hole, thought=thought, replied=replied)
        )
        return len(self._segments) - 1

    def _previewed(self, piece: Snippet) -> int:
        """Return the characters of the preview that would stand in its place."""
        if piece.kind != "result" or piece.exempt:
            return 0
        tokens = int(len(piece.text) / self._density)
        if tokens <= PREVIEW_BUDGET_TOKENS:
            return 0
        if len(piece.text) > PREVIEWED_CHARACTERS_MAX:
            return int(PREVIEW_BUDGET_TOKENS * self._density)
        shown = preview(
            piece.text, handle=_HANDLE, about=piece.asked.about, tokens=tokens, budget=PREVIEW_BUDGET_TOKENS
        )
        return len(shown) if shown is not None else 0

    def _remember(self, place: int, asked: Inquiry) -> None:
        if asked.digest:
            self._same[asked.digest] = place
        for path in asked.paths:
            known = self._about.setdefault(path, [])
            known[:] = [each for each in known if self._segments[each].call != asked.digest]
            known.append(place)

    def _notice(self, number: int, piece: Snippet) -> None:
        """Note which results of the window ``piece`` of a reply needed."""
        if piece.kind not in ("said", "call"):
            return
        for place in self._quotes.quoted(piece.words or piece.text):
            self._need(place, number, "quoted")
        if piece.kind == "call":
            for path in piece.asked.paths:
                for place in self._about.get(path, ()):
                    self._need(place, number, "path")
            same = self._same.get(piece.asked.digest)
            if same is not None:
                self._need(same, number, "strict")

    def _need(self, place: int, number: int, why: Needed) -> None:
        known = self._needs.get((place, number))
        if known is None or _RANK[why] > _RANK[known]:
            self._needs[place, number] = why
