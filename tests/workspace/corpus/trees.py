"""Shapes of trees: names, depth, number, links of both kinds, directories that move, kinds that change."""

from typing import Final

from tests.workspace.corpus.task import Read, Shell, Task, Write, look

NAMES_PY = '''"""names.py make|move|drop: files whose names are bytes, not text."""
import os, sys

NAMES = [b"caf\\xe9", b"\\xff\\xfe", b"two\\nlines", b" leading", b"-dash", b"tab\\there", "na\\u00efve".encode(),
         "nai\\u0308ve".encode(), b"quote\\"'$`", b"#half", b"*", b"~", b"a" * 200, "\\U0001f600".encode()]
what = sys.argv[1]
if what == "make":
    os.mkdir(b"odd")
    os.mkdir(b"odd/d\\xe9")
    for nth, name in enumerate(NAMES):
        with open(b"odd/" + name, "wb") as file:
            file.write(b"%d " % nth + name)
elif what == "move":
    for name in NAMES[:7]:
        os.rename(b"odd/" + name, b"odd/d\\xe9/" + name + b"\\x80")
    os.symlink(b"caf\\xe9\\x80", b"odd/d\\xe9/link\\xa0")
elif what == "drop":
    for name in NAMES[7:10]:
        os.unlink(b"odd/" + name)
'''

NAMES = Task(
    "odd names",
    "names that are no UTF-8, with newlines, dashes, quotes; two spellings of one letter",
    files={"names.py": NAMES_PY},
    turns=(
        Shell("python3 names.py make\n# half\nls odd | wc -l >>seen"),
        look("ls -b odd"),
        Shell("python3 names.py move"),
        look("find odd -print0 | tr '\\0' '\\n' | wc -l"),
        Shell("python3 names.py drop\n# half\ncat odd/* 2>/dev/null | wc -c >>seen || true"),
        Shell("mv odd 'odd and done'\nmkdir odd\n# half\nmv './odd and done'/-dash* odd/ 2>/dev/null || echo none >>seen"),
    ),
    questions=("find . | LC_ALL=C sort | od -c | md5sum", "cat seen"),
)  # fmt: skip

DEEP = Task(
    "deep trees",
    "sixty directories one in the other, moved as a whole, cut in the middle",
    turns=(
        Shell("p=.\nfor n in $(seq 60); do p=$p/level$n; mkdir $p; echo $n >$p/file; done\ntouch -d 2020-01-01 level1/file"),
        look("find . -type d | wc -l"),
        Shell("mv level1 top\n# half\nmv top/level2/level3 middle"),
        look("find middle -name file | wc -l"),
        Shell("mkdir -p a/b/c/d/e/f/g\n# half\nmv middle a/b/c/d/e/f/g/"),
        Shell("find a -name file -newer top/file | sort | xargs cat | wc -c >>count\nfind a -depth -name 'level5?' -exec rm -r {} + \n# half\nfind . -type f | wc -l >>count"),
        Read("count"),
    ),
    questions=("find . | sort | md5sum", "cat count"),
)  # fmt: skip

MANY = Task(
    "two thousand small files",
    "made, changed every third, moved by a glob, half of them deleted",
    turns=(
        Shell("mkdir -p many/a many/b\ni=0\nwhile [ $i -lt 2000 ]; do echo file $i >many/a/f$i; i=$((i + 1)); done"),
        look("ls many/a | wc -l"),
        Shell("sed -i 's/file/changed/' many/a/f*0\n# half\nsed -i 's/file/other/' many/a/f*5"),
        look("grep -rl changed many | wc -l"),
        Shell("mv many/a/f1* many/b/\n# half\nrm many/a/f2*"),
        Shell("cat many/a/f* many/b/f* | sort | uniq -c | wc -l >>sum\nmv many/b many/a/\n# half\nchmod 600 many/a/f3*"),
        look("find many -type f | wc -l"),
    ),
    questions=("find many -type f | sort | xargs cat | md5sum", "cat sum"),
)  # fmt: skip

CASES = Task(
    "case-only renames",
    "a name that changes in nothing but the size of its letters, files and directories",
    files={"readme": "r\n", "Docs/Guide": "g\n", "Docs/guide2": "g2\n"},
    setup="git init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("mv readme README\n# half\necho more >>README"),
        look("git status --short"),
        Shell("mv Docs docs.tmp\n# half\nmv docs.tmp docs"),
        Shell("mv docs/Guide docs/GUIDE\ncp docs/GUIDE docs/Guide\n# half\necho upper >>docs/GUIDE\necho lower >>docs/Guide"),
        look("ls docs"),
        Shell("git add -A\ngit commit -q -m cases\n# half\nmv docs/GUIDE docs/guide\nls docs >>seen"),
    ),
    questions=("git ls-files", "git status --short", "cat seen docs/guide"),
    requires=("git",),
)  # fmt: skip

FARM = Task(
    "a symlink farm",
    "packages linked into one place, a switch of versions, dangling and circular links",
    files={"pkg/one-1/bin/one": "#!/bin/sh\necho one 1\n", "pkg/one-2/bin/one": "#!/bin/sh\necho one 2\n", "pkg/two-1/bin/two": "#!/bin/sh\necho two\n"},
    turns=(
        Shell("mkdir bin\nln -s ../pkg/one-1/bin/one bin/one\n# half\nln -s ../pkg/two-1/bin/two bin/two"),
        look("bin/one; bin/two; readlink bin/*"),
        Shell("ln -s one-1 pkg/one\n# half\nln -sf ../pkg/one/bin/one bin/one\nbin/one >>out"),
        Shell("ln -sfn one-2 pkg/one\n# half\nbin/one >>out"),
        look("readlink -f bin/one | sed 's/.*pkg/pkg/'"),
        Shell("ln -s loop2 loop1\nln -s loop1 loop2\n# half\nln -s nowhere dangling\nln -s $PWD/pkg absolute"),
        Shell("rm bin/two\nmkdir bin/two\n# half\nln -s ../../pkg/two-1/bin/two bin/two/two\nbin/two/two >>out\nls absolute >>out"),
    ),
    questions=("bin/one", "cat out", "readlink loop1 loop2 dangling pkg/one"),
)  # fmt: skip

HARD = Task(
    "hard links",
    "rotating backups that share unchanged files, one name of several changed in place",
    files={"live/a": "a\n", "live/b": "b\n", "live/sub/c": "c\n"},
    turns=(
        Shell("cp -al live backup.0"),
        Shell("echo a2 >live/a.new\n# half\nmv live/a.new live/a"),
        look("stat -c '%n %h' live/* backup.0/*"),
        Shell("mv backup.0 backup.1\ncp -al backup.1 backup.0\n# half\ncp --remove-destination live/a backup.0/a"),
        Shell("echo shared >>backup.1/b\n# half\nln live/a live/sub/alias"),
        look("cat live/b; find . -links +1 -type f | sort"),
        Shell("rm backup.1/b\ncp live/b backup.1/b\n# half\nstat -c '%n %h' live/* backup.?/* | sort >>counts"),
    ),
    questions=("cat counts live/b", "find . -links +1 -type f | sort"),
)  # fmt: skip

HOLLOW = Task(
    "empty directories and FIFOs",
    "what git doesn't know: directories without files, named pipes",
    turns=(
        Shell("mkdir -p var/run var/spool/in\n# half\nmkdir var/spool/out\nmkfifo var/run/pipe"),
        look("find var | sort"),
        Shell("(cat var/run/pipe >var/got &)\n# half\necho through >var/run/pipe\nfor n in $(seq 50); do [ -s var/got ] && break; sleep 0.02; done"),
        look("cat var/got"),
        Shell("rmdir var/spool/in\n# half\nmkfifo -m 600 var/spool/in\nmv var/run var/running"),
        Shell("mv var/spool/out var/spool/done\nrm var/running/pipe\n# half\nmkdir var/running/pipe\nfind var -type d -empty | sort >empties"),
    ),
    questions=("cat empties", "stat -c '%F %a' var/spool/in"),
)  # fmt: skip

SWAPPED = Task(
    "directories that change places",
    "two directories swapped, a file that becomes a directory and back, a link that becomes what it pointed to",
    files={"blue/conf": "blue\n", "green/conf": "green\n", "thing": "a file\n"},
    setup="ln -s blue live\ngit init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("mv blue tmp\nmv green blue\n# half\nmv tmp green"),
        look("cat live/conf"),
        Shell("mv thing thing.old\nmkdir thing\n# half\nmv thing.old thing/old"),
        Shell("rm live\nmv blue live\n# half\nln -s live blue\ncat blue/conf >>seen"),
        look("git status --short"),
        Shell("mv thing/old thing.x\nrmdir thing\n# half\nmv thing.x thing\necho back >>seen"),
        Write("live/conf", "written\n"),
        Shell("rm -r green\nln -s thing green\ncat green blue/conf >>seen"),
    ),
    questions=("cat seen", "readlink blue green"),
    requires=("git",),
)  # fmt: skip

DISGUISED = Task(
    "the same size and date",
    "files replaced by others of equal length whose dates were put back: only content tells",
    files={"a": "aaaa\n", "b": "bbbb\n", "c": "cccc\n"},
    setup="touch -d 2024-01-01 a b c\ngit init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("echo AAAA >a\ntouch -r c a\n# half\necho BBBB >b\ntouch -r c b"),
        look("cat a b c"),
        Shell("rm a\n# half\nprintf 'aAaA\\n' >a\ntouch -d 2024-01-01 a"),
        Shell("mv b x\nmv c b\n# half\nmv x c\ncat a b c >>order"),
        look("git diff --stat"),
        Shell("cp -p a d\nprintf 'dddd\\n' | dd of=d conv=notrunc status=none\ntouch -r a d\n# half\ncat d >>order"),
        Shell("rm a b c\n# half\nprintf 'zzzz\\n' | tee a b c >/dev/null\ntouch -d 2024-01-01 a b c"),
    ),
    questions=("cat order a b c d",),
    requires=("git",),
)  # fmt: skip

TASKS: Final = (NAMES, DEEP, MANY, CASES, FARM, HARD, HOLLOW, SWAPPED, DISGUISED)
