"""Recall gives back exact bytes, in one piece or in ranges, and finds pages whose handles were lost."""

import json
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.page.handles import RECALL_NAME, handles_in
from perdure.page.recalling import RECALL, Fault, Recalled, recall
from perdure.projection.state import Page
from perdure.values.digest import Json
from perdure.values.limits import RECALL_PAGES_SHOWN_MAX
from tests.page_text.tables import Shelf, shelf_of

Recall = Callable[..., Recalled]

lines = st.text(st.sampled_from("ab\u00e9\u20ac\U0001f600\t\r"), max_size=30)
texts = st.lists(lines, min_size=1, max_size=30).map("\n".join)


def collected(shelf: Shelf, page: Page, bytes_max: int, recall: Recall = recall) -> bytes:
    """Return what one gets who follows every answer's own words on how to go on."""
    whole, arguments = b"", cast("Json", {"page": page.page})
    for _ in range(page.content.size + 2):
        answer = recall(shelf.pages, arguments, shelf.read, bytes_max=bytes_max)
        assert not answer.wrong, answer.text
        (fault,) = answer.faults
        assert fault.start == len(whole)
        if fault.size == page.content.size:
            return answer.text.encode("utf-8", "surrogatepass")
        said, _, given_ = answer.text.partition("\n")
        whole += given_.encode("utf-8", "surrogatepass")
        assert len(given_.encode("utf-8", "surrogatepass")) == fault.size
        if "go on with" not in said:
            return whole
        arguments = cast("Json", json.loads(said.split("go on with ")[1].removesuffix("]")))
    raise AssertionError("the ranges don't come to an end")


@given(texts, st.integers(1, 200))
def test_ranges_put_together_are_the_page_byte_for_byte(text: str, bytes_max: int):
    shelf = Shelf()
    page = shelf.put(text)
    assert collected(shelf, page, bytes_max) == text.encode("utf-8", "surrogatepass")


def test_a_range_that_loses_the_line_feed_at_its_end_is_caught():
    """The bite of the property above."""

    def careless(*given_: object, **bounds: int) -> Recalled:
        answer = cast("Recall", recall)(*given_, **bounds)
        return answer._replace(text=answer.text.removesuffix("\n"))

    shelf = Shelf()
    page = shelf.put("one\ntwo\nthree\n")
    with pytest.raises(AssertionError):
        collected(shelf, page, 5, careless)


@given(texts, st.integers(1, 40), st.integers(1, 40))
def test_a_range_of_lines_is_those_lines(text: str, line: int, count: int):
    shelf = Shelf()
    page = shelf.put(text)
    every = [*(each + "\n" for each in text.split("\n")[:-1]), text.rpartition("\n")[2]]
    every = every if every[-1] else every[:-1]
    answer = recall(shelf.pages, {"page": page.page, "line": line, "lines": count}, shelf.read)
    wanted = "".join(every[line - 1 : line - 1 + count])
    if not text:
        assert answer.text == ""
    elif line > len(every):
        assert answer.wrong
        assert "ends before" in answer.text
    elif wanted == text:
        assert answer.text == text
    else:
        said, _, given_ = answer.text.partition("\n")
        assert given_ == wanted
        assert f"lines {line}-" in said
        start = len("".join(every[: line - 1]).encode())
        assert answer.faults == (Fault(page.page, start, len(wanted.encode())),)


def test_a_page_that_fits_comes_with_nothing_around_it():
    shelf = Shelf()
    page = shelf.put("[perdure: this is the page's own text]\r\n\tand so is this")
    answer = recall(shelf.pages, {"page": page.page}, shelf.read)
    assert answer == Recalled(
        "[perdure: this is the page's own text]\r\n\tand so is this", (Fault(page.page, 0, 55),)
    )


@pytest.mark.parametrize("around", ["page {}", "[{}]", "`{}`", " {} ", "{}\n"])
def test_a_handle_is_understood_with_words_around_it_and_in_capitals(around: str):
    shelf = Shelf()
    page = shelf.put("content")
    for handle in (page.page, page.page.upper()):
        assert recall(shelf.pages, {"page": around.format(handle)}, shelf.read).text == "content"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("p-abcdefghij", "must be an object"),
        ({"page": 7}, "`page` must be a string"),
        ({"page": "p-x", "line": "first"}, "`line` must be a whole number, 1 or more"),
        ({"page": "p-x", "line": 0}, "`line` must be a whole number, 1 or more"),
        ({"page": "p-x", "lines": True}, "`lines` must be a whole number"),
        ({"page": "p-x", "after": -1}, "`after` must be a whole number, 0 or more"),
        ({"page": "p-x", "line": 3, "after": 9}, "not both"),
        ({"line": 3}, "belong to one `page`"),
        (
            {"handle": "p-x"},
            "no field `handle`. There are: page, line, lines, after, find, path, tool, turn.",
        ),
        ({"page": "p-zzzzzzzzzz"}, "No page of this conversation has the handle p-zzzzzzzzzz."),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_the_field_and_the_cure(arguments: Json, words: str):
    answer = recall(shelf_of({"a.py": "text"}).pages, arguments, Shelf().read)
    assert answer.wrong
    assert words in answer.text
    assert answer.faults == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["page", "line", "lines", "after", "find", "path", "tool", "turn", "what"])


@given(json_values | st.dictionaries(fields, json_values, max_size=5))
def test_whatever_is_asked_there_is_an_answer(arguments: Json):
    shelf = shelf_of({"a.py": "one\ntwo", "b.py": ""})
    assert isinstance(recall(shelf.pages, arguments, shelf.read).text, str)


def test_a_handle_with_two_slips_is_recognised_and_not_taken_for_the_page():
    shelf = Shelf()
    page = shelf.put("secret")
    slip = page.page[:-2] + "".join("z" if letter != "z" else "y" for letter in page.page[-2:])
    answer = recall(shelf.pages, {"page": slip}, shelf.read)
    assert answer.wrong
    assert f"Did you mean {page.page}?" in answer.text
    assert "secret" not in answer.text


def test_pages_are_found_by_path_tool_turn_and_text_newest_first():
    shelf = Shelf()
    old = shelf.put("def old(): ...", about="src/app.py")
    other = shelf.put("nothing of it", tool="Bash", about="ls -la")
    new = shelf.put("def new(): ...\ndef find_me(): ...", about="src/App.py")
    assert handles_in(recall(shelf.pages, {}, shelf.read).text) == (new.page, other.page, old.page)
    assert handles_in(recall(shelf.pages, {"path": "app.py"}, shelf.read).text) == (new.page, old.page)
    assert handles_in(recall(shelf.pages, {"tool": "bash"}, shelf.read).text) == (other.page,)
    assert handles_in(recall(shelf.pages, {"turn": 2}, shelf.read).text) == (other.page,)
    answer = recall(shelf.pages, {"find": "find_me"}, shelf.read)
    assert handles_in(answer.text) == (new.page,)
    assert "2: def find_me(): ..." in answer.text
    assert answer.faults == ()
    assert "None of 3 results fits" in recall(shelf.pages, {"path": "nowhere"}, shelf.read).text


def test_a_search_in_a_page_gives_numbers_of_lines_and_takes_no_pattern():
    shelf = Shelf()
    page = shelf.put(
        "".join(f"line {number} (a+)+$\n" if number % 7 == 0 else "x\n" for number in range(1, 100))
    )
    answer = recall(shelf.pages, {"page": page.page, "find": "(a+)+$"}, shelf.read)
    said, *found = answer.text.split("\n")
    assert "14 lines" in said
    assert found == [f"{number}: line {number} (a+)+$" for number in range(7, 100, 7)]
    (fault,) = answer.faults
    given_ = shelf.blobs[page.content.blob or ""][fault.start : fault.start + fault.size]
    assert given_.startswith(b"line 7 ")
    assert given_.endswith(b"line 98 (a+)+$")
    assert "holds that text" in recall(shelf.pages, {"page": page.page, "find": "no such"}, shelf.read).text


def test_a_search_of_a_long_line_shows_what_stands_around_the_place():
    shelf = Shelf()
    page = shelf.put("a" * 100_000 + "needle" + "b" * 100_000)
    text = recall(shelf.pages, {"page": page.page, "find": "needle"}, shelf.read).text
    assert "aneedleb" in text
    assert len(text) < 500


def test_a_list_is_bounded_and_says_how_to_narrow_it():
    shelf = shelf_of({f"file {number}.py": str(number) for number in range(100)})
    text = recall(shelf.pages, {}, shelf.read).text
    assert len(handles_in(text)) == RECALL_PAGES_SHOWN_MAX
    assert f"The newest {RECALL_PAGES_SHOWN_MAX} of 100; narrow it by" in text


def test_only_pages_of_this_conversation_are_ever_read():
    mine, other = shelf_of({"a.py": "mine"}), shelf_of({"a.py": "theirs"})
    (handle,) = other.pages
    for arguments in ({"page": handle}, {"find": "theirs"}, {"path": "a.py", "find": "theirs"}):
        assert "theirs" not in recall(mine.pages, cast("Json", arguments), mine.read).text
    assert other.read_bytes == 0


def test_what_is_no_text_is_not_given_as_text():
    shelf = Shelf()
    page = shelf.put("iVBORw0KGgo=", exempt="media")
    assert recall(shelf.pages, {"page": page.page}, shelf.read).wrong
    assert shelf.read_bytes == 0


def test_the_declaration_is_what_it_was_and_small():
    """It stands before everything that a provider has cached for a conversation: it may never change."""
    assert RECALL.name == RECALL_NAME == "perdure_recall"
    spelled = json.dumps({"description": RECALL.description, "schema": RECALL.schema}, sort_keys=True)
    assert len(RECALL.description) / 4 <= 120
    assert len(spelled) / 4 <= 320
