"""Databases in files: journals, write-ahead logs left open, hot journals, files that must agree with each other.

A database's own bytes are no result: page counters and salts differ between two equal runs. Each task ends with
what the database says, written as text, and without the database.
"""

from typing import Final

from tests.workspace.corpus.task import Read, Shell, Task, look

SQL_PY = '''"""sql.py DATABASE STATEMENT...: run them in one transaction; --leave dies without closing the database."""
import os, sqlite3, sys

leave = "--leave" in sys.argv
path, *statements = [word for word in sys.argv[1:] if word != "--leave"]
base = sqlite3.connect(path, isolation_level=None)
for statement in statements:
    for row in base.execute(statement).fetchall():
        print(*row, sep="|")
sys.stdout.flush()
if leave:
    os._exit(0)
base.close()
'''
DUMP_PY = '''"""dump.py DATABASE: what is in it, as text."""
import sqlite3, sys

for line in sqlite3.connect(sys.argv[1]).iterdump():
    print(line)
'''
TOOLS = {"sql.py": SQL_PY, "dump.py": DUMP_PY}
SCHEMA = "'create table entry (id integer primary key, word text, n int)'"
MANY = "\"insert into entry (word, n) with recursive k(n) as (select 1 union all select n + 1 from k where n < 2000) select 'word ' || n, n from k\""

JOURNAL = Task(
    "a database with a journal",
    "transactions over several turns; a counter in it that must count each turn once",
    files=TOOLS,
    setup=f"python3 sql.py app.db {SCHEMA} {MANY}",
    turns=(
        Shell("python3 sql.py app.db 'update entry set n = n + 1'\n# half\npython3 sql.py app.db 'delete from entry where n % 7 = 0'"),
        look("python3 sql.py app.db 'select count(*), sum(n) from entry'"),
        Shell("python3 sql.py app.db 'create index by_word on entry(word)' 'update entry set n = n * 2 where id < 100'\n# half\npython3 sql.py app.db 'vacuum'"),
        Shell("cp app.db copy.db\npython3 sql.py app.db 'drop index by_word'\n# half\npython3 sql.py copy.db 'update entry set n = -n'"),
        look("python3 sql.py copy.db 'select sum(n) from entry'"),
        Shell("mv copy.db second.db\npython3 sql.py app.db \"attach 'second.db' as two\" 'insert into entry select id + 10000, word, n from two.entry'\n# half\nrm second.db"),
        Shell("python3 dump.py app.db >app.sql\n# half\nrm app.db"),
    ),
    questions=("wc -l app.sql", "tail -3 app.sql"),
)  # fmt: skip

WAL = Task(
    "a write-ahead log left open",
    "a writer that died leaves -wal and -shm; the newest rows are only there",
    files=TOOLS,
    setup=f"python3 sql.py app.db 'pragma journal_mode=wal' {SCHEMA} >made",
    turns=(
        Shell(f"python3 sql.py --leave app.db 'pragma wal_autocheckpoint=0' {MANY} >>made"),
        look("ls app.db*; python3 sql.py --leave 'file:app.db?mode=ro' 'select 1' | head -1"),
        Shell("python3 sql.py --leave app.db 'pragma wal_autocheckpoint=0' 'update entry set n = n + 1'\n# half\npython3 sql.py --leave app.db 'pragma wal_autocheckpoint=0' 'delete from entry where id > 1900'"),
        Shell("mkdir moved\nmv app.db moved/\n# half\nmv app.db-wal app.db-shm moved/"),
        look("ls moved"),
        Shell("python3 sql.py --leave moved/app.db 'update entry set n = n * 3' 'select sum(n) from entry' >>made"),
        Shell("python3 dump.py moved/app.db >app.sql\n# half\nrm -r moved\nrm -f 'file:app.db?mode=ro'"),
    ),
    questions=("cat made", "wc -l app.sql"),
)  # fmt: skip

HOT = Task(
    "a hot journal",
    "a transaction that spilled into the database and died: who opens it next has to roll it back",
    files=TOOLS,
    setup=f"python3 sql.py app.db {SCHEMA} {MANY}",
    turns=(
        look("python3 sql.py app.db 'select sum(n) from entry'"),
        Shell("python3 sql.py --leave app.db 'pragma cache_size=1' 'pragma cache_spill=1' 'begin' \"update entry set word = word || word || word, n = 0\""),
        look("ls app.db-journal"),
        Shell("cp app.db torn.db\n# half\npython3 sql.py app.db 'select sum(n) from entry' >>sums"),
        Shell("python3 sql.py app.db 'update entry set n = n + 5'\n# half\npython3 sql.py app.db 'select sum(n) from entry' >>sums"),
        Read("sums"),
        Shell("python3 dump.py app.db >app.sql\n# half\nrm app.db torn.db"),
    ),
    questions=("cat sums", "wc -l app.sql"),
)  # fmt: skip

SHELVES = Task(
    "shelves and pickles",
    "three files of a dumb database that must agree, an index beside a log with byte offsets",
    files={
        "put.py": (
            "import dbm.dumb, sys\nbase = dbm.dumb.open('shelf', 'c')\n"
            "for word in sys.argv[1:]:\n    base[word] = str(int(base.get(word, b'0')) + 1)\nbase.close()\n"
        ),
        "log.py": (
            "import os, pickle, sys\nindex = pickle.load(open('index', 'rb')) if os.path.exists('index') else []\n"
            "with open('log', 'ab') as log:\n    for word in sys.argv[1:]:\n"
            "        index.append(log.tell())\n        log.write(word.encode() + b'\\n')\n"
            "pickle.dump(index, open('index', 'wb'), 2)\n"
        ),
        "check.py": (
            "import dbm.dumb, pickle\nlog = open('log', 'rb').read()\n"
            "print([log[at:].split(b'\\n')[0].decode() for at in pickle.load(open('index', 'rb'))])\n"
            "base = dbm.dumb.open('shelf', 'r')\nprint(sorted((key, base[key]) for key in base.keys()))\n"
        ),
    },
    turns=(
        Shell("python3 put.py a b\n# half\npython3 put.py b c"),
        Shell("python3 log.py first second\n# half\npython3 log.py third"),
        look("python3 check.py"),
        Shell("python3 put.py a a\nmv log log.1\ncp log.1 log\n# half\npython3 log.py fourth"),
        look("ls -s log"),
        Shell("printf raw >>log\npython3 log.py fifth\n# half\npython3 put.py z"),
        Shell("python3 check.py >checked"),
    ),
    questions=("python3 check.py",),
)  # fmt: skip

MIGRATIONS = Task(
    "migrations",
    "a tool that applies each numbered file once and remembers it in the database",
    files={
        **TOOLS,
        "migrate.py": (
            "import os, sqlite3\nbase = sqlite3.connect('app.db', isolation_level=None)\n"
            "base.execute('create table if not exists done (name text)')\n"
            "done = {name for (name,) in base.execute('select name from done')}\n"
            "for name in sorted(os.listdir('migrations')):\n    if name not in done:\n"
            "        base.executescript(open('migrations/' + name).read())\n"
            "        base.execute('insert into done values (?)', (name,))\n"
            "        print('applied', name, file=open('applied.log', 'a'))\n"
        ),
        "migrations/1.sql": "create table t (x int);\n",
        ".gitignore": "app.db\napplied.log\n",
    },
    setup="git init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("python3 migrate.py"),
        Shell("echo 'insert into t values (1);' >migrations/2.sql\n# half\npython3 migrate.py"),
        look("cat applied.log"),
        Shell("git add -A && git commit -q -m 2\necho 'update t set x = x + 10;' >migrations/3.sql\npython3 migrate.py\n# half\ngit add -A\ngit commit -q -m 3"),
        Shell("echo 'alter table t add column y;' >migrations/4.sql\npython3 migrate.py\n# half\nmv migrations/4.sql migrations/04.sql\npython3 sql.py app.db \"update done set name = '04.sql' where name = '4.sql'\""),
        look("python3 sql.py app.db 'select * from t'"),
        Shell("python3 migrate.py\npython3 dump.py app.db >final.sql\n# half\nrm app.db"),
    ),
    questions=("cat final.sql applied.log",),
    requires=("git",),
)  # fmt: skip

TASKS: Final = (JOURNAL, WAL, HOT, SHELVES, MIGRATIONS)
