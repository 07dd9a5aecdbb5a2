"""Trees drawn by Hypothesis: few names and contents, so that two of them meet often."""

from hypothesis import strategies as st

from perdure.checkpoint.tree import CACHE_RULE
from tests.checkpoint.disk import Inode, paths

names = st.sampled_from([b"a", b"b", b"a.b", b"\xff", b"d"])
modes = st.sampled_from([0o644, 0o600, 0o755])
contents = st.sampled_from([b"", b"one\n", b"two\n", b"one\ntwo\n"])
files = st.builds(Inode, st.just("file"), modes, contents, st.sampled_from([1, 2]))
links = st.builds(Inode, st.just("link"), st.just(0o777), st.sampled_from([b"a", b"../..", b"d/b"]))
fifos = st.builds(Inode, st.just("fifo"), modes)
plain = st.one_of(files, files, links, fifos)
secrets = st.builds(Inode, st.just("secret"), modes, contents)
specials = st.builds(Inode, st.just("special"), modes)
left = st.builds(
    Inode, st.just("left"), st.just(0), st.sampled_from([CACHE_RULE + b" __pycache__/", b"/data"])
)
odd = st.one_of(plain, secrets, specials, left)


def directories(leaves: st.SearchStrategy[Inode]) -> st.SearchStrategy[Inode]:
    """Draw directories of up to three levels below the root."""
    below = st.recursive(leaves, _directory, max_leaves=12)
    return _directory(below)


def _directory(inner: st.SearchStrategy[Inode]) -> st.SearchStrategy[Inode]:
    return st.builds(
        lambda mode, names: Inode("dir", mode, names=names),
        st.sampled_from([0o755, 0o555, 0o700]),
        st.dictionaries(names, inner, max_size=4),
    )


@st.composite
def trees(draw: st.DrawFn, leaves: st.SearchStrategy[Inode] = plain) -> Inode:
    """Draw a directory in which some files have several names."""
    top = draw(directories(leaves))
    files = [node for _, node in paths(top) if node.kind == "file"]
    folders = [top, *(node for _, node in paths(top) if node.kind == "dir")]
    for _ in range(draw(st.integers(0, 3)) if files else 0):
        folder = draw(st.sampled_from(folders))
        name = draw(names)
        if name not in folder.names or folder.names[name].kind == "file":
            folder.names[name] = draw(st.sampled_from(files))
    return top


@st.composite
def pairs(draw: st.DrawFn, leaves: st.SearchStrategy[Inode] = plain) -> tuple[Inode, Inode]:
    """Draw two directories, often alike: the second is the first with some changes, or another one."""
    first = draw(trees(leaves))
    return first, draw(changed(first, leaves))


@st.composite
def changed(draw: st.DrawFn, first: Inode, leaves: st.SearchStrategy[Inode] = plain) -> Inode:
    """Draw a copy of ``first`` with up to four changes, or seldom something else altogether."""
    if draw(st.integers(0, 4)) == 0:
        return draw(trees(leaves))
    second = copied(first)
    for _ in range(draw(st.integers(0, 4))):
        folders = [second, *(node for _, node in paths(second) if node.kind == "dir")]
        folder, name = draw(st.sampled_from(folders)), draw(names)
        match draw(st.sampled_from(["delete", "put", "put", "mode", "write", "twin", "move"])):
            case "delete":
                folder.names.pop(name, None)
            case "put":
                folder.names[name] = draw(st.one_of(leaves, directories(leaves)))
            case "mode" if name in folder.names and folder.names[name].kind not in ("link", "left"):
                folder.names[name].mode = draw(modes)
            case "write" if name in folder.names and folder.names[name].kind in ("file", "secret"):
                folder.names[name].content, folder.names[name].mtime = draw(contents), 3
            case "twin":
                files = [node for _, node in paths(second) if node.kind == "file"]
                if files and (name not in folder.names or folder.names[name].kind != "dir"):
                    folder.names[name] = draw(st.sampled_from(files))
            case _:
                moved = folder.names.pop(name, None)
                if moved is not None and moved.kind != "dir":
                    draw(st.sampled_from(folders)).names[draw(names)] = moved
    return second


def copied(node: Inode, seen: dict[int, Inode] | None = None) -> Inode:
    """Return a copy in which two names of one file are so again."""
    seen = {} if seen is None else seen
    if id(node) not in seen:
        made = Inode(node.kind, node.mode, node.content, node.mtime)
        seen[id(node)] = made
        made.names = {name: copied(below, seen) for name, below in node.names.items()}
    return seen[id(node)]
