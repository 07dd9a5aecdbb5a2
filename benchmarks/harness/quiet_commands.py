"""Commands that an agent runs all day, and what each of them leaves behind.

The labels, defined before anything was measured. *Lasting* is: content, mode, kind, the target of a link, the
names that there are and which of them share a file, owners, extended attributes. *Not lasting* are: times of any
kind; the stat data that git keeps in its index to be quick; what declared caches hold (``__pycache__``,
``.pytest_cache``, ``.mypy_cache``, ``.ruff_cache``). A file that is written again with the bytes it had, or made and
removed within one command, leaves nothing lasting. So:

- a *quiet* command leaves nothing lasting behind it, though many of them write (touch, an index, a cache, a file
  over itself): an inspection that calls it a change gives a false alarm;
- a *loud* command leaves something lasting: an inspection that finds nothing misses it.

Each label is checked against a portrait of the tree (``tests/workspace/likeness.py``), which shares no code with the
inspector. Commands are real lines, run by ``sh`` in a real project: a Python package with tests, C sources with a
Makefile that is up to date, a node script, databases, an archive, and a git history.
"""

from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import Final, NamedTuple

from tests.workspace.corpus.databases import SQL_PY


class Line(NamedTuple):
    """A command line; ``loud`` is its label."""

    command: str
    loud: bool


MODULES: Final = ("core", "shapes", "ledger", "words", "routes", "store")
SOURCES: Final = tuple(f"app/{name}.py" for name in MODULES)
TESTS: Final = tuple(f"tests/test_{name}.py" for name in MODULES)
C_FILES: Final = ("src/main.c", "src/list.c", "src/list.h")
DOCS: Final = ("README.md", "docs/guide.md", "docs/notes with spaces.md", "CHANGES")
TEXTS: Final = (*SOURCES, *TESTS, *C_FILES, *DOCS, "tool.js", "Makefile", "rows.csv")

LOOKING: Final = (
    "cat '{}'",
    "head -n 5 '{}'",
    "tail -c 40 '{}'",
    "wc '{}'",
    "nl -ba '{}' | sed -n 1,8p",
    "stat '{}'",
    "file '{}' || true",
    "sha256sum '{}'",
    "grep -n 'return' '{}' || true",
    "sed -n '2,6p' '{}'",
    "awk 'length > 60' '{}'",
    "sort -u '{}' | tail -3",
    "diff '{}' README.md >/dev/null || true",
    "cut -c1-20 '{}' | uniq -c",
    "tr a-z A-Z <'{}' | cksum",
    "python3 -c \"print(len(open('{}').read()))\"",
    "git log --oneline -3 -- '{}'",
    "git blame -s '{}' | head -3",
    "git diff HEAD -- '{}'",
    "git show HEAD:'{}' | wc -l",
    "git ls-files -s '{}'",
    "git check-ignore -v '{}' || true",
    "git log --follow --format=%an -- '{}' | sort | uniq -c",
    "od -c '{}' | head -2",
)
"""Reading one file."""

TOUCHING: Final = (
    "touch '{}'",
    "touch -d '2024-02-03 04:05:06' '{}'",
    "sed -i 's/no such passage/x/' '{}'",
    "cp '{}' \"$OUT/kept\" && cp \"$OUT/kept\" '{}'",
    "cp -p '{}' \"$OUT/kept\" && mv \"$OUT/kept\" '{}'",
    "mv '{}' moved.tmp && mv moved.tmp '{}'",
    "chmod +x '{}' && chmod -x '{}'",
    "perl -pi -e 's/no such passage/x/' '{}'",
    "dd if='{}' of='{}' conv=notrunc status=none",
    "python3 -c \"t = open('{}').read(); open('{}', 'w').write(t)\"",
    "git add '{}'",
    "git checkout -q -- '{}'",
    "git update-index --refresh -q; git diff --quiet -- '{}'",
    "f='{}'; ln \"$f\" name.tmp && rm name.tmp",
)
"""Writing, or doing as if, with nothing to show for it."""

OVER_MODULES: Final = (
    "python3 -m pytest -q tests/test_{}.py",
    "python3 -m pytest -q -k {} --collect-only tests/test_{}.py",
    "python3 -c 'import app.{}; print(app.{}.__name__)'",
    "python3 -m py_compile app/{}.py",
    "python3 -m compileall -q app/{}.py",
    "python3 -m app.{}",
    "python3 -m ast app/{}.py | wc -l",
    "python3 -m tokenize app/{}.py | tail -1",
    "python3 -m tabnanny app/{}.py",
    "grep -rn '{}' app tests docs | wc -l",
    "git grep -n '{}' | head -5",
    "git log --oneline -S'{}' | head -3",
    "find . -name '*{}*' -not -path './.git/*'",
    "ls -l app/{}.py tests/test_{}.py",
)
"""Working with one module."""

WHOLE: Final[tuple[str, ...]] = (
    "ls -la", "ls -R app tests", "find . -type f | wc -l", "find . -newer README.md -type f | head", "du -sh .",
    "tree -L 2 2>/dev/null || true", "grep -rn 'def ' app | wc -l", "grep -rl import . --include='*.py' | sort",
    "git status", "git status --short", "git status --porcelain=v2 --branch", "git log --oneline", "git log --stat -3",
    "git log -p -2 | wc -l", "git diff", "git diff --stat HEAD~2", "git show --stat", "git branch -a", "git tag -l",
    "git stash list", "git remote -v", "git fetch -q origin", "git fetch -q --all", "git ls-remote origin | wc -l",
    "git rev-parse HEAD", "git describe --always", "git shortlog -sn HEAD", "git reflog | head -3", "git config --list | wc -l",
    "git fsck --no-progress", "git count-objects -v", "git cat-file --batch-all-objects --batch-check | wc -l",
    "git commit --dry-run -q || true", "git add -A", "git add -u", "git checkout -q -- .", "git update-index --refresh",
    "git write-tree", "git worktree list", "git submodule status", "git clean -n", "git gc --auto -q", "git merge-base HEAD HEAD~1",
    "git rev-list --count HEAD", "git archive HEAD | tar -t | wc -l", "git push -q --dry-run origin main", "git diff --check",
    "git stash show 2>/dev/null || true", "git apply --check fix.patch", "git ls-tree -r HEAD | wc -l", "git hash-object README.md",
    "make", "make -n", "make -q", "make -n clean", "make -s all", "make --dry-run -B", "make -p | wc -l", "touch prog && make",
    "./prog", "gcc -fsyntax-only src/main.c", "gcc -E src/list.c | wc -l", 'gcc -c -o "$OUT/x.o" src/list.c', "nm prog | wc -l",
    'gcc -o "$OUT/prog" src/main.c src/list.c && "$OUT/prog"', "size prog", "objdump -d prog | tail -1", "strings prog | head -3",
    "node tool.js", "node -e 'console.log(6 * 7)'", "node -e \"require('fs').readdirSync('.')\"", "node --check tool.js",
    "python3 -m pytest -q", "python3 -m pytest -q -x tests", "python3 -m pytest --collect-only -q", "python3 -m pytest -q --lf || true",
    "python3 -m compileall -q app tests", "python3 -m unittest -q 2>&1 | tail -1 || true", "python3 -c 'import app'", "python3 -V",
    "python3 -m json.tool package.json", "python3 -m pydoc app.core | head -3", "python3 -m zipfile -l bundle.zip", "python3 -m site",
    "python3 sql.py rows.db 'select count(*) from row'", "python3 sql.py rows.db 'pragma integrity_check'",
    "python3 sql.py rows.db 'begin' \"insert into row values (1, 'x')\" 'rollback'", "python3 sql.py wal.db 'select count(*) from row'",
    "python3 sql.py wal.db 'pragma journal_mode'", "python3 sql.py rows.db 'update row set word = word where 0'",
    "tar -tf bundle.tar", "tar -df bundle.tar || true", "tar -xOf bundle.tar README.md | wc -l", 'tar -xf bundle.tar -C "$OUT"',
    "unzip -l bundle.zip 2>/dev/null || true", "tar -cf - app | wc -c", "gzip -c rows.csv | wc -c", "zcat rows.csv.gz | head -2",
    "sort rows.csv | uniq | wc -l", "sort -o rows.csv rows.csv", "jq . package.json 2>/dev/null || true", "xargs -n1 basename <list.txt | sort",
    'f=$(mktemp -p .) && rm "$f"', "mkdir tmp.d && rmdir tmp.d", "d=$(mktemp -d -p app) && touch $d/x && rm -r $d", ": >x.tmp; rm x.tmp",
    "cp -a app app.copy && rm -r app.copy", "mv app app.old && mv app.old app", "chmod 700 docs && chmod 755 docs", "chmod -R u+w app",
    "ln -sfn README.md link", "rm -f no-such-file", "mkdir -p app/data", "truncate -s +0 README.md", "rsync -a app/ app/ 2>/dev/null || true",
    "(sleep 0.01; true) & wait", "echo done >/dev/null", "env | wc -l", "ps aux | wc -l", "df . | tail -1", "cd docs && ls && cd ..",
    "test -f README.md && echo yes", "command -v gcc make git", "id", "date", "uname -a", "cat /proc/meminfo | head -1", "seq 1000 | tail -1",
    "patch --dry-run -s -p1 <fix.patch", "patch -s -p1 <fix.patch && patch -s -R -p1 <fix.patch && rm -f docs/*.orig", "setfacl --version >/dev/null 2>&1 || true",
    "mkfifo pipe.tmp && rm pipe.tmp", "flock app -c true", "exec 3<README.md && head -1 <&3",
)  # fmt: skip
"""Looking at the whole, building what is built, cleaning up behind oneself."""

ITEMS: Final = tuple(f"lab/item{n:02}" for n in range(12))

CHANGING: Final = (
    "echo more >>{}",
    "printf X | dd of={} conv=notrunc bs=1 seek=2 status=none",
    "printf Y | dd of={} conv=notrunc bs=1 seek=3 status=none; touch -r README.md {}",
    "cp -p {} t && printf Z | dd of=t conv=notrunc bs=1 seek=4 status=none && touch -r {} t && mv t {}",
    "chmod 600 {}",
    "chmod 4755 {}",
    "truncate -s -1 {}",
    "sed -i 's/some text/other words/' {}",
    "python3 -c \"import mmap; f = open('{}', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:1] = b'*'\"",
    "ln {} {}.hard",
    "mv {} {}.moved && mv {}.hard {}",
    "ln -s {} {}.link",
    "ln -sfn nowhere {}.link",
    "rm {}.moved",
    ": >{}.empty",
    "mkdir {}.d",
    "mkdir {}.d/empty",
    "mkfifo {}.pipe",
    "rm {}.link && mkdir {}.link",
    "rm {} && echo item again >{}",
    "git add -f {} && git commit -q -m {}",
    "rm {}.empty",
)
"""What an agent changes for good, on one item after the other, in this order."""

LASTING: Final = (
    "git tag loud", "git branch loud", "git config loud.word yes", "echo '*.skip' >>.gitignore", "echo s >stashed && git stash -q -u",
    "git stash drop -q", "git commit -q --allow-empty -m empty", "git switch -q loud", "git notes add -m n", "git update-ref refs/x/y HEAD",
    "python3 sql.py rows.db \"insert into row values (77, 'new')\"", "python3 sql.py --leave wal.db \"insert into row values (5, 'wal')\"",
    "touch app/new.py", "mv app/new.py app/newer.py", "rm app/newer.py", "mv docs papers", "chmod 500 papers", "chmod 750 papers", "rm fix.patch",
    "echo x >src/list.c.bak", "make -s clean", "make -s", "gzip -k rows.csv -c >again.gz", "tar -rf bundle.tar CHANGES",
)  # fmt: skip

AS_ROOT: Final = ("chown 12:34 {}", "python3 -c \"import os; os.setxattr('{}', 'user.seen', b'1')\"")


def quiet_lines() -> list[Line]:
    """Return the quiet commands, each once, in an order that mixes them and is always the same."""
    groups = [
        [each.replace("{}", path) for each, path in product(LOOKING, TEXTS)],
        [each.replace("{}", path) for each, path in product(TOUCHING, TEXTS)],
        [each.replace("{}", name) for each, name in product(OVER_MODULES, MODULES)],
        list(WHOLE),
    ]
    dealt = {command: place / len(group) for group in groups for place, command in enumerate(_strewn(group))}
    return [Line(command, loud=False) for command in sorted(dealt, key=lambda each: (dealt[each], each))]


def loud_lines(*, root: bool) -> list[Line]:
    """Return the commands that change something for good, in the order in which they can be run."""
    changing = (*CHANGING, *(AS_ROOT if root else ()))
    items = [each.replace("{}", item) for item in ITEMS for each in changing]
    return [Line(command, loud=True) for command in (*items, *LASTING)]


def _strewn(commands: Sequence[str]) -> list[str]:
    """Return ``commands`` so that neighbours have little to do with each other, always in the same order."""
    step = 37
    return [each for start in range(step) for each in islice(commands, start, None, step)]


# -- the project -------------------------------------------------------------------------------------


def write_project(root: Path) -> str:
    """Write the project's files; return the command that completes it."""
    files = {
        "README.md": "# Project\n\nA sample.\n",
        "docs/guide.md": "guide\n" * 40,
        "docs/notes with spaces.md": "notes\n",
        "CHANGES": "1.0 first\n",
        "app/__init__.py": "",
        "tests/__init__.py": "",
        "src/main.c": '#include <stdio.h>\n#include "list.h"\nint main(void) { printf("%d\\n", length(3)); return 0; }\n',
        "src/list.c": '#include "list.h"\nint length(int n) { return n + 1; }\n',
        "src/list.h": "int length(int n);\n",
        "Makefile": "all: prog\nprog: src/main.c src/list.c src/list.h\n\tgcc -o $@ src/main.c src/list.c\nclean:\n\trm -f prog\n",
        "tool.js": "const fs = require('fs');\nconsole.log(fs.readFileSync('rows.csv', 'utf8').split('\\n').length);\n",
        "package.json": '{"name": "sample", "version": "1.0.0"}\n',
        "rows.csv": "".join(f"{n:04},word{n}\n" for n in range(500)),
        "list.txt": "app/core.py\nsrc/main.c\n",
        "fix.patch": "--- a/CHANGES\n+++ b/CHANGES\n@@ -1 +1,2 @@\n 1.0 first\n+1.1 second\n",
        "sql.py": SQL_PY,
        ".gitignore": "__pycache__/\n.pytest_cache/\nprog\n*.db\n*.db-*\nlab/\nbundle.*\n*.gz\n",
    }
    for name in MODULES:
        files[f"app/{name}.py"] = (
            f'"""The {name}."""\n\n\ndef {name}(n: int) -> int:\n    return n * {len(name)}\n\n\nif __name__ == "__main__":\n    print({name}(2))\n'
        )
        files[f"tests/test_{name}.py"] = (
            f"from app.{name} import {name}\n\n\ndef test_{name}():\n    assert {name}(1) == {len(name)}\n"
        )
    files |= {item: f"item {nth} with some text in it\n" for nth, item in enumerate(ITEMS)}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return COMPLETED


COMPLETED: Final = r"""
git init -q -b main --template= && git add -A && git commit -q -m first && git config gc.auto 0
for n in 1 2 3 4; do echo "1.0.$n" >>CHANGES && git commit -q -a -m "change $n"; done
sed -i '2,$d' CHANGES && git commit -q -a -m back
git clone -q --bare --template= . "$OUT/origin.git" && git remote add origin "$OUT/origin.git" && git fetch -q --all
make -s
python3 sql.py rows.db 'create table row (id int, word text)' "insert into row values (1, 'one')"
python3 sql.py wal.db 'pragma journal_mode=wal' 'create table row (id int, word text)'
ln -s README.md link && mkdir app/data && git add link && git commit -q -m link
tar -cf bundle.tar README.md src && python3 -m zipfile -c bundle.zip README.md CHANGES
gzip -nk rows.csv && python3 -m compileall -q app tests && git fetch -q --all && git write-tree
"""
