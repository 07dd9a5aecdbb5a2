"""Which earlier results a reply needed: by the same call, by quoting them, by another call on the file."""

import time

import pytest

from perdure.log.events import Usage
from perdure.profile import quoting
from perdure.profile.loom import Loom, Reported
from perdure.profile.quoting import Quotes
from perdure.profile.snippets import Snippet, answered, called
from perdure.profile.trace import Trace

SECRET = "the combination of the safe is seven four one nine"
FILE = "\n".join([f"value_{number} = compute(value_{number - 1}, factor)" for number in range(50)] + [SECRET])


class Talk:
    """A session told to a loom, with tokens as they come."""

    def __init__(self) -> None:
        self.loom = Loom("t", "chat", density=4.0)
        self.count = 0

    def ask(self, *pieces: Snippet) -> None:
        self.count += 1
        self.loom.reply(Reported(self.count, Usage(), pieces, measured=False))

    def read(self, path: str, content: str, tool: str = "Read", **more: str) -> None:
        """The model calls, and the result enters the window."""
        name = f"k-{self.count}"
        self.ask(called(name, tool, {"file_path": path, **more}))
        self.loom.put([answered(name, content)])

    @property
    def trace(self) -> Trace:
        return self.loom.trace()

    def needs(self) -> list[tuple[int, int, str]]:
        """Return (number of the result, request, why)."""
        trace = self.trace
        results = [place for place, segment in enumerate(trace.segments) if segment.kind == "result"]
        return sorted((results.index(need.segment), need.request, need.why) for need in trace.needs)


def test_the_same_call_again_needs_the_newest_result_strictly():
    talk = Talk()
    talk.read("a.py", "one")
    talk.read("b.py", "other")
    talk.read("a.py", "two")
    talk.read("a.py", "three")
    talk.ask(Snippet("said", "Done."))
    assert talk.needs() == [(0, 2, "strict"), (2, 3, "strict")]


def test_another_call_on_the_file_needs_what_was_read_of_it():
    talk = Talk()
    talk.read("/repo/a.py", "lines 1 to 9", offset="1")
    talk.read("/repo/a.py", "lines 10 to 19", offset="10")
    talk.read("/repo/b.py", "other")
    talk.ask(called("e", "Edit", {"file_path": "/repo/a.py", "old_string": "x", "new_string": "y"}))
    assert [need for need in talk.needs() if need[1] == 3] == [(0, 3, "path"), (1, 3, "path")]


def test_words_that_stand_in_one_result_alone_are_a_quotation():
    talk = Talk()
    talk.read("a.txt", FILE)
    talk.ask(Snippet("said", f"I found it:\n{SECRET}"))
    talk.ask(Snippet("said", f"As I said:\n{SECRET}"))
    assert talk.needs() == [(0, 1, "quoted")]  # the second time it stands in the first reply too


def test_a_line_that_two_results_hold_is_no_quotation():
    talk = Talk()
    talk.read("a.txt", FILE)
    talk.read("b.txt", f"{SECRET}\nand something else of the same kind")
    talk.ask(Snippet("said", SECRET))
    assert talk.needs() == []


def test_line_numbers_in_front_do_not_hide_a_quotation():
    talk = Talk()
    talk.read("a.txt", "\n".join(f"{number:>6}→{line}" for number, line in enumerate(FILE.splitlines(), 1)))
    talk.ask(called("e", "Edit", {"file_path": "elsewhere.txt", "old_string": SECRET, "new_string": ""}))
    assert talk.needs() == [(0, 1, "quoted")]


def test_a_long_word_is_a_quotation_too():
    talk = Talk()
    talk.read("log", "see deployments/eu-west/2026-11-25/worker-7781.log for more")
    talk.ask(called("c", "Bash", {"command": "wc -c deployments/eu-west/2026-11-25/worker-7781.log"}))
    assert talk.needs() == [(0, 1, "quoted")]


def test_what_has_left_with_a_compaction_is_not_needed():
    talk = Talk()
    talk.read("a.py", FILE)
    talk.ask(Snippet("said", "Enough."))
    talk.loom.restart((), compacted=True)
    talk.read("a.py", FILE)
    talk.ask(Snippet("said", "Done."))
    assert talk.needs() == []


def test_needs_follow_a_result_into_a_stretch_that_keeps_it():
    talk = Talk()
    talk.read("a.py", FILE)
    talk.ask(Snippet("said", "Hm."))
    talk.loom.restart(talk.loom.window)
    talk.ask(Snippet("said", SECRET))
    (need,) = talk.trace.needs
    first = talk.trace.requests[2].first
    assert need.segment >= first
    assert (need.request, need.why) == (2, "quoted")


def test_quotes_take_time_in_proportion_to_the_text():
    """Six hundred results beside six hundred replies: doubling both doubles the time, far from four times."""

    def took(count: int) -> float:
        quotes, begun = Quotes(), time.process_time()
        for number in range(count):
            quotes.stands(
                "\n".join(f"line {line} of result {number} is like this" for line in range(60)), number
            )
            quotes.quoted("\n".join(f"line {line} of result {number} is like that" for line in range(60)))
        return time.process_time() - begun

    took(50)
    small = min(took(300) for _ in range(3))
    assert min(took(1_200) for _ in range(3)) < 4 * small * 2.5


def test_what_is_kept_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quoting, "LINES_KEPT_MAX", 100)
    quotes = Quotes()
    for number in range(50):
        quotes.stands("\n".join(f"line {line} of result {number} is like this" for line in range(20)), number)
    assert quotes.quoted("line 3 of result 49 is like this") == {49}
    assert quotes.quoted("line 3 of result 1 is like this") == set()
