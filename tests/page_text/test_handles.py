"""Handles name one result each, and a stub says in one line what left and how to get it back."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perdure.log.events import Content
from perdure.page.handles import digest_of, handle_in, handle_of, handles_in, plain, stub
from perdure.values.digest import digest
from perdure.values.limits import ABOUT_CHARACTERS_MAX
from tests.page_text.tables import Shelf

names = st.text(max_size=40)
pairs = st.tuples(names, names)


@given(pairs, pairs)
def test_another_call_or_another_content_has_another_handle(one: tuple[str, str], other: tuple[str, str]):
    assert (handle_of(*one) == handle_of(*other)) == (one == other)


@given(names, names, st.text(alphabet="([{\"'`., \n:", max_size=3))
def test_a_handle_is_found_in_any_sentence(call: str, content: str, mark: str):
    handle = handle_of(call, content)
    assert handles_in(f"see {mark}{handle}{mark} and again {handle}.") == (handle,)


def test_what_is_no_handle_is_not_found():
    assert handles_in("p-short up-abcdefghij p-ABCDEFGHIJ p-abcdefghijX p-with-dashes p-0123456789") == ()


def test_a_taken_handle_grows_until_it_is_free_and_is_found_again_by_its_page():
    shelf = Shelf()
    mine = shelf.put("mine")
    rival = replace(mine, call="another call")
    taken = {mine.page: rival}
    grown = handle_in(taken, mine.call, digest_of(mine.content))
    assert grown != mine.page
    assert grown.startswith(mine.page)
    assert handles_in(grown) == (grown,)
    both = {**taken, grown: replace(mine, page=grown)}
    assert handle_in(both, mine.call, digest_of(mine.content)) == grown
    assert handle_in({mine.page: mine}, mine.call, digest_of(mine.content)) == mine.page


def test_content_that_stands_in_the_event_has_the_digest_that_its_blob_would_have():
    assert digest_of(Content(4, "text")) == digest(b"text") == digest_of(Content(4, None, digest(b"text")))


@given(st.text(max_size=3000), st.text(max_size=300), st.integers(0, 10**9), st.integers(0, 10**7))
def test_a_stub_is_one_short_line_of_ascii_that_names_its_page(
    about: str, tool: str, tokens: int, lines: int
):
    page = replace(Shelf().put("x"), about=about, tool=tool, tokens=tokens, lines=lines)
    line = stub(page)
    assert line == stub(page)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= 250 + 2 * ABOUT_CHARACTERS_MAX
    assert page.page in handles_in(line)


def test_a_stub_says_what_left_how_large_it_is_and_that_the_tool_gives_another_version():
    page = replace(Shelf().put("x\n" * 210, about="src/app.py"), page="p-abcdefghij", tokens=3412)
    assert stub(page) == (
        "[perdure: Read src/app.py (3412 tokens, 210 lines) left the window. perdure_recall with page p-abcdefghij "
        "gives exactly these bytes; calling the tool again gives the present version.]"
    )


@given(st.text(max_size=2000), st.integers(10, 200))
def test_plain_words_never_outgrow_their_limit(text: str, limit: int):
    words = plain(text, limit)
    assert len(words) <= limit
    assert words.isascii()
    assert words == " ".join(words.split(" "))


def test_a_long_path_keeps_both_ends():
    path = f"/shop/{'deep/' * 100}module.py"
    assert plain(path).startswith("/shop/deep")
    assert plain(path).endswith("module.py")
