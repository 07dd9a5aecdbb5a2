"""Work that keeps books of its own: pipelines with checkpoints, rotated logs, ledgers, caches keyed by content."""

from typing import Final

from tests.workspace.corpus.task import Edit, Read, Shell, Task, Write, look

GIT = "git init -q -b main --template= && git add -A && git commit -q -m first"

PIPELINE = Task(
    "a pipeline with checkpoints of its own",
    "a job that notes how far it got beside its output and goes on from there",
    files={
        "job.py": (
            "import json, os, sys\nsteps = int(sys.argv[1])\npath = 'work/checkpoint.json'\nos.makedirs('work', exist_ok=True)\n"
            "state = json.load(open(path)) if os.path.exists(path) else {'row': 0, 'total': 0}\n"
            "rows = open('input.csv').read().split()\n"
            "with open('work/out.csv', 'a') as out:\n    for row in rows[state['row'] : state['row'] + steps]:\n"
            "        state['row'] += 1\n        state['total'] += int(row)\n        out.write(f\"{row},{state['total']}\\n\")\n"
            "os.makedirs('work/parts', exist_ok=True)\n"
            "open(f\"work/parts/{state['row']}\", 'x').write(str(state['total']))\n"
            "json.dump(state, open(path + '.tmp', 'w'))\nos.replace(path + '.tmp', path)\n"
        ),
        ".gitignore": "work/\n",
        "input.csv": "".join(f"{n * 7 % 13}\n" for n in range(40)),
    },
    setup=GIT,
    turns=(
        Shell("python3 job.py 10"),
        look("cat work/checkpoint.json; wc -l work/out.csv"),
        Shell("python3 job.py 5\n# half\npython3 job.py 5"),
        Edit("job.py", "int(row)", "2 * int(row)"),
        Shell("python3 job.py 10\n# half\ngit commit -q -a -m double"),
        look("tail -1 work/out.csv"),
        Shell("python3 job.py 10\n# half\nmv work/out.csv result.csv\nls work/parts >parts"),
    ),
    questions=("tail -1 result.csv", "cat work/checkpoint.json parts"),
    requires=("git",),
)  # fmt: skip

ROTATED = Task(
    "log rotation",
    "logs that move up one number, the oldest compressed and thrown away",
    files={
        "rotate": (
            "#!/bin/sh\nset -e\ncd log\nrm -f app.log.3.gz\n[ ! -e app.log.2.gz ] || mv app.log.2.gz app.log.3.gz\n"
            "[ ! -e app.log.1 ] || { gzip -n app.log.1; mv app.log.1.gz app.log.2.gz; }\nmv app.log app.log.1\n: >app.log\n"
        )
    },
    setup="mkdir log\necho line 0 >log/app.log",
    turns=(
        Shell("echo line 1 >>log/app.log\n# half\n./rotate"),
        Shell("echo line 2 >>log/app.log\n./rotate\n# half\necho line 3 >>log/app.log"),
        look("ls log; zcat log/app.log.2.gz"),
        Shell("./rotate\n# half\necho line 4 >>log/app.log"),
        look("ls log"),
        Shell("./rotate\n# half\nchmod 640 log/app.log\necho rotated >>log/app.log"),
        Read("log/app.log"),
    ),
    questions=("cat log/app.log log/app.log.1", "zcat log/app.log.2.gz log/app.log.3.gz"),
    requires=("gzip",),
)  # fmt: skip

TICKS = Task(
    "an append-only ledger",
    "entries that count and chain themselves, written under a lock file as a cron job would",
    files={
        "tick": (
            "#!/bin/sh\nset -e\nset -C\n: >ledger.lock\nset +C\n"
            "last=$(tail -n 1 ledger 2>/dev/null || true)\n"
            'n=$(wc -l <ledger 2>/dev/null || echo 0)\necho "$((n + 1)) $(echo "$last" | cksum | cut -d\' \' -f1) $*" >>ledger\n'
            "rm ledger.lock\n"
        ),
        ".gitignore": "ledger\nledger.lock\n",
    },
    setup=GIT,
    turns=(
        Shell("./tick first"),
        look("cat ledger"),
        Shell("./tick second\n# half\n./tick third"),
        Shell("set -C\n: >ledger.lock\n# half\nrm ledger.lock\nset +C\n./tick fourth"),
        Write("note", "between\n"),
        Shell("./tick $(cat note)\n# half\n./tick last"),
        look("tail -1 ledger; ls"),
    ),
    questions=("cat ledger",),
    requires=("git",),
)  # fmt: skip

LOCALES = Task(
    "catalogues and encodings",
    "message catalogues compiled to .mo, text converted between encodings",
    files={
        "po/de.po": 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "yes"\nmsgstr "ja"\n',
        "tell.py": "import gettext, sys\nprint(gettext.translation('app', 'locale', ['de']).gettext(sys.argv[1]))\n",
    },
    turns=(
        Shell("mkdir -p locale/de/LC_MESSAGES\n# half\nmsgfmt -o locale/de/LC_MESSAGES/app.mo po/de.po"),
        look("python3 tell.py yes"),
        Shell("printf '\\nmsgid \"no\"\\nmsgstr \"nein\"\\n' >>po/de.po\n# half\nmsgfmt -o locale/de/LC_MESSAGES/app.mo po/de.po"),
        Shell("python3 tell.py no >>said\nprintf 'gr\\303\\274n\\n' >utf8.txt\n# half\niconv -f utf-8 -t latin1 utf8.txt >latin1.txt\nrm utf8.txt"),
        look("od -c latin1.txt | head -1"),
        Shell("iconv -f latin1 -t utf-16le latin1.txt >wide.txt\ncat wide.txt latin1.txt >>said\n# half\nmv locale/de locale/de_AT"),
        Shell("ln -s de_AT locale/de\npython3 tell.py yes >>said"),
    ),
    questions=("python3 tell.py no", "od -c said"),
    requires=("msgfmt", "iconv"),
)  # fmt: skip

SITE = Task(
    "a site generator with a cache",
    "output named by the digest of its source, a cache that git ignores, stale output collected",
    files={
        "gen.py": (
            "import glob, hashlib, json, os\nos.makedirs('.cache', exist_ok=True)\nos.makedirs('site', exist_ok=True)\nkept = set()\n"
            "hits = json.load(open('.cache/hits')) if os.path.exists('.cache/hits') else {}\n"
            "for page in sorted(glob.glob('pages/*.md')):\n    text = open(page).read()\n"
            "    name = hashlib.sha256(text.encode()).hexdigest()[:10]\n    kept.add(name + '.html')\n"
            "    if not os.path.exists('.cache/' + name):\n        open('.cache/' + name, 'w').write('<p>' + text + '</p>')\n"
            "    else:\n        hits[name] = hits.get(name, 0) + 1\n"
            "    if not os.path.exists('site/' + name + '.html'):\n        os.link('.cache/' + name, 'site/' + name + '.html')\n"
            "for old in sorted(os.listdir('site')):\n    if old not in kept:\n        os.unlink('site/' + old)\n"
            "json.dump(hits, open('.cache/hits', 'w'), sort_keys=True)\n"
        ),
        "pages/a.md": "# A\n",
        "pages/b.md": "# B\n",
        ".gitignore": ".cache/\nsite/\n",
    },
    setup=GIT,
    turns=(
        Shell("python3 gen.py"),
        look("ls site .cache"),
        Edit("pages/a.md", "# A", "# AA"),
        Shell("python3 gen.py\n# half\npython3 gen.py"),
        Shell("mv pages/b.md pages/c.md\npython3 gen.py\n# half\necho '# D' >pages/d.md\npython3 gen.py"),
        look("cat .cache/hits"),
        Shell("git add -A\n# half\ngit commit -q -m pages\nrm -r site\npython3 gen.py"),
    ),
    questions=("cat .cache/hits", "ls site", "find . -links +1 -type f | sort"),
    requires=("git",),
)  # fmt: skip

SCRIPTS = Task(
    "node scripts",
    "a script that numbers its reports, deletes as it reads, and keeps a cursor in a hidden file",
    files={
        "drain.js": (
            "const fs = require('fs');\nconst n = Number(process.argv[2]);\n"
            "const cursor = fs.existsSync('.cursor') ? JSON.parse(fs.readFileSync('.cursor')) : { report: 0, seen: [] };\n"
            "const names = fs.readdirSync('queue').sort().slice(0, n);\ncursor.report += 1;\n"
            "fs.writeFileSync(`report-${cursor.report}.txt`, names.map((x) => fs.readFileSync('queue/' + x)).join(''), { flag: 'wx' });\n"
            "for (const name of names) { fs.unlinkSync('queue/' + name); cursor.seen.push(name); }\n"
            "fs.writeFileSync('.cursor', JSON.stringify(cursor));\n"
        ),
    },
    setup="mkdir queue\nfor n in 1 2 3 4 5 6 7 8; do echo item $n >queue/$n; done",
    turns=(
        Shell("node drain.js 2"),
        look("ls queue; cat report-1.txt"),
        Shell("node drain.js 1\n# half\nnode drain.js 2"),
        Write("queue/0", "urgent\n"),
        Shell("node drain.js 1\n# half\nchmod 400 report-*.txt"),
        look("cat .cursor"),
        Shell("node drain.js 9\nrmdir queue\n# half\ncat report-*.txt >all.txt"),
    ),
    questions=("cat .cursor all.txt", "ls"),
    requires=("node",),
)  # fmt: skip

RECREATED = Task(
    "deleted and made again",
    "directories thrown away and built anew with fewer, other and empty files in them",
    files={"gen": "#!/bin/sh\nset -e\nmkdir out\nfor n in $(seq $1); do echo $2 $n >out/f$n; done\n: >out/empty\n"},
    setup="./gen 5 old",
    turns=(
        Shell("rm -r out\n# half\n./gen 3 new"),
        look("ls out"),
        Shell("cat out/* >>all\nrm out/f2\n# half\necho back >out/f2\nrm out/empty"),
        Shell("mv out out.1\n./gen 2 newer\n# half\nmv out.1/f3 out/f3"),
        look("cat out/*"),
        Shell("cat out/* out.1/* >>all\nrm -r out.1\n# half\n: >out/f1\nmkdir out.1"),
        Read("all"),
    ),
    questions=("cat all", "ls out"),
)  # fmt: skip

TASKS: Final = (PIPELINE, ROTATED, TICKS, LOCALES, SITE, SCRIPTS, RECREATED)
