"""Small sessions, drawn by Hypothesis: a front, and requests that bring results, replies and words."""

from hypothesis import strategies as st

from perdure.log.events import Usage
from perdure.page.caching import MINUTE_NS, NONE, Rates, cache_rule
from perdure.profile.route import Route, Terms, route
from perdure.profile.trace import Exchange, Kind, Need, Needed, Segment, Trace

CLAUDE = Terms("claude-opus-5", cache_rule("claude-opus-5"), Rates(5, 25, 1, 6, 10), 5 * MINUTE_NS)
HOUR = CLAUDE._replace(ttl=60 * MINUTE_NS, long=True)
GPT = Terms("gpt-5.2", cache_rule("gpt-5.2"), Rates(10, 60, 1, 10, 10), 60 * MINUTE_NS)
BARE = Terms("local", NONE, Rates(1, 5, 1, 1, 1), 0)


class Story:
    """A session in the making."""

    def __init__(self, front: int = 6000) -> None:
        self.segments: list[Segment] = []
        self.requests: list[Exchange] = []
        self.needs: list[Need] = []
        self.first: int = 0
        self.at: int = 0
        self.put("system", front)

    def put(self, kind: Kind, tokens: int, *, preview: int = 0, exempt: str = "", same: str = "") -> int:
        """Put a block behind the rest, and return its place."""
        place = len(self.segments)
        name = same or f"{kind} {place}"
        self.segments.append(
            Segment(kind, tokens, tokens * 3, name, "Read", f"file {name}", f"call {name}", preview, exempt)
        )
        return place

    def result(self, tokens: int) -> int:
        """Put a result with a preview of a tenth."""
        return self.put("result", tokens, preview=tokens // 10 if tokens > 1000 else 0)

    def ask(self, pause: int = MINUTE_NS, needs: dict[int, Needed] | None = None, reply: int = 100) -> int:
        """Ask with all there is; ``needs`` is what the reply needs. Return the request's number."""
        self.at += pause
        total = sum(segment.tokens for segment in self.segments[self.first :])
        number = len(self.requests)
        self.requests.append(
            Exchange(self.at, self.first, len(self.segments), Usage(total, reply), model="m")
        )
        self.needs += [Need(place, number, why) for place, why in (needs or {}).items()]
        self.put("said", reply)
        return number

    def compact(self) -> None:
        """Begin anew, with the front alone."""
        front = self.segments[0]
        self.first = len(self.segments)
        self.segments.append(front)
        self.put("user", 500)

    def route(self, terms: Terms) -> Route:
        """Return it ready to be played."""
        trace = Trace("story", "claude-code", tuple(self.segments), tuple(self.requests), tuple(self.needs))
        return route(trace, lambda _: terms)


@st.composite
def stories(draw: st.DrawFn, *, requests_max: int = 5, pages_max: int = 3) -> Story:
    """Draw a session of a few requests and pages."""
    story = Story(draw(st.sampled_from([300, 6000])))
    results: list[int] = []
    for number in range(draw(st.integers(2, requests_max))):
        if number and draw(st.integers(0, 9)) == 0:
            story.compact()
            results = []
        else:
            story.put("user", draw(st.sampled_from([10, 400])))
        for _ in range(draw(st.integers(0, 2))):
            if sum(segment.kind == "result" for segment in story.segments) < pages_max:
                results.append(story.result(draw(st.sampled_from([60, 400, 2000, 9000]))))
        whys: st.SearchStrategy[Needed] = st.sampled_from(["strict", "quoted", "path"])
        needs = draw(st.dictionaries(st.sampled_from(results), whys, max_size=2)) if results else {}
        pause = draw(st.sampled_from([MINUTE_NS, 4 * MINUTE_NS, 6 * MINUTE_NS, 61 * MINUTE_NS]))
        story.ask(pause, needs)
    return story


terms: st.SearchStrategy[Terms] = st.sampled_from([CLAUDE, HOUR, GPT, BARE])
