"""A compaction is given the handles that its summary should keep."""

from perdure.page.finding import index
from perdure.page.handles import handles_in
from perdure.values.limits import RECALL_PAGES_SHOWN_MAX
from tests.page_text.tables import Shelf, shelf_of


def test_the_newest_version_of_each_path_stands_in_the_index():
    shelf = Shelf()
    shelf.put("version 1", about="a.py")
    other = shelf.put("other", about="b.py")
    newest = shelf.put("version 2", about="a.py", shape="whole")
    assert handles_in(index(shelf.pages)) == (newest.page, other.page)
    assert "turn 3: Read a.py" in index(shelf.pages)


def test_answers_of_recall_and_media_are_no_pages_to_keep():
    shelf = Shelf()
    shelf.put("again", exempt="recall")
    shelf.put("iVBORw0KGgo=", exempt="media")
    assert index(shelf.pages) == ""
    assert index({}) == ""


def test_an_index_is_bounded():
    shelf = shelf_of({f"file {number}.py": str(number) for number in range(1000)})
    text = index(shelf.pages)
    assert len(handles_in(text)) == RECALL_PAGES_SHOWN_MAX
    assert "lists the others" in text
    assert len(text) < 200 * RECALL_PAGES_SHOWN_MAX
