"""edit replaces the piece that is meant and nothing else; writes and edits equal a plain model."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from perdure.adapters.tools.coding import toolset
from perdure.adapters.tools.coding.editing import edited
from perdure.adapters.tools.coding.text import decoded, encoded
from perdure.adapters.tools.outcomes import NotDone
from perdure.checkpoint.tree import PART_PREFIX
from tests.tools.coding.desk import PlainDesk, everything, text, use


@pytest.fixture
def desk(tmp_path: Path) -> PlainDesk:
    """An empty workspace."""
    root = tmp_path / "ws"
    root.mkdir()
    return PlainDesk(root)


def test_a_piece_is_replaced_where_it_stands_once(desk: PlainDesk):
    (desk.root / "a.py").write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 1\r\ncaf\xe9\r\n")
    said = text(desk, "edit", path="a.py", old="a = 1\nb", new="a = 2\nc")
    assert said == "a.py: 1 place replaced, line 1"
    assert (desk.root / "a.py").read_bytes() == b"\xef\xbb\xbfa = 2\r\nc = 1\r\ncaf\xe9\r\n"


def test_a_piece_that_stands_more_than_once_is_replaced_only_if_that_is_meant(desk: PlainDesk):
    (desk.root / "a.py").write_text("x\ny\nx\nxx\n")
    with pytest.raises(NotDone, match=r"stands 4 times in 'a.py', in lines 1, 3, 4, 4: .*all=true"):
        text(desk, "edit", path="a.py", old="x", new="z")
    assert text(desk, "edit", path="a.py", old="x", new="z", all=True) == (
        "a.py: 4 places replaced, line 1, 3, 4, 4"
    )
    assert (desk.root / "a.py").read_text() == "z\ny\nz\nzz\n"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("gone", "x", "does not stand in 'a.py'; read the file again"),
        ("if a:\n  b()", "x", "with other white space it does"),
        ("if a:\n    c()", "x", "its first line stands in line 1, and goes on otherwise"),
        ("", "x", "old is empty"),
        ("if", "if", "the same"),
    ],
)
def test_a_piece_that_can_not_be_replaced_says_why_and_what_is_near(
    desk: PlainDesk, old: str, new: str, why: str
):
    (desk.root / "a.py").write_text("if a:\n    b()\n")
    with pytest.raises(NotDone, match=re.escape(why)):
        text(desk, "edit", path="a.py", old=old, new=new)
    assert (desk.root / "a.py").read_text() == "if a:\n    b()\n"


def test_a_file_that_changes_while_it_is_edited_is_left_as_it_is(
    desk: PlainDesk, monkeypatch: pytest.MonkeyPatch
):
    (desk.root / "a.py").write_text("mine\n")

    def interrupted(content: bytes, path: str, old: str, new: str, *, everywhere: bool):
        (desk.root / "a.py").write_text("theirs\n")
        return edited(content, path, old, new, everywhere=everywhere)

    monkeypatch.setattr(toolset, "edited", interrupted)
    with pytest.raises(NotDone, match="changed meanwhile"):
        text(desk, "edit", path="a.py", old="mine", new="ours")
    assert everything(desk.root) == {"a.py": b"theirs\n"}


pieces = st.text("ab\n\r é", max_size=8)
odd = st.sampled_from([b"", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\r\n", b"\n"])
bodies = st.lists(st.one_of(pieces.map(str.encode), odd), max_size=6).map(b"".join)


@given(content=st.one_of(bodies, st.binary(max_size=30)))
def test_decoding_and_encoding_gives_the_same_bytes(content: bytes):
    assert encoded(decoded(content)) == content


@settings(max_examples=400)
@given(content=bodies, old=pieces, new=pieces, everywhere=st.booleans(), crlf=st.booleans())
@example(content=b"a\nb\nc", old="\nb\n", new="", everywhere=False, crlf=True)
@example(content=b"a\r\nb\nc", old="a\nb", new="x\ny", everywhere=False, crlf=False)
def test_editing_equals_a_plain_replacement(content: bytes, old: str, new: str, everywhere: bool, crlf: bool):
    if crlf:
        content = re.sub(rb"\r*\n|\r", b"\r\n", content)
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    body = content[len(mark) :]
    uniform = b"\n" in body and body.count(b"\r\n") == body.count(b"\n") == body.count(b"\r")
    if uniform:
        body = body.replace(b"\r\n", b"\n")
        piece, put = old.replace("\r\n", "\n").encode(), new.replace("\r\n", "\n").encode()
    else:
        piece, put = old.encode(), new.encode()
        if piece not in body and "\r" not in old and "\n" in old:
            piece, put = piece.replace(b"\n", b"\r\n"), put.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if piece not in body:
                piece, put = old.encode(), new.encode()
    count = body.count(piece) if piece else 0
    try:
        change = edited(content, "f", old, new, everywhere=everywhere)
    except NotDone:
        assert count == 0 or piece == put or (count > 1 and not everywhere)
        return
    assert count == len(change.lines)
    after = body.replace(piece, put)
    assert change.content == mark + (after.replace(b"\n", b"\r\n") if uniform else after)


names = st.sampled_from(["a", "b", "d/a", "d/e/a", "./b", "d/../a", "d", "a/x"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), names, pieces, pieces),
        st.tuples(st.just("edit"), names, pieces, pieces),
    ),
    max_size=12,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_any_sequence_of_writes_and_edits_leaves_what_a_dictionary_would_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, str]]
):
    desk = PlainDesk(tmp_path_factory.mktemp("ws"))
    model: dict[str, bytes] = {}
    for verb, name, first, second in steps:
        path = os.path.normpath(name)
        above = {str(parent) for parent in Path(path).parents} - {"."}
        below = any(each.startswith(f"{path}/") for each in model)
        try:
            if verb == "write":
                use(desk, "write", path=name, content=first)
                assert not below
                assert not above & model.keys()
                model[path] = first.encode()
            else:
                use(desk, "edit", path=name, old=first, new=second)
                model[path] = edited(model[path], path, first, second, everywhere=False).content
        except NotDone:
            if verb == "write":
                assert below or above & model.keys()
            elif path in model:
                with pytest.raises(NotDone):
                    edited(model[path], path, first, second, everywhere=False)
    assert everything(desk.root) == model
    assert not [path for path in desk.root.rglob("*") if path.name.startswith(PART_PREFIX)]
