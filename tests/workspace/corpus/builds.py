"""Builds with gcc and make: what is rebuilt depends on modification times, and on output that git ignores."""

from typing import Final

from tests.workspace.corpus.task import Edit, Read, Shell, Task, Write, look

MAIN_C = """#include <stdio.h>
#include "add.h"
int main(void) { printf("%d\\n", add(2, 3)); return 0; }
"""
ADD_C = """#include "add.h"
int add(int a, int b) { return a + b; }
"""
ADD_H = "int add(int a, int b);\n"
COMMIT = "git init -q -b main --template= && git add -A && git commit -q -m first"
NEEDS_MAKE = ("gcc", "make")

INCREMENTAL = Task(
    "incremental build",
    "objects that are older or newer than their sources; a log of what was compiled",
    files={
        "main.c": MAIN_C,
        "add.c": ADD_C,
        "add.h": ADD_H,
        ".gitignore": "*.o\nprog\nbuild.log\n",
        "Makefile": (
            "prog: main.o add.o\n\tgcc -o $@ $^\n\t@echo link $@ >>build.log\n"
            "%.o: %.c add.h\n\tgcc -c -o $@ $<\n\t@echo cc $< >>build.log\n"
        ),
    },
    setup=COMMIT,
    turns=(
        look("ls -1; cat Makefile"),
        Shell("echo == first >>build.log\nmake -s main.o\n# half\nmake -s"),
        look("./prog"),
        Edit("add.c", "a + b", "a + b + 1"),
        Shell("echo == second >>build.log\nmake -s add.o\n# half\nmake -s prog"),
        look("make -q && ./prog"),
        Shell("echo == third >>build.log\ntouch add.h\n# half\nmake -s"),
        Shell("make -n >>build.log\n./prog >>build.log"),
    ),
    questions=("cat build.log", "make -q && echo up to date", "./prog"),
    requires=("git", *NEEDS_MAKE),
)

GENERATED = Task(
    "generated headers",
    "a header made by a script that counts its own builds in a file which git ignores",
    files={
        "main.c": '#include <stdio.h>\n#include "build.h"\nint main(void) { printf("build %d of %s\\n", BUILD, NAME); return 0; }\n',
        "name": "alpha\n",
        "makeheader.sh": (
            "#!/bin/sh\nn=$(cat .buildno 2>/dev/null || echo 0); n=$((n + 1)); echo $n >.buildno\n"
            'printf \'#define BUILD %d\\n#define NAME "%s"\\n\' $n "$(cat name)" >build.h\n'
        ),
        ".gitignore": ".buildno\nbuild.h\nprog\n",
        "Makefile": "prog: main.c build.h\n\tgcc -o $@ main.c\nbuild.h: name makeheader.sh\n\t./makeheader.sh\n",
    },
    setup=COMMIT,
    turns=(
        Shell("make -s"),
        look("./prog; cat .buildno"),
        Shell("echo beta >name\nmake -s build.h\n# half\nmake -s"),
        look("./prog | grep 'build 2 of beta'"),
        Write("name", "gamma\n"),
        Shell("./makeheader.sh\n# half\nmake -s\ngit add name && git commit -q -m gamma"),
        Shell("./prog >answer.txt"),
    ),
    questions=("./prog", "cat .buildno"),
    requires=("git", *NEEDS_MAKE),
)

NEWER = Task(
    "newer than a stamp",
    "find -newer and make rules over files whose dates were set by hand",
    files={
        "pages/a.txt": "a\n",
        "pages/b.txt": "b\n",
        "pages/c.txt": "c\n",
        "Makefile": "out/%.up: pages/%.txt\n\ttr a-z A-Z <$< >$@; echo $@ >>made.log\nall: out/a.up out/b.up out/c.up\n",
    },
    setup="mkdir out\ntouch -d 2020-01-01 pages/*.txt",
    turns=(
        Shell("make -s all\ntouch -d 2021-01-01 out/*.up stamp"),
        look("find pages -newer stamp | sort"),
        Shell(
            "echo b2 >pages/b.txt\ntouch -d 2022-01-01 pages/b.txt\n# half\necho c2 >pages/c.txt\ntouch -d 2019-01-01 pages/c.txt"
        ),
        look("find . -newer stamp -type f | sort"),
        Shell("find pages -newer stamp -type f | sort >>changed.log\nmake -s all"),
        look("cat changed.log made.log"),
        Shell(
            "echo a2 >pages/a.txt\ntouch -r stamp pages/a.txt\n# half\nfind pages -newer stamp | sort >>changed.log\nmake -s all"
        ),
        Shell("stat -c '%n %y' pages/b.txt stamp | cut -c1-28 >dates.txt"),
    ),
    questions=("cat made.log", "find pages -newer stamp -type f | sort"),
    requires=("make",),
)

LIBRARY = Task(
    "static library",
    "ar, objects with several members, install with modes, a tree outside of the sources",
    files={
        "src/one.c": "int one(void) { return 1; }\n",
        "src/two.c": "int two(void) { return 2; }\n",
        "src/use.c": '#include <stdio.h>\nint one(void); int two(void);\nint main(void) { printf("%d\\n", one() + two()); return 0; }\n',
        ".gitignore": "build/\ndist/\n",
    },
    setup=COMMIT,
    turns=(
        Shell("mkdir build\ngcc -c -o build/one.o src/one.c\n# half\ngcc -c -o build/two.o src/two.c"),
        Shell("ar rcD build/libn.a build/one.o\n# half\nar rcD build/libn.a build/two.o"),
        look("ar t build/libn.a; nm build/libn.a | grep ' T '"),
        Shell("mkdir dist\ngcc -o build/use src/use.c build/libn.a\n# half\ninstall -m 0711 build/use dist/use\ninstall -m 0444 build/libn.a dist/"),
        look("dist/use; ls -l dist | cut -c1-10"),
        Shell("rm build/one.o\nar dD build/libn.a two.o\n# half\nmv build objects"),
        Shell("ln -s ../objects/libn.a dist/current.a\nar t dist/current.a >dist/members"),
    ),
    questions=("dist/use", "ar t objects/libn.a"),
    requires=("git", "gcc", "ar"),
)  # fmt: skip

CONFIGURED = Task(
    "configure and build elsewhere",
    "a build directory that git ignores and that remembers how it was configured",
    files={
        "configure": (
            "#!/bin/sh\nmkdir build && cd build\n"
            'echo "FLAGS=$*" >config.status\n'
            "printf 'all: ../src.c\\n\\tgcc %s -o app ../src.c\\n' \"$*\" >Makefile\n"
        ),
        "src.c": '#include <stdio.h>\n#ifndef LEVEL\n#define LEVEL 0\n#endif\nint main(void) { printf("level %d\\n", LEVEL); return 0; }\n',
        ".gitignore": "build/\n",
    },
    setup=COMMIT,
    turns=(
        Shell("./configure -DLEVEL=2"),
        look("cat build/config.status"),
        Shell("make -s -C build\n# half\nbuild/app >>build/runs"),
        Read("build/config.status"),
        Shell("mv build build.old\n./configure -DLEVEL=3\n# half\nmake -s -C build"),
        Shell("build/app >>build.old/runs\nbuild.old/app >>build.old/runs"),
        Shell("rm -r build/Makefile\nmv build.old/runs build/\n# half\nrm -r build.old"),
    ),
    questions=("build/app", "cat build/runs build/config.status"),
    requires=("git", *NEEDS_MAKE),
)

DEPENDENCIES = Task(
    "dependency files",
    "gcc -MMD writes what depends on what; a header moves",
    files={
        "main.c": '#include <stdio.h>\n#include "sub/h.h"\nint main(void) { puts(H); return 0; }\n',
        "sub/h.h": '#define H "one"\n',
        ".gitignore": "*.o\n*.d\napp\n*.log\n",
        "Makefile": "app: main.o\n\tgcc -o $@ main.o\nmain.o: main.c\n\tgcc -MMD -MP -c main.c; echo cc >>cc.log\n-include main.d\n",
    },
    setup=COMMIT,
    turns=(
        Shell("make -s"),
        look("cat main.d"),
        Shell("echo '#define H \"two\"' >sub/h.h\n# half\nmake -s\n./app >>cc.log"),
        Shell("git mv sub/h.h sub/k.h\nsed -i s,sub/h.h,sub/k.h, main.c\n# half\nmake -s\n./app >>cc.log"),
        look("cat cc.log; make -q"),
        Shell("git commit -q -a -m moved\n# half\nmake -s\nwc -l <cc.log >>cc.log"),
    ),
    questions=("cat cc.log", "cat main.d", "./app"),
    requires=("git", *NEEDS_MAKE),
)

STAMPS = Task(
    "stamps and a parallel make",
    "empty files as stamps, order-only directories, make -j2, a clean that goes wrong half way",
    files={
        "Makefile": (
            "all: done/x done/y done/z\ndone/%: src/% | done\n"
            "\tsed s/^/:/ $< >done/.$*.tmp && mv done/.$*.tmp parts.$* && touch $@\n"
            "done:\n\tmkdir done\nclean:\n\trm -r done parts.x parts.y parts.z\n"
        ),
        "src/x": "x\n",
        "src/y": "y\n",
        "src/z": "z\n",
    },
    turns=(
        Shell("make -s -j2 all"),
        look("ls done; cat parts.*"),
        Shell(
            "cat parts.x parts.y parts.z >>total\nrm done/x parts.x\n# half\nmake -s clean || true\nrm -rf done"
        ),
        look("ls -A"),
        Shell("rm -f parts.*\necho xx >src/x\n# half\nmake -s -j2 all"),
        Shell("cat parts.x parts.y parts.z >>total\nmake -q all\nmkdir empty empty/er"),
        look("cat total"),
    ),
    questions=("cat total", "make -q all && echo fresh"),
    requires=("make",),
)

TASKS: Final = (INCREMENTAL, GENERATED, NEWER, LIBRARY, CONFIGURED, DEPENDENCIES, STAMPS)
