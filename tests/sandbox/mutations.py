"""A program that changes a tree as it is told, and one that says how a tree looks: both run anywhere.

They are plain text for a Python without packages, so that the very same lines run in a sandbox and
outside of one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import strategies as st

from perdure.adapters.sandboxes.removal import uprooted

Deed = tuple[str, str, str, int]

_THEN = 1_577_836_801_500_000_000
"""A time long ago: whatever changes gets another."""

PATHS = [
    "a",
    "b",
    "h1",
    "h2",
    "l",
    "dl",
    "d",
    "d/a",
    "d/b",
    "d/h3",
    "d/e",
    "d/e/a",
    "d/e/n",
    "e",
    "e/a",
    "dl/a",
    "n",
    "n/m",
]
VERBS = [
    "write", "append", "hole", "touch", "chmod", "unlink", "mkdir", "rmtree", "rename", "link", "symlink",
    "mark", "fifo", "replace", "renew", "open", "swap",
]  # fmt: skip

CHANGE = """
import json, os, shutil, sys

def opened(a, mode):
    # A FIFO fails then, where it would wait for somebody.
    return open(a, mode, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK, 0o666))
def write(a, b, n):
    with opened(a, "w") as file:
        file.write(str(n) * n)
def append(a, b, n):
    with opened(a, "a") as file:
        file.write(str(n) * n)
def hole(a, b, n):
    with opened(a, "r+b") as file:
        file.truncate(n * 100_000)
def touch(a, b, n):
    os.utime(a, ns=(n * 10**9 + 7, n * 10**9 + 7), follow_symlinks=False)
def chmod(a, b, n):
    os.chmod(a, [0o600, 0o644, 0o755, 0o700, 0o555, 0o000, 0o4755][n % 7])
def unlink(a, b, n):
    os.unlink(a)
def mkdir(a, b, n):
    os.makedirs(a)
def rmtree(a, b, n):
    os.listdir(a)  # Fails for a FIFO, which rmtree would open, and wait.
    shutil.rmtree(a)
def rename(a, b, n):
    os.rename(a, b)
def link(a, b, n):
    os.link(a, b, follow_symlinks=False)
def symlink(a, b, n):
    os.symlink([b, "../" + b, "/etc/passwd", "nowhere"][n % 4], a)
def mark(a, b, n):
    name = ["user.one", "user.two", "user.overlay.opaque"][n % 3]
    if n % 2 and name in os.listxattr(a):
        os.removexattr(a, name)
    else:
        os.setxattr(a, name, b"y")
def fifo(a, b, n):
    os.mkfifo(a)
def replace(a, b, n):
    write(a + "~", b, n)
    os.replace(a + "~", a)
def renew(a, b, n):
    rmtree(a, b, n)
    os.mkdir(a)
    write(a + "/" + b.rpartition("/")[2], b, n)
def open_(a, b, n):
    os.close(os.open(a, os.O_RDWR))
def swap(a, b, n):
    os.rename(a, a + "~"); os.rename(b, a); os.rename(a + "~", b)

for verb, a, b, n in json.loads(sys.argv[1]):
    try:
        globals()[verb + "_" * (verb == "open")](a, b, n)
    except (OSError, shutil.Error):
        pass
"""

LOOK = """
import hashlib, json, os, stat

def marks(path):
    return {name: os.getxattr(path, name, follow_symlinks=False).decode("latin-1")
            for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.")}

looks, files = {}, {}
waiting = ["."]
while waiting:
    path = waiting.pop()
    found = os.lstat(path)
    kind, mode = stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode)
    look = [kind, mode, found.st_mtime_ns]
    if kind == stat.S_IFLNK:
        look.append(os.readlink(path))
    elif mode & 0o400:
        look.append(marks(path))
    if kind == stat.S_IFDIR and mode & 0o500 == 0o500:
        waiting += [path + "/" + name for name in os.listdir(path)]
    elif kind == stat.S_IFREG and mode & 0o400:
        with open(path, "rb") as file:
            look.append(hashlib.sha256(file.read()).hexdigest())
        look.append(found.st_size)
    if kind != stat.S_IFDIR:
        files.setdefault((found.st_dev, found.st_ino), []).append(path)
    looks[path] = look
for names in files.values():
    for path in names:
        looks[path].append(sorted(names))
print(json.dumps(looks, sort_keys=True))
"""
# What its owner may not read is left unread, so that root sees no more than anybody.


def deeds() -> st.SearchStrategy[list[Deed]]:
    """Return a strategy for some changes to the tree that ``planted`` makes."""
    one = st.tuples(st.sampled_from(VERBS), st.sampled_from(PATHS), st.sampled_from(PATHS), st.integers(0, 9))
    return st.lists(one, min_size=1, max_size=12)


def planted(root: Path) -> None:
    """Make ``root`` a small tree with some of everything, in place of whatever it held."""
    for path in root.iterdir():
        uprooted(path)
    root.chmod(0o755)
    for name in os.listxattr(root):
        os.removexattr(root, name)
    for folder in ("d", "d/e", "e"):
        (root / folder).mkdir()
    for file in ("a", "b", "d/a", "d/e/a", "h1"):
        (root / file).write_text(file)
    (root / "b").chmod(0o755)
    (root / "e").chmod(0o2755)
    (root / "h2").hardlink_to(root / "h1")
    (root / "d/h3").hardlink_to(root / "h1")
    (root / "l").symlink_to("a")
    (root / "dl").symlink_to("d")
    os.mkfifo(root / "p")
    for path in (*root.rglob("*"), root):
        os.utime(path, ns=(_THEN, _THEN), follow_symlinks=False)


def look(root: Path) -> dict[str, object]:
    """Return how each path of ``root`` looks, as ``LOOK`` sees it."""
    words = [sys.executable, "-I", "-S", "-c", LOOK]
    said = subprocess.run(words, cwd=root, check=True, stdout=subprocess.PIPE)
    return json.loads(said.stdout)
