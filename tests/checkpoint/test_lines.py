"""Lines matched, texts merged, and origins of lines: against hand-written truths and slow ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.checkpoint.blame import blame
from perdure.checkpoint.lines import is_text, matches, split
from perdure.checkpoint.texts import merge_text
from perdure.values.limits import TEXT_BYTES_MAX

texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"}\n", b"\n"]), max_size=25).map(b"".join)
ends = st.sampled_from([b"", b"end"])
contents = st.builds(bytes.__add__, texts, ends)


@given(contents)
def test_a_split_text_joined_again_is_the_text(content: bytes):
    assert b"".join(split(content)) == content


@given(contents, contents)
def test_matches_go_upwards_on_both_sides_and_are_equal(first: bytes, second: bytes):
    one, two = split(first), split(second)
    at = (0, 0)
    for match in matches(one, two):
        assert match.size > 0
        assert match.first >= at[0]
        assert match.second >= at[1]
        assert one[match.first : match.first + match.size] == two[match.second : match.second + match.size]
        at = match.first + match.size, match.second + match.size


@given(contents, contents)
def test_a_merge_with_a_side_that_changed_nothing_is_the_other_side(base: bytes, changed: bytes):
    for ours, theirs in ((base, changed), (changed, base), (changed, changed)):
        woven = merge_text(base, ours, theirs)
        assert (woven.content, woven.shown) == (changed, b"")


@given(contents, contents, contents)
def test_a_merge_does_not_care_which_side_is_which(base: bytes, ours: bytes, theirs: bytes):
    one, other = merge_text(base, ours, theirs), merge_text(base, theirs, ours)
    assert bool(one.shown) == bool(other.shown)
    if not one.shown:
        assert one.content == other.content


@given(st.data())
def test_changes_with_a_line_between_them_are_both_kept(data: st.DataObject):
    lines = [b"line %d\n" % number for number in range(data.draw(st.integers(3, 30)))]
    middle = data.draw(st.integers(1, len(lines) - 2))

    def edited(part: list[bytes], by: str) -> list[bytes]:
        fresh = [f"{by} {number}\n".encode() for number in range(data.draw(st.integers(0, 3)))]
        low = data.draw(st.integers(0, len(part)))
        high = data.draw(st.integers(low, len(part)))
        return [*part[:low], *fresh, *part[high:]]

    head, kept, tail = lines[:middle], lines[middle : middle + 1], lines[middle + 1 :]
    first, second = edited(head, "ours"), edited(tail, "theirs")
    woven = merge_text(b"".join(lines), b"".join(first + kept + tail), b"".join(head + kept + second))
    assert woven.shown == b""
    assert woven.content == b"".join(first + kept + second)


def test_changes_of_the_same_lines_collide_and_are_shown_with_the_usual_marks():
    woven = merge_text(b"1\n2\n3\n4\n5\n", b"1\n2\n3\nmine\n5\n", b"1\n2\n3\ntheirs\n5\n")
    expected = b"<<<<<<< present\nmine\n=======\ntheirs\n>>>>>>> wanted\n"
    assert woven.shown == b"1\n2\n3\n" + expected
    assert woven.content == b"1\n2\n3\n" + expected + b"5\n"


def test_a_last_line_without_an_end_does_not_run_into_the_next():
    assert merge_text(b"a\nb", b"x\na\nb", b"a\nb\nc\n").content == b"x\na\nb\nc\n"


def test_what_holds_a_null_or_is_too_large_is_no_text():
    assert is_text(b"a" * TEXT_BYTES_MAX)
    assert not is_text(b"a" * (TEXT_BYTES_MAX + 1))
    assert not is_text(b"a\0b")


@given(st.data())
def test_each_line_is_blamed_on_the_version_that_brought_it(data: st.DataObject):
    lines: list[bytes] = []
    versions: list[tuple[int, bytes]] = []
    for version in range(data.draw(st.integers(1, 12))):
        for edit in range(data.draw(st.integers(0, 3))):
            low = data.draw(st.integers(0, len(lines)))
            high = data.draw(st.integers(low, min(low + 2, len(lines))))
            fresh = data.draw(st.integers(0, 3))
            lines[low:high] = [b"%d %d.%d\n" % (version, edit, number) for number in range(fresh)]
        versions.append((version, b"".join(lines)))
    for origin, line in blame(versions):
        assert origin == int(line.split()[0])
    assert [line for _, line in blame(versions)] == lines


@given(st.lists(contents, min_size=1, max_size=6))
def test_a_line_is_never_blamed_on_a_version_that_has_no_such_line(chain: list[bytes]):
    blamed = blame(list(enumerate(chain)))
    assert b"".join(line for _, line in blamed) == chain[-1]
    for origin, line in blamed:
        assert all(line in split(each) for each in chain[origin:])
        assert origin == 0 or chain[origin] != chain[origin - 1]


def test_a_blame_by_a_matcher_that_sees_no_equal_lines_is_caught(monkeypatch: pytest.MonkeyPatch):
    from perdure.checkpoint import blame as room

    chain = [(0, b"a\nb\n"), (1, b"a\nb\nc\n")]
    assert [origin for origin, _ in blame(chain)] == [0, 0, 1]
    monkeypatch.setattr(room, "matches", lambda _first, _second: [])
    assert [origin for origin, _ in blame(chain)] == [1, 1, 1]


def test_a_binary_file_has_one_origin_and_text_after_it_begins_anew():
    chain = [("a", b"1\n2\n"), ("b", b"\0"), ("c", b"\0")]
    assert blame(chain) == (("b", b"\0"),)
    assert blame([*chain, ("d", b"1\n2\n")]) == (("d", b"1\n"), ("d", b"2\n"))
    assert blame([]) == ()
    assert blame([("a", b"1\n"), ("b", b"")]) == ()


@pytest.mark.bench
@pytest.mark.parametrize("kind", ["scattered", "repeated", "rewritten"])
def test_five_thousand_lines_over_two_hundred_versions_cost_less_than_two_seconds_to_blame(kind: str):
    lines = [b"    return %d\n" % number if number % 3 else b"}\n" for number in range(5000)]
    chain: list[tuple[int, bytes]] = []
    for version in range(200):
        for place in range(version % 7, 5000, 487):
            fresh = b"}\n" if kind == "repeated" else b"version %d at %d\n" % (version, place)
            lines[place : place + version % 3] = [fresh]
        if kind == "rewritten" and version % 10 == 0:
            lines[1000:3000] = [b"}\n" if place % 2 else b"{\n" for place in range(2000 + version)]
        chain.append((version, b"".join(lines)))
    began = time.process_time()
    blamed = blame(chain)
    assert time.process_time() - began < 2
    assert b"".join(line for _, line in blamed) == chain[-1][1]
