"""Services in the background: some keep their state in files, and can be started again; some only in memory.

``{port}`` in a command is a port of the loopback device that belongs to the play.
"""

from typing import Final

from tests.workspace.corpus.task import Read, Serve, Shell, Stop, Task, Write, look

ASK_PY = '''"""ask.py PORT PATH [BODY]: ask the service, and wait until it is there."""
import http.client, sys, time

port, path, body = int(sys.argv[1]), sys.argv[2], " ".join(sys.argv[3:])
until = time.monotonic() + 15
while True:
    try:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        asked.request("POST" if body else "GET", path, body.encode() or None)
        print(asked.getresponse().read().decode(), end="")
        break
    except ConnectionRefusedError:
        if time.monotonic() > until:
            raise
        time.sleep(0.02)
'''

BASE_PY = '''"""What all services of the corpus share: one function answers."""
import http.server, sys


def serve(answer):
    class Asked(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            size = int(self.headers.get("Content-Length") or 0)
            text = answer(self.path, self.rfile.read(size).decode()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *words):
            pass

    class Server(http.server.HTTPServer):
        allow_reuse_address = True

    Server(("127.0.0.1", int(sys.argv[1])), Asked).serve_forever()
'''
TOOLS = {"ask.py": ASK_PY, "base.py": BASE_PY}
ASK = "python3 ask.py {port}"

COUNTER = Task(
    "a counter in memory",
    "an http service whose only state is a variable",
    files={
        **TOOLS,
        "serve.py": (
            "from base import serve\n\ncount = 0\n\n\ndef answer(path, body):\n    global count\n"
            "    if path == '/add':\n        count += 1\n    return f'{count}\\n'\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("counter", "exec python3 serve.py {port}"),
        Shell(f"{ASK} /add >>said\n# half\n{ASK} /add >>said"),
        look("cat said"),
        Shell(f"{ASK} /add >>said\n# half\necho between >>said"),
        Read("said"),
        Shell(f"{ASK} /add >>said"),
    ),
    questions=(f"{ASK} /count", "cat said"),
    needs="processes",
)

SESSIONS = Task(
    "sessions of a node service",
    "a table of sessions in memory; names come from a counter of the process",
    files={
        **TOOLS,
        "serve.js": (
            "const http = require('http');\nconst sessions = new Map();\nlet next = 1;\n"
            "http.createServer((asked, answer) => {\n  let body = '';\n  asked.on('data', (part) => { body += part; });\n"
            "  asked.on('end', () => {\n    if (asked.url === '/open') { const id = 's' + next++; sessions.set(id, body); answer.end(id + '\\n'); }\n"
            "    else answer.end([...sessions].map((pair) => pair.join('=')).join(',') + '\\n');\n  });\n"
            "}).listen(Number(process.argv[2]), '127.0.0.1');\n"
        ),
    },
    turns=(
        Serve("sessions", "exec node serve.js {port}"),
        Shell(f"{ASK} /open ann >>ids\n# half\n{ASK} /open bob >>ids"),
        look("cat ids"),
        Write("names", "cid\n"),
        Shell(f"{ASK} /open $(cat names) >>ids\n# half\necho opened >>ids"),
        look(f"{ASK} /all"),
    ),
    questions=(f"{ASK} /all", "cat ids"),
    needs="processes",
    requires=("node",),
)

DESCRIPTOR = Task(
    "a log behind an open descriptor",
    "a service goes on writing into a file that was renamed away under it",
    files={
        **TOOLS,
        "serve.py": (
            "from base import serve\n\nlog = open('live.log', 'a')\n\n\ndef answer(path, body):\n"
            "    log.write(path + '\\n')\n    log.flush()\n    return 'noted\\n'\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("noting", "exec python3 serve.py {port}"),
        Shell(f"{ASK} /one\n# half\n{ASK} /two"),
        Shell("mv live.log live.log.1\n# half\nln -s live.log.1 live.link"),
        look("cat live.link"),
        Shell(f"{ASK} /three >>answers\n# half\n{ASK} /four >>answers"),
        look("ls live*; cat live.log.1"),
        Shell(f"wc -l <live.log.1 >>answers\n# half\n{ASK} /five >>answers"),
    ),
    questions=("cat live.log.1", "ls"),
    needs="processes",
)

UNLINKED = Task(
    "a file without a name",
    "a service keeps its table in a file that it deleted at once: it lives as long as the process",
    files={
        **TOOLS,
        "serve.py": (
            "import os\n\nfrom base import serve\n\nstore = open('table.tmp', 'w+')\nos.unlink('table.tmp')\n\n\n"
            "def answer(path, body):\n    if body:\n        store.seek(0, 2)\n        store.write(body + '\\n')\n"
            "        store.flush()\n    store.seek(0)\n    return store.read()\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("table", "exec python3 serve.py {port}"),
        Shell(f"{ASK} /put one >>seen\n# half\n{ASK} /put two >>seen"),
        look(f"{ASK} /get"),
        Shell(f"mkdir kept\n# half\n{ASK} /put three >kept/all"),
        Read("kept/all"),
    ),
    questions=(f"{ASK} /get", "cat seen"),
    needs="processes",
)

KERNEL = Task(
    "a session that holds variables",
    "an interpreter that is sent line after line; functions and values live in it",
    files={
        **TOOLS,
        "serve.py": (
            "import contextlib, io\n\nfrom base import serve\n\nheld = {}\n\n\ndef answer(path, body):\n"
            "    said = io.StringIO()\n    with contextlib.redirect_stdout(said):\n        exec(body, held)\n"
            "    return said.getvalue()\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("kernel", "exec python3 serve.py {port}"),
        Shell(f"{ASK} / 'rows = [1, 2, 3]'\n# half\n{ASK} / 'rows.append(4)'"),
        look(f"{ASK} / 'print(rows)'"),
        Shell(f"{ASK} / 'double = lambda: [2 * each for each in rows]'\n# half\n{ASK} / 'rows = double(); print(rows)' >>log"),
        Shell(f"{ASK} / 'rows.append(len(rows)); print(rows)' >>log\n# half\nchmod 600 log"),
        Read("log"),
    ),
    questions=(f"{ASK} / 'print(sum(rows), double())'", "cat log"),
    needs="processes",
)  # fmt: skip

WORKERS = Task(
    "a parent and its worker",
    "two processes with a pipe between them; the worker adds up what it is sent",
    files={
        **TOOLS,
        "serve.py": (
            "import os\n\nfrom base import serve\n\nask, asked = os.pipe()\ntell, told = os.pipe()\n"
            "if os.fork() == 0:\n    total = 0\n    with open(ask) as lines, open(told, 'w') as out:\n        os.close(asked)\n"
            "        for line in lines:\n            total += int(line)\n            out.write(f'{total}\\n')\n            out.flush()\n"
            "    os._exit(0)\nos.close(ask)\nos.close(told)\nto = open(asked, 'w')\nback = open(tell)\n\n\n"
            "def answer(path, body):\n    to.write((body or '0') + '\\n')\n    to.flush()\n    return back.readline()\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("adding", "exec python3 serve.py {port}"),
        Shell(f"{ASK} / 5 >>sums\n# half\n{ASK} / 7 >>sums"),
        look(f"{ASK} /"),
        Shell(f"{ASK} / 30 >>sums\n# half\ncp sums sums.1"),
        look("cat sums"),
    ),
    questions=(f"{ASK} /", "cat sums"),
    needs="processes",
)

PIPED = Task(
    "a loop that reads a FIFO",
    "a shell loop adds what it reads from a named pipe and answers through a file",
    files={"loop": "#!/bin/sh\nn=0\nwhile :; do\n  read word <in || continue\n  n=$((n + word)); echo $n >out.new; mv out.new out\ndone\n"},
    setup="mkfifo in",
    turns=(
        Serve("loop", "exec ./loop"),
        Shell("rm -f out\necho 3 >in\n# half\nfor n in $(seq 500); do [ -e out ] && break; sleep 0.01; done\ncat out >>log"),
        look("cat log"),
        Shell("rm out\necho 4 >in\n# half\nfor n in $(seq 500); do [ -e out ] && break; sleep 0.01; done\ncat out >>log"),
        Read("log"),
        Shell("rm out\necho 5 >in\nfor n in $(seq 500); do [ -e out ] && break; sleep 0.01; done\ncat out >>log"),
    ),
    questions=("cat log",),
    needs="processes",
)  # fmt: skip

STORED = Task(
    "a service over a database",
    "an http service whose state is in sqlite; it is stopped, moved and started again",
    files={
        **TOOLS,
        "serve.py": (
            "import sqlite3\n\nfrom base import serve\n\nbase = sqlite3.connect('notes.db', isolation_level=None)\n"
            "base.execute('create table if not exists note (word text)')\n\n\ndef answer(path, body):\n"
            "    if body:\n        base.execute('insert into note values (?)', (body,))\n"
            "    return ','.join(word for (word,) in base.execute('select word from note')) + '\\n'\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("notes", "exec python3 serve.py {port}"),
        Shell(f"{ASK} / one >>said\n# half\n{ASK} / two >>said"),
        look(f"{ASK} /"),
        Shell(f"{ASK} / three >>said\n# half\ncp notes.db copy.db"),
        Stop("notes"),
        Shell("mv notes.db old.db\nmv copy.db notes.db\n# half\nrm old.db"),
        Serve("again", "exec python3 serve.py {port}"),
        Shell(f"{ASK} / four >>said"),
    ),
    questions=(f"{ASK} /", "cat said"),
    beyond_images=(
        "sqlite in a living process refuses to write once its database has another inode number, "
        "as a file has that was put back"
    ),
)

SHARED = Task(
    "a service over a shared map",
    "counters in a file that the service changes through shared memory, never by a write",
    files={
        **TOOLS,
        "serve.py": (
            "import mmap\n\nfrom base import serve\n\nfile = open('counters', 'r+b')\ntable = mmap.mmap(file.fileno(), 0)\n\n\n"
            "def answer(path, body):\n    at = int(path[1:])\n    table[at] += len(body)\n    return f'{table[at]}\\n'\n\n\nserve(answer)\n"
        ),
    },
    setup="head -c 65536 /dev/zero >counters",
    turns=(
        Serve("counters", "exec python3 serve.py {port}"),
        Shell(f"{ASK} /0 x >>said\n# half\n{ASK} /9000 xx >>said"),
        Shell(f"{ASK} /0 x >>said\n# half\n{ASK} /9000 xx >>said"),
        look(f"{ASK} /0"),
        Shell(f"{ASK} /1 xxx >>said\n# half\n{ASK} /9000 x >>said"),
        Read("said"),
        Shell(f"{ASK} /0 xxxx >>said"),
    ),
    questions=(f"{ASK} /0", f"{ASK} /9000", "cat said"),
)

JOURNALLED = Task(
    "a service that reads its journal",
    "every request is appended to a journal, and the journal is read again at the start",
    files={
        **TOOLS,
        "serve.py": (
            "import os\n\nfrom base import serve\n\nstock = {}\n\n\ndef book(line):\n    name, n = line.split()\n"
            "    stock[name] = stock.get(name, 0) + int(n)\n\n\nif os.path.exists('journal'):\n    for each in open('journal'):\n        book(each)\n\n\n"
            "def answer(path, body):\n    if body:\n        with open('journal', 'a') as journal:\n            journal.write(body + '\\n')\n        book(body)\n"
            "    return ' '.join(f'{name}={n}' for name, n in sorted(stock.items())) + '\\n'\n\n\nserve(answer)\n"
        ),
    },
    turns=(
        Serve("stock", "exec python3 serve.py {port}"),
        Shell(f"{ASK} / 'apple 3' >>said\n# half\n{ASK} / 'pear 2' >>said"),
        look(f"{ASK} /"),
        Shell(f"{ASK} / 'apple -1' >>said\n# half\nwc -l <journal >>said"),
        look("cat journal"),
        Shell(f"{ASK} / 'plum 9' >>said\n# half\nchmod 600 journal"),
    ),
    questions=(f"{ASK} /", "cat journal said"),
)

TASKS: Final = (
    COUNTER, SESSIONS, DESCRIPTOR, UNLINKED, KERNEL, WORKERS, PIPED, STORED, SHARED, JOURNALLED,
)  # fmt: skip
