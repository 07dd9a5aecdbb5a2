"""git operations that move history: commits, merges, rebases, stashes, worktrees, submodules, remotes, gc."""

from typing import Final

from tests.workspace.corpus.task import Edit, Read, Shell, Task, Write, look

INIT = "git init -q -b main --template=\ngit config gc.auto 0\n"
FIRST = INIT + "git add -A && git commit -q -m first"
POEM = {"poem": "one\ntwo\nthree\nfour\nfive\n", "other": "x\n"}

MERGE = Task(
    "branch and merge",
    "a branch, a conflict, its resolution, an untracked journal of what was done",
    files=POEM,
    setup=FIRST,
    turns=(
        Shell("echo branch >>journal\ngit switch -q -c side\n# half\nsed -i s/two/TWO/ poem && git commit -q -a -m side"),
        look("git log --oneline --all; git status --short"),
        Shell("git switch -q main\n# half\nsed -i s/two/zwei/ poem && git commit -q -a -m main"),
        Shell("echo merge >>journal\ngit merge -q side || echo conflict >>journal"),
        look("git status --short; git diff"),
        Write("poem", "one\nTWO zwei\nthree\nfour\nfive\n"),
        Shell("git add poem\n# half\ngit commit -q -m merged\necho merged >>journal\ngit branch -d side"),
        look("git log --graph --oneline"),
    ),
    questions=("git log --format='%H %s'", "git status --short", "git branch -a", "cat journal"),
    requires=("git",),
)  # fmt: skip

REBASE = Task(
    "a rebase that stops",
    "a conflict in the middle of a rebase; its state lies below .git between two turns",
    files=POEM,
    setup=FIRST
    + "\ngit switch -q -c work\nsed -i s/one/uno/ poem && git commit -q -a -m w1"
    "\nsed -i s/five/cinque/ poem && git commit -q -a -m w2\ngit switch -q main\nsed -i s/one/eins/ poem && git commit -q -a -m m1",
    turns=(
        look("git log --oneline --all --graph"),
        Shell("git switch -q work\n# half\ngit rebase -q main || true"),
        look("git status | head -5; ls .git/rebase-merge | sort"),
        Edit("poem", "<<<<<<<", "#######"),
        Shell("printf 'eins uno\\ntwo\\nthree\\nfour\\nfive\\n' >poem\ngit add poem\n# half\ngit rebase --continue >/dev/null"),
        Shell("echo rebased >>notes\ngit switch -q main\n# half\ngit merge -q --ff-only work"),
        look("git log --format=%s"),
        Shell("git reflog | sed 's/^[0-9a-f]* //' >reflog.txt"),
    ),
    questions=("git log --format='%H %s'", "git status --short", "cat poem reflog.txt"),
    requires=("git",),
)  # fmt: skip

STASH = Task(
    "stash and pop",
    "work put away with untracked files, other work, then brought back",
    files=POEM,
    setup=FIRST,
    turns=(
        Shell("echo six >>poem\nmkdir drafts\n# half\necho draft >drafts/d1\ngit add -N drafts/d1 && git reset -q drafts/d1"),
        Shell("git stash push -q -u -m away\n# half\necho stashed >>other"),
        look("git stash list; git stash show --stat -u stash@{0}; ls"),
        Shell("git commit -q -a -m other\nmkdir drafts\n# half\necho draft2 >drafts/d2"),
        look("git status --short"),
        Shell("git stash pop -q\n# half\nls drafts >>listing"),
        Shell("git stash push -q poem\ngit stash apply -q\n# half\ngit stash list | sed 's/: .*//' >>listing\nwc -l <poem >>listing"),
    ),
    questions=("git stash list", "git status --short", "cat listing"),
    requires=("git",),
)  # fmt: skip

COLLECTED = Task(
    "tags and gc",
    "annotated tags, packed refs, loose objects that are packed, pruned and found no more",
    files=POEM,
    setup=FIRST + "\nfor n in 1 2 3 4 5; do echo $n >>other && git commit -q -a -m c$n; done",
    turns=(
        Shell("git tag -a -m one v1 HEAD~3\n# half\ngit tag v2"),
        look("git tag -n; git count-objects | cut -d, -f1"),
        Shell("git reset -q --hard HEAD~2\n# half\necho lost >>other && git commit -q -a -m lost && git reset -q --hard HEAD~1"),
        Shell("git pack-refs --all\n# half\ngit -c pack.threads=1 -c gc.reflogExpire=now -c gc.reflogExpireUnreachable=now gc -q --prune=now"),
        look("git count-objects; cat .git/packed-refs"),
        Shell("echo after >>other && git commit -q -a -m after\n# half\ngit tag -d v2 >/dev/null\ngit count-objects | cut -d, -f1 >counted"),
        look("git fsck --no-progress; git describe"),
    ),
    questions=("git log --format='%H %s'", "git tag", "git count-objects", "git fsck --no-progress"),
    requires=("git",),
)  # fmt: skip

WORKTREE = Task(
    "a second worktree",
    "another working tree inside the workspace, a commit there, its removal",
    files={**POEM, ".gitignore": "trees/\n"},
    setup=FIRST,
    turns=(
        Shell("mkdir trees\n# half\ngit worktree add -q -b fix trees/fix"),
        look("git worktree list | wc -l; git branch"),
        Shell("echo fixed >>trees/fix/other\n# half\ngit -C trees/fix commit -q -a -m fixed\necho loose >trees/fix/loose"),
        look("git log --oneline --all"),
        Shell("git worktree lock trees/fix\nmv trees/fix trees/moved\n# half\ngit worktree repair trees/moved 2>/dev/null"),
        Shell("git worktree unlock trees/moved\ngit merge -q fix\n# half\nmv trees/moved/loose loose"),
        Shell("git worktree remove trees/moved\n# half\ngit branch -d fix"),
        look("git worktree list | wc -l"),
    ),
    questions=("git log --format='%H %s'", "git worktree list | wc -l", "git status --short"),
    requires=("git",),
)  # fmt: skip

SUBMODULE = Task(
    "a submodule",
    "a repository inside a repository, from a directory beside it",
    files={"lib/code": "code 1\n", "app/readme": "app\n"},
    setup=(
        "cd lib\ngit init -q -b main --template= && git add -A && git commit -q -m lib1\ncd ../app\n"
        "git init -q -b main --template= && git add -A && git commit -q -m app1"
    ),
    turns=(
        Shell("cd app\ngit -c protocol.file.allow=always submodule --quiet add file://${PWD%/app}/lib vendor/lib\n# half\ngit commit -q -m vendored"),
        look("git -C app submodule status"),
        Shell("echo 'code 2' >lib/code\n# half\ngit -C lib commit -q -a -m lib2"),
        Shell("cd app/vendor/lib\ngit -c protocol.file.allow=always fetch -q\n# half\ngit checkout -q origin/main"),
        look("git -C app diff --submodule | head -3"),
        Shell("cd app\ngit commit -q -a -m bump\n# half\necho local >>vendor/lib/local.txt"),
        Shell("cd app\ngit submodule --quiet deinit -f vendor/lib\n# half\ngit submodule --quiet init\nls vendor/lib >>../seen"),
    ),
    questions=("git -C app log --format='%H %s'", "git -C app submodule status", "cat seen"),
    requires=("git",),
)  # fmt: skip

REMOTE = Task(
    "clone, push and fetch",
    "a bare repository as remote, a push, a fetch, a rejected push",
    files={"work/a": "a\n"},
    setup="cd work\ngit init -q -b main --template= && git add -A && git commit -q -m a1",
    turns=(
        Shell("git clone -q --no-hardlinks --bare --template= work hub.git\n# half\ngit -C work remote add hub ../hub.git"),
        Shell("git clone -q --no-hardlinks --template= hub.git second\n# half\necho b >second/b"),
        look("git -C second remote -v | sed 's/.*second//;s/.*hub.git/hub/'"),
        Shell("cd second\ngit add b\ngit commit -q -m b1\n# half\ngit push -q"),
        Shell("cd work\necho a2 >a && git commit -q -a -m a2\n# half\ngit push -q hub main 2>/dev/null || echo rejected >>../log"),
        look("git -C hub.git log --format=%s"),
        Shell("cd work\ngit fetch -q hub\n# half\ngit rebase -q hub/main\ngit push -q hub main"),
        Shell("git -C second pull -q --ff-only\nrm work/.git/FETCH_HEAD\n# half\necho pulled >>log"),
    ),
    questions=("git -C hub.git log --format='%H %s'", "git -C second status --short", "cat log"),
    requires=("git",),
)  # fmt: skip

PICKS = Task(
    "a sequence of picks",
    "cherry-pick of three commits that stops at the second, a revert, notes",
    files=POEM,
    setup=FIRST
    + "\ngit switch -q -c src\necho p1 >p1 && git add p1 && git commit -q -m p1"
    "\nsed -i s/one/ONE/ poem && git commit -q -a -m p2\necho p3 >p3 && git add p3 && git commit -q -m p3"
    "\ngit switch -q main\nsed -i s/one/1/ poem && git commit -q -a -m m1",
    turns=(
        Shell("echo start >>diary\ngit cherry-pick main..src >/dev/null 2>&1 || echo stopped >>diary"),
        look("git status --short; ls .git/sequencer"),
        Shell("git checkout --theirs poem 2>/dev/null\n# half\ngit add poem\ngit cherry-pick --continue >/dev/null"),
        look("git log --format=%s"),
        Shell("git revert --no-edit HEAD~1 >/dev/null\n# half\ngit notes add -m noted HEAD"),
        Read("diary"),
        Shell("git notes show HEAD >>diary\n# half\ngit checkout -q --detach HEAD~2\nls >>diary"),
    ),
    questions=("git log --format='%H %s' main", "cat diary", "git status --short --branch"),
    requires=("git",),
)  # fmt: skip

BISECT = Task(
    "a bisection",
    "good and bad marks below .git, the found commit written down, the reset",
    files={"n": "0\n"},
    setup=FIRST + "\nfor n in 1 2 3 4 5 6 7 8; do echo $n >n && git commit -q -a -m c$n; done",
    turns=(
        Shell("git bisect start -q HEAD HEAD~8 >/dev/null"),
        look("cat n; git bisect log | wc -l"),
        Shell("cat n >>tried\n# half\nif [ $(cat n) -ge 6 ]; then git bisect bad; else git bisect good; fi >/dev/null"),
        Shell("cat n >>tried\n# half\nif [ $(cat n) -ge 6 ]; then git bisect bad; else git bisect good; fi >/dev/null"),
        look("git status --short"),
        Shell("cat n >>tried\n# half\nif [ $(cat n) -ge 6 ]; then git bisect bad; else git bisect good; fi >>tried"),
        Shell("git bisect log >bisect.log\n# half\ngit bisect reset 2>/dev/null"),
    ),
    questions=("cat tried bisect.log", "git status --short --branch", "cat n"),
    requires=("git",),
)  # fmt: skip

LOST = Task(
    "reset and reflog",
    "a commit thrown away by mistake and found again by the reflog; an interrupted amend",
    files=POEM,
    setup=FIRST + "\necho a >>other && git commit -q -a -m second",
    turns=(
        Shell("echo precious >>poem\ngit commit -q -a -m precious\n# half\ngit rev-parse HEAD >kept"),
        Shell("git reset -q --hard HEAD~2\n# half\necho gone >>events"),
        look("git log --format=%s; git reflog | cut -d: -f2"),
        Shell("git branch found HEAD@{1}\n# half\ngit merge -q --ff-only found\necho found >>events"),
        Shell("echo more >>other\ngit commit -q -a --amend -m amended\n# half\ngit rev-parse HEAD HEAD@{1} >>events"),
        look("git status --short"),
        Shell("git branch -f found HEAD~1\ngit update-ref -m hand refs/heads/hand HEAD~1\n# half\ngit reflog hand >>events"),
    ),
    questions=("git log --all --format='%H %s'", "cat events kept", "git reflog | wc -l"),
    requires=("git",),
)  # fmt: skip

TASKS: Final = (MERGE, REBASE, STASH, COLLECTED, WORKTREE, SUBMODULE, REMOTE, PICKS, BISECT, LOST)
