"""Under wrap a program has the real terminal: its size, its modes, its signals, and the shell's job control."""

import shlex
import signal
import sys
import termios

import psutil
import pytest

from perdure.log import events as e
from tests.wrap.kit import HERE, Desk, Screen, awaited


def has_the_terminal(desk: Desk) -> None:
    """Hold an interactive program against what it would have without a wrapper."""
    with Screen(desk, desk.words("small", "screen", run="seen"), rows=31, columns=97) as screen:
        screen.await_text("seen")
        first = screen.await_line("tty")
        assert first["tty"] == [True, True, True]
        assert first["size"] == [31, 97]
        assert first["front"] is True
        assert first["parent"] == screen.pid
        screen.resize(50, 132)
        assert screen.await_line("size") == {"size": [50, 132]}
        screen.press(b"\x03")
        assert screen.await_line("heard") == {"heard": "SIGINT"}
        screen.press(b"hello\n")
        assert screen.await_line("read") == {"read": "hello"}
        screen.press(b"raw\n")
        screen.await_text("in raw mode")
        screen.press(b"\x03\x1aq")  # keys now, no signals
        screen.await_text("key 3\r\nkey 26\r\n")
        screen.await_text("perdure wrap --resume seen")
        assert screen.ends() == 3


def test_an_interactive_program_has_the_terminal_itself(desk: Desk):
    has_the_terminal(desk)
    assert [event.body.why for event in desk.events("seen") if isinstance(event.body, e.ClientLeft)] == [
        "the client ended with exit code 3"
    ]


@pytest.mark.parametrize("fault", ["own-group", "own-interrupt"])
def test_a_wrapper_that_comes_between_is_caught(desk: Desk, fault: str):
    desk.perdure = [sys.executable, str(HERE / "broken.py"), fault]
    with pytest.raises(AssertionError):
        has_the_terminal(desk)


def test_the_terminal_is_put_in_order_where_the_client_was_killed_in_raw_mode(desk: Desk):
    with Screen(desk, desk.words("small", "screen", run="raw")) as screen:
        screen.await_line("tty")
        before = screen.modes()
        screen.press(b"die raw\n")
        screen.await_text("in raw mode")
        assert screen.ends() == 128 + signal.SIGKILL
        assert before & termios.ICANON
        assert screen.modes() == before


def test_the_shell_has_job_control_over_a_wrapped_client(desk: Desk):
    with Screen(desk, ["/bin/sh", "-i"]) as screen:
        screen.press(shlex.join(desk.words("small", "screen", run="job")).encode() + b"\n")
        first = screen.await_line("tty")
        wrapper, client = psutil.Process(first["parent"]), psutil.Process(first["pid"])
        screen.press(b"\x1a")
        awaited(lambda: {wrapper.status(), client.status()} == {psutil.STATUS_STOPPED})
        screen.press(b"echo the shell is $((40+2))\n")
        screen.await_text("the shell is 42")
        screen.press(b"fg\n")
        assert screen.await_line("heard") == {"heard": "SIGCONT", "front": True}
        screen.press(b"again\n")
        assert screen.await_line("read") == {"read": "again"}
        # It stops itself, which the terminal has no part in: the shell would wait for ever.
        client.send_signal(signal.SIGSTOP)
        awaited(lambda: wrapper.status() == psutil.STATUS_STOPPED)
        screen.press(b"echo still $((40+3))\n")
        screen.await_text("still 43")
        client.kill()  # while both are stopped
        screen.press(b"fg\n")
        screen.await_text("perdure wrap --resume job")
        screen.press(b"echo it ended with $?\n")
        screen.await_text("it ended with 137")
