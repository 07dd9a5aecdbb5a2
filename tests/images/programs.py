"""Programs that services run in these tests: each answers one line with one line on a port of its own."""

from typing import Final

_SERVER: Final = """
import socket
def serve(port, answer):
    with socket.create_server(("127.0.0.1", port)) as listening:
        print("up", flush=True)
        while True:
            line, _ = listening.accept()
            with line, line.makefile("rw") as words:
                asked = words.readline().strip()
                words.write(f"{answer(asked)}\\n")
                words.flush()
"""

COUNTER: Final = (
    _SERVER
    + """
count = 0
kept = open("counted", "a")
def answer(asked):
    global count
    if asked == "more":
        count += 1
        print(count, file=kept, flush=True)
    return count
serve(8001, answer)
"""
)
"""Counts in memory, and writes each count to a file that it holds open."""

GHOST: Final = (
    _SERVER
    + """
import os
ghost = open("ghost", "w+")
ghost.write("nobody sees this")
ghost.flush()
os.unlink("ghost")
def answer(asked):
    ghost.seek(0)
    return ghost.read()
serve(8002, answer)
"""
)
"""Holds a deleted file open."""

LOCK: Final = (
    _SERVER
    + """
import fcntl
flocked, posix = open("flocked", "w"), open("posix", "w")
fcntl.flock(flocked, fcntl.LOCK_EX)
fcntl.lockf(posix, fcntl.LOCK_EX)
serve(8003, lambda asked: "held")
"""
)
"""Holds two kinds of locks."""

FAMILY: Final = (
    _SERVER
    + """
import os
to_child, from_parent = os.pipe(), os.pipe()
if os.fork() == 0:
    count = 0
    while os.read(to_child[0], 1):
        count += 1
        os.write(from_parent[1], f"{os.getpid()}:{count}\\n".encode())
def answer(asked):
    os.write(to_child[1], b"x")
    return os.read(from_parent[0], 100).decode().strip()
serve(8004, answer)
"""
)
"""Has a child that counts; they speak through pipes."""

MAPPED: Final = (
    _SERVER
    + """
import mmap
with open("mapped", "wb") as file:
    file.truncate(8192)
with open("mapped", "r+b") as file:
    page = mmap.mmap(file.fileno(), 8192)
def answer(asked):
    if asked == "more":
        page[0] += 1
    return page[0]
serve(8005, answer)
"""
)
"""Writes into a file that it maps shared; no system call tells of a write."""

DATABASE: Final = (
    _SERVER
    + """
import sqlite3
db = sqlite3.connect("rows.db", isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE rows (n)")
def answer(asked):
    if asked in ("begin", "commit"):
        db.execute(asked)
    if asked == "more":
        db.execute("INSERT INTO rows VALUES (1)")
    return db.execute("SELECT count(*) FROM rows").fetchone()[0]
serve(8006, answer)
"""
)
"""Holds a database in WAL mode, and a transaction if told so."""

FRONT: Final = (
    _SERVER
    + """
import socket
back = socket.create_server(("127.0.0.1", 8009))
print("listening", flush=True)
peer = back.accept()[0].makefile("rw")
def answer(asked):
    peer.write("x\\n")
    peer.flush()
    return peer.readline().strip()
serve(8008, answer)
"""
)
"""Asks the other service over a connection that stays open."""

PARTNER: Final = """
import socket
line = socket.create_connection(("127.0.0.1", 8009)).makefile("rw")
print("up", flush=True)
count = 0
while line.readline():
    count += 1
    line.write(f"{count}\\n")
    line.flush()
"""

TERMINAL: Final = (
    _SERVER
    + """
import os, pty, termios
child, terminal = pty.fork()
if child == 0:
    silent = termios.tcgetattr(0)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, silent)
    print("ready", flush=True)
    count = 0
    while input():
        count += 1
        print(count, flush=True)
def answer(asked):
    os.write(terminal, b"x\\n")
    return lines.readline().strip()
lines = os.fdopen(terminal, "r", closefd=False)
lines.readline()
serve(8012, answer)
"""
)
"""Has a child that counts, on a terminal."""

IDLE: Final = """
import asyncio
async def main():
    async def answer(reader, writer):
        await reader.readline()
        writer.write(b"here\\n")
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 8010)
    print("up", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""Waits without a timer."""

BUSY: Final = """
print("up", flush=True)
number = 0
while True:
    number += 1
"""

NODE: Final = """
let count = 0;
require("net").createServer(line => line.on("data", () => line.end(`${++count}\\n`)))
  .listen(8011, "127.0.0.1", () => console.log("up"));
"""

OUTWARD: Final = """
import socket
line = socket.socket(socket.AF_UNIX)
line.connect("outside.sock")
print("up", flush=True)
while word := line.recv(100):
    print(word.decode(), flush=True)
"""
"""Talks to somebody outside of the sandbox."""

TRACER: Final = """
import ctypes, os
child = os.fork()
if child == 0:
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), 19)
os.waitpid(child, os.WUNTRACED)
print("up", flush=True)
os.waitpid(child, 0)
"""
"""Holds its child as a debugger does."""

URING: Final = """
import ctypes, errno
kernel = ctypes.CDLL(None, use_errno=True)
kernel.syscall(425, 8, None)
print(errno.errorcode[ctypes.get_errno()], flush=True)
print("up", flush=True)
"""
