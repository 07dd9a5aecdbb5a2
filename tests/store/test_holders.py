"""Proof of death: said only with proof, and never of a process that may go on."""

import os
import subprocess
import sys
import threading

import pytest

from perdure.adapters import holders
from perdure.adapters.holders import Fate, fate, holder_of, this_holder
from perdure.log.port import Holder

CONTAINER = "pid:[4026532999]"
BARE = "pid:[4026531836]"


def test_a_holder_of_this_process_lives_from_its_beginning_to_its_end():
    mine = this_holder("test-token")
    assert fate(mine) is Fate.DEAD
    holders.begin("test-token")
    assert fate(mine) is Fate.ALIVE
    holders.end("test-token")
    assert fate(mine) is Fate.DEAD


def test_a_process_that_was_reaped_is_dead():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        seen = holder_of(child.pid, "t")
        assert fate(seen) is Fate.ALIVE
    assert fate(seen) is Fate.DEAD


def test_a_process_of_another_user_can_be_seen_to_live():
    assert fate(holder_of(1, "t")) is Fate.ALIVE


def test_a_main_thread_that_ended_before_its_siblings_is_no_proof_of_death():
    program = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=lambda: (print('up', flush=True), time.sleep(60))).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"up\n"
            between = threading.Event()
            while (holders._stat(child.pid) or ["gone"])[0] in "RSD":
                between.wait(0.01)
            assert (holders._stat(child.pid) or ["gone"])[0] == "Z"
            assert fate(holder_of(child.pid, "t")) is Fate.ALIVE
        finally:
            child.kill()


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        (f"machine/boot/{BARE}", "same"),
        (f"machine/earlier/{BARE}", "rebooted"),
        (f"machine/earlier/{CONTAINER}", "unknown"),
        (f"machine/boot/{CONTAINER}", "unknown"),
        (f"other/earlier/{BARE}", "unknown"),
        ("", "unknown"),
    ],
)
def test_only_a_reboot_of_this_very_machine_proves_that_its_processes_are_gone(there: str, verdict: str):
    here = f"machine/boot/{BARE}"
    assert holders._rebooted(there, here) is (verdict == "rebooted")


def test_in_a_container_a_reboot_proves_nothing():
    assert not holders._rebooted(f"machine/earlier/{CONTAINER}", f"machine/boot/{CONTAINER}")


def test_a_holder_elsewhere_is_unknown():
    assert fate(Holder("elsewhere/boot/pid:[1]", os.getpid(), "1", "t")) is Fate.UNKNOWN
