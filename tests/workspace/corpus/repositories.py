"""What a repository holds besides history: hooks, its config, the index, ignored state, locks."""

from typing import Final

from tests.workspace.corpus.history import FIRST
from tests.workspace.corpus.task import Read, Shell, Task, Write, look

HOOKS = Task(
    "hooks",
    "hooks that write a ledger outside of git's sight and refuse a commit",
    files={"code": "1\n", ".gitignore": "ledger\n"},
    setup=FIRST,
    turns=(
        Shell("mkdir .git/hooks\nprintf '#!/bin/sh\\ngit log -1 --format=%%s >>ledger\\n' >.git/hooks/post-commit\n# half\nchmod 755 .git/hooks/post-commit"),
        Shell("echo 2 >code && git commit -q -a -m two\n# half\necho 3 >code && git commit -q -a -m three"),
        look("cat ledger"),
        Shell("printf '#!/bin/sh\\n! grep -q 4 code\\n' >.git/hooks/pre-commit\nchmod 755 .git/hooks/pre-commit\n# half\necho 4 >code\ngit commit -q -a -m four || echo refused >>ledger"),
        look("git status --short; ls -l .git/hooks | cut -c1-10"),
        Shell("chmod 644 .git/hooks/pre-commit\n# half\ngit -c advice.ignoredHook=false commit -q -a -m four"),
        Read("ledger"),
    ),
    questions=("cat ledger", "git log --format='%H %s'"),
    requires=("git",),
)  # fmt: skip

CONFIG = Task(
    "configuration of a repository",
    "aliases, included files and excludes that later turns rely on",
    files={"a": "1\n", "b": "2\n"},
    setup=FIRST,
    turns=(
        Shell("git config alias.count '!f() { echo counted >>.git/counts; }; f'\n# half\ngit config --add remote.x.url ../x"),
        Shell("git count\n# half\ngit count"),
        look("git config --list --local | sort"),
        Shell("printf '[alias]\\n\\ttell = !cat .git/counts\\n' >.git/more\n# half\ngit config include.path more"),
        Shell("echo '*.tmp' >>.git/info-exclude\ngit config core.excludesFile .git/info-exclude\n# half\necho t >x.tmp\ngit status --short >>seen"),
        look("git tell"),
        Shell("git tell >>seen\ngit config --unset alias.count\n# half\ngit config --rename-section remote.x remote.y"),
    ),
    questions=("git config --list --local | sort", "cat seen", "git tell"),
    requires=("git",),
)  # fmt: skip

STAGED = Task(
    "a half staged index",
    "the index differs from both commit and files; flags of single paths",
    files={"f": "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", "g": "g\n", "h": "h\n"},
    setup=FIRST,
    turns=(
        Shell("sed -i s/a/A/ f\ngit add f\n# half\nsed -i s/j/J/ f"),
        look("git diff --cached --stat; git diff --stat"),
        Shell("git update-index --assume-unchanged g\n# half\necho hidden >>g"),
        Shell("echo new >n\ngit add -N n\n# half\ngit update-index --chmod=+x h"),
        look("git status --short"),
        Shell("git commit -q -m staged\n# half\ngit stash list | wc -l >>steps\ngit ls-files -v >>steps"),
        Shell("git rm -q --cached h\n# half\ngit diff --cached --name-status >>steps"),
    ),
    questions=("git status --short", "git ls-files --stage", "git diff", "cat steps"),
    requires=("git",),
)  # fmt: skip

LOCKED = Task(
    "a commit killed under its lock",
    "git is killed while it holds index.lock; what it left must not stop the next commit",
    files={"a": "1\n"},
    setup=FIRST,
    turns=(
        Shell("echo 2 >a\ngit add a\n: >.git/index.lock\n# half\nrm .git/index.lock\ngit commit -q -m two"),
        look("git log --format=%s"),
        Shell("mkdir -p .git/refs/heads/topic\n: >.git/refs/heads/topic/x.lock\n# half\nrm .git/refs/heads/topic/x.lock\ngit branch topic/x"),
        Shell("git switch -q topic/x\necho 3 >a\n: >.git/HEAD.lock\n# half\nrm .git/HEAD.lock\ngit commit -q -a -m three"),
        look("git status --short"),
        Shell("echo done >>log\n: >.git/config.lock\n# half\nrm .git/config.lock\ngit config x.y z"),
    ),
    questions=("git log --all --format='%H %s'", "git config x.y", "ls .git | grep lock || echo none"),
    requires=("git",),
)  # fmt: skip

IGNORED = Task(
    "state that git ignores",
    "an infrastructure tool's state file, applied step by step; a plan may be applied once",
    files={
        "apply.py": (
            "import json, os, sys\nname = sys.argv[1]\nos.makedirs('.infra', exist_ok=True)\n"
            "path = '.infra/state.json'\nstate = json.load(open(path)) if os.path.exists(path) else {'serial': 0, 'made': []}\n"
            "assert name not in state['made'], name + ' exists'\nstate['serial'] += 1\nstate['made'].append(name)\n"
            "if os.path.exists(path): os.rename(path, path + '.backup')\njson.dump(state, open(path, 'w'), indent=1)\n"
        ),
        ".gitignore": ".infra/\n",
    },
    setup=FIRST,
    turns=(
        Shell("python3 apply.py network"),
        look("cat .infra/state.json"),
        Shell("python3 apply.py disk\n# half\npython3 apply.py machine"),
        Shell("echo 'resource machine' >main.conf\ngit add main.conf\n# half\ngit commit -q -m machine\npython3 apply.py address"),
        look("git status --short --ignored"),
        Shell("git clean -qfdn >>audit\npython3 apply.py record\n# half\nchmod 600 .infra/state.json"),
        Read(".infra/state.json"),
    ),
    questions=("cat .infra/state.json .infra/state.json.backup", "git log --format='%H %s'"),
    requires=("git",),
)  # fmt: skip

CLEANED = Task(
    "clean and checkout",
    "untracked and ignored files that a clean removes, in part, and others that must survive it",
    files={"src/a": "a\n", ".gitignore": "*.cache\nkeep/\n"},
    setup=FIRST,
    turns=(
        Shell("mkdir keep junk\necho k >keep/k\n# half\necho j >junk/j\necho c >src/a.cache"),
        look("git status --short --ignored"),
        Shell("git clean -qfd\n# half\nls -A >>seen"),
        Shell("git clean -qfX -e '!keep' src\n# half\nls src >>seen\necho b >src/a"),
        look("git diff --stat"),
        Shell("mv keep/k keep/kk\ngit checkout -q -- src\n# half\ncat src/a keep/kk >>seen"),
        Write("src/b.cache", "cache\n"),
    ),
    questions=("cat seen", "git status --short --ignored"),
    requires=("git",),
)  # fmt: skip

PATCHED = Task(
    "patch and sed",
    "patches that apply with fuzz, a reject, sed -i over many files",
    files={"a.txt": "1\n2\n3\n4\n5\n6\n7\n8\n", "b.txt": "x\ny\nz\n", "fix.patch": "--- a.txt\n+++ a.txt\n@@ -2,3 +2,4 @@\n 2\n 3\n+3.5\n 4\n"},
    setup=FIRST,
    turns=(
        Shell("patch -s -p0 <fix.patch\n# half\ngit diff --stat | tail -1 >>applied"),
        look("cat a.txt"),
        Shell("sed -i 's/x/X/' b.txt\nsed -i.orig 's/y/Y/' b.txt\n# half\nprintf -- '--- b.txt\\n+++ b.txt\\n@@ -1,2 +1,2 @@\\n-no\\n+yes\\n y\\n' | patch -s -p0 >/dev/null || echo rejected >>applied"),
        look("ls; cat applied"),
        Shell("mv b.txt.rej rejects\nrm -f b.txt.orig\n# half\npatch -s -R -p0 <fix.patch"),
        Shell("git diff >last.patch\ngit checkout -q b.txt\n# half\ngit apply last.patch\necho again >>applied"),
    ),
    questions=("cat applied a.txt b.txt rejects last.patch",),
    requires=("git", "patch"),
)  # fmt: skip

TASKS: Final = (HOOKS, CONFIG, STAGED, LOCKED, IGNORED, CLEANED, PATCHED)
