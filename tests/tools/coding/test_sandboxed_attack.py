"""An agent's own service exchanges names in the workspace, from within its sandbox, while the file tools are at work."""

import asyncio
import shlex
import threading
from pathlib import Path

import pytest

from perdure.adapters.tools.outcomes import NotDone
from perdure.assembly.files.shelter import Shelter, ladder_of
from perdure.assembly.files.site import Site
from perdure.contract import Contract, compile_law
from perdure.intention.declaration import Definition
from tests.tools.coding.attack import SECRET, Ground
from tests.tools.coding.desk import TOOLS, PlainDesk, text

SERVICE = """
import ctypes, os
exchange = ctypes.CDLL(None).renameat2
swaps = 0
while True:
    swaps += exchange(-100, b"d", -100, b"decoy", 2) == 0
    if swaps % 1000 == 0:
        with open("swaps.new", "w") as file:
            file.write(str(swaps))
        os.replace("swaps.new", "swaps")
"""
ROUNDS_MIN = 300
SWAPS_MIN = 10_000


def tried(desk: PlainDesk, number: int) -> list[str]:
    """Return what the tools said to one call each."""
    said: list[str] = []
    for name, arguments in (
        ("read", {"path": "d/f"}),
        ("write", {"path": "d/f", "content": f"what is inside {number}\n"}),
        ("edit", {"path": "d/f", "old": "inside", "new": "within"}),
        ("write", {"path": f"d/new/{number}", "content": "x"}),
    ):
        try:
            said.append(text(desk, name, **arguments))
        except NotDone as error:
            said.append(f"refused: {error}")
    return said


async def under_attack(shelter: Shelter, desk: PlainDesk) -> list[str]:
    """Return all that the tools said while the service was at work."""
    await shelter.start("attacker", f"python3 -c {shlex.quote(SERVICE)}")
    said: list[str] = []
    enough = threading.Event()

    def swaps() -> int:
        try:
            return int((desk.root / "swaps").read_text())
        except FileNotFoundError:
            return 0

    def work() -> None:
        number = 0
        while (number < ROUNDS_MIN or swaps() < SWAPS_MIN) and not enough.is_set():
            said.extend(tried(desk, number))
            number += 1

    try:
        async with asyncio.timeout(60):
            await asyncio.to_thread(work)
    finally:
        enough.set()
        await shelter.close()
    return said


def test_a_service_that_exchanges_names_leads_no_tool_out(tmp_path: Path):
    ground = Ground.made(tmp_path.resolve())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    rung = ladder_of(ground.root, scratch).rung("sandbox")
    if not rung.ok:
        pytest.skip(rung.why)
    (ground.root / "decoy").symlink_to("../outside")
    law = compile_law(Definition("a", "", "", (TOOLS["shell"].declaration,)), Contract())
    shelter = Shelter(Site("r", ground.root, scratch, "r"), law)
    said = asyncio.run(under_attack(shelter, PlainDesk(ground.root)))
    assert len(said) >= 4 * ROUNDS_MIN
    refused = [each for each in said if each.startswith("refused")]
    assert 0 < len(refused) < len(said)
    assert not [each for each in said if SECRET in each]
    assert ground.harmed() == []
    assert int((ground.root / "swaps").read_text()) >= SWAPS_MIN
