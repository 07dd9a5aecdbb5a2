"""Modes, owners and attributes; large, sparse and mapped files."""

from typing import Final

from tests.workspace.corpus.task import Edit, Shell, Task, look

MODES = Task(
    "modes of every kind",
    "chmod 000, set-group-id and sticky directories, set-user-id files, a read-only directory",
    files={"a": "a\n", "b": "b\n", "run": "#!/bin/sh\necho ran\n", "d/x": "x\n", "e/y": "y\n"},
    setup="git init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("stat -c '%a %n' a b d run >>modes\nchmod 000 a\n# half\nchmod 4755 run"),
        look("stat -c '%a %n' *"),
        Shell("stat -c '%a %n' a b d run >>modes\nchmod 2775 d\n# half\nchmod 1777 e\nmkdir d/inner"),
        Shell("stat -c '%a %n' d d/inner e >>modes\nchmod 0555 e\n# half\nchmod 0444 e/y"),
        look("ls -l | cut -c1-10"),
        Shell("stat -c '%a %n' a e e/y >>modes\nchmod 0755 e\nmv e/y e/z\n# half\nchmod 0555 e"),
        Shell("stat -c '%a %n' a e e/z run >>modes\nchmod u+rwX,go-rwx -R d\n# half\nchmod 0400 a"),
    ),
    questions=("cat modes", "find . -path ./.git -prune -o -printf '%m %p\\n' | sort"),
    requires=("git",),
)  # fmt: skip

UMASK = Task(
    "born under a umask",
    "files and directories whose modes come from the umask in force, and from a set-group-id parent",
    turns=(
        Shell("umask 027\nmkdir a\n# half\necho x >a/f"),
        Shell("umask 077\nmkdir a/private\n# half\necho y >a/private/key"),
        look("find . -printf '%m %p\\n' | sort"),
        Shell("umask 002\nchmod g+s a\nmkdir a/shared\n# half\ninstall -d -m 1770 a/sticky\ncp a/f a/shared/f"),
        Shell("umask 000\n: >open\n# half\nmkdir wide\nln -s open link"),
        look("stat -c %a open wide"),
        Shell("umask 022\ncp -p a/private/key wide/key\n# half\ncp a/private/key wide/copy\nmodes=$(find . -printf '%m %p\\n' | sort)\necho \"$modes\" >modes"),
    ),
    questions=("cat modes",),
)  # fmt: skip

OWNERS = Task(
    "owners",
    "files given to other users and groups; what a copy keeps of them",
    files={"a": "a\n", "b": "b\n", "d/c": "c\n"},
    setup="git init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("chown 1234:5678 a\n# half\nchown -R 4321 d"),
        look("stat -c '%u:%g %n' a b d d/c"),
        Shell("stat -c '%u:%g %n' a b d d/c >>owners\nchown 1:2 b\nln -s a link\n# half\nchown -h 7:8 link"),
        Shell("stat -c '%u:%g %n' a b link >>owners\ncp -p a copy\n# half\ncp a plain\nmkdir -m 2755 d/g\nchgrp 99 d/g\necho n >d/g/born"),
        look("stat -c '%u:%g %n' d/g/born"),
        Shell("stat -c '%u:%g %n' copy plain d/g/born >>owners\nchmod 4755 a\nchown 0:0 a\n# half\nstat -c '%a %u:%g %n' a >>owners"),
    ),
    questions=("cat owners", "find . -path ./.git -prune -o -printf '%U:%G %m %p\\n' | sort"),
    requires=("git", "root", "chown"),
)  # fmt: skip

ATTRIBUTES = Task(
    "extended attributes",
    "attributes of files and directories, changed without a change of content",
    files={
        "x.py": (
            "import os, sys\nwhat, path, name, *value = sys.argv[1:]\n"
            "if what == 'set':\n    os.setxattr(path, name, value[0].encode())\n"
            "elif what == 'drop':\n    os.removexattr(path, name)\n"
            "else:\n    print(sorted((each, os.getxattr(path, each)) for each in os.listxattr(path)))\n"
        ),
        "a": "a\n",
        "b": "b\n",
        "d/c": "c\n",
    },
    turns=(
        Shell("python3 x.py set a user.first 1\n# half\npython3 x.py set d user.place here"),
        look("python3 x.py get a x; python3 x.py get d x"),
        Shell("python3 x.py get a x >>seen\npython3 x.py set a user.first 2\n# half\npython3 x.py set a user.second 2"),
        Shell("python3 x.py get a x >>seen\nmv a d/a\n# half\ncp --preserve=xattr d/a a"),
        look("python3 x.py get a x"),
        Shell("python3 x.py get a x >>seen\npython3 x.py drop d/a user.first\n# half\npython3 x.py get d/a x >>seen"),
        Shell("python3 x.py get d x >>seen\npython3 x.py set b user.bytes $(printf 'x%.0s' $(seq 300))"),
    ),
    questions=("cat seen", "python3 x.py get b x", "python3 x.py get d/a x"),
    requires=("root", "xattrs"),
)  # fmt: skip

GUARDED = Task(
    "a locked cabinet",
    "a tool that keeps its files read-only in read-only directories and opens them for each change",
    files={
        "put": (
            "#!/bin/sh\nset -e\nchmod u+w cabinet\n[ ! -e cabinet/$1 ] || chmod u+w cabinet/$1\n"
            "echo $2 >>cabinet/$1\nchmod 444 cabinet/$1\nchmod 555 cabinet\n"
        ),
        "cabinet/index": "start\n",
    },
    setup="chmod 444 cabinet/index\nchmod 555 cabinet",
    turns=(
        Shell("./put index one\n# half\n./put first 1"),
        look("ls -l cabinet | cut -c1-10; cat cabinet/index"),
        Shell("chmod u+w cabinet\nmv cabinet/first cabinet/second\n# half\nchmod 555 cabinet\n./put index two"),
        Shell("cp -rp cabinet safe\n# half\n./put second 2"),
        look("cat safe/second cabinet/second"),
        Shell("chmod -R u+w safe\nrm safe/index\n# half\nchmod -R a-w safe\n./put index three"),
    ),
    questions=("cat cabinet/index cabinet/second", "find . -printf '%m %p\\n' | sort"),
)  # fmt: skip

LARGE = Task(
    "a large file changed in place",
    "64 MB in which a few bytes change, a second one appended to, one shortened",
    setup="openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0 -in /dev/zero 2>/dev/null | head -c 67108864 >disk.img || true",
    turns=(
        look("cksum disk.img"),
        Shell("printf one | dd of=disk.img bs=1 seek=20000000 conv=notrunc status=none\n# half\nprintf two | dd of=disk.img bs=1 seek=60000000 conv=notrunc status=none"),
        Shell("dd if=disk.img of=part.img bs=1M count=8 skip=16 status=none\n# half\nprintf tail >>part.img\nprintf tail >>disk.img"),
        look("wc -c disk.img part.img"),
        Shell("truncate -s 50000000 disk.img\n# half\ncat part.img >>disk.img"),
        Shell("mv disk.img moved.img\nhead -c 4096 moved.img >head.img\n# half\ncksum moved.img part.img >>sums"),
    ),
    questions=("cat sums", "cksum moved.img"),
    requires=("openssl",),
)  # fmt: skip

SPARSE = Task(
    "sparse files",
    "files that are mostly holes, data written far out, a hole punched, a file grown without data",
    turns=(
        Shell("truncate -s 200M sparse\n# half\nprintf far | dd of=sparse bs=1 seek=150000000 conv=notrunc status=none"),
        look("wc -c sparse"),
        Shell("cp --sparse=always sparse second\n# half\nprintf near | dd of=second bs=1 seek=5 conv=notrunc status=none"),
        Shell("fallocate -p -o 149999616 -l 4096 sparse\n# half\ntail -c +150000001 sparse | head -c 3 | od -c >>seen"),
        look("cmp sparse second | head -1 || true"),
        Shell("truncate -s 60M second\nprintf end >>second\n# half\ntail -c 3 second >>seen\nhead -c 9 second | od -c >>seen"),
        Shell("truncate -s +1M sparse\nwc -c sparse second >>seen"),
    ),
    questions=("cat seen", "cksum second"),
    requires=("fallocate",),
)  # fmt: skip

MAPPED = Task(
    "writes through a mapping",
    "a table that programs change through shared memory maps, in places that no write call names",
    files={
        "poke.py": (
            "import mmap, os, sys\npath, *pokes = sys.argv[1:]\nwith open(path, 'r+b') as file:\n"
            "    with mmap.mmap(file.fileno(), 0) as table:\n        for poke in pokes:\n"
            "            at, word = poke.split('=')\n            table[int(at) : int(at) + len(word)] = word.encode()\n"
        ),
        "sum.py": "import sys, hashlib\nprint(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest()[:16])\n",
    },
    setup="head -c 1048576 /dev/zero >table\nmkdir tables",
    turns=(
        Shell("python3 poke.py table 0=abc 500000=def"),
        look("python3 sum.py table"),
        Shell("python3 sum.py table >>sums\npython3 poke.py table 1=xyz\n# half\npython3 poke.py table 900000=end 4096=page"),
        Shell("python3 sum.py table >>sums\ncp table tables/t1\n# half\nmv table tables/t0"),
        look("cmp tables/t0 tables/t1"),
        Shell("python3 poke.py tables/t0 7=seven\n# half\npython3 poke.py tables/t1 8=eight\npython3 sum.py tables/t0 >>sums\npython3 sum.py tables/t1 >>sums"),
        Edit("sum.py", "[:16]", "[:12]"),
        Shell("python3 sum.py tables/t1 >>sums"),
    ),
    questions=("cat sums",),
)  # fmt: skip

TASKS: Final = (MODES, UMASK, OWNERS, ATTRIBUTES, GUARDED, LARGE, SPARSE, MAPPED)
