"""Whether this machine can take and restore images, found out by doing both to a small service."""

import asyncio
import shutil
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.images.criu import NoCriu, find_criu
from perdure.adapters.sandboxes.images.launcher import ImageLauncher
from perdure.adapters.sandboxes.services import ServiceOrder
from perdure.adapters.sandboxes.view import View
from perdure.values.errors import ImageFailed

_SECONDS_MAX: Final = 30
_ROOT_CURE: Final = "run perdure as root in a machine or a container that allows namespaces and ptrace"

# It lives on what only memory holds: the word that it tells in the end was read before the image was taken.
_SERVICE: Final = """\
read -r word <given
echo "$word" >heard
while ! [ -e go ]; do sleep 0.02; done
echo "$word" >told
"""
_ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin"}


def probe_images(scratch: Path) -> tuple[str, str]:
    """Return why images can't be taken here and what would enable it; both empty if they can.

    Tried below ``scratch``, once per process and file system; takes about half a second.
    """
    with _one_at_a_time:
        scratch.mkdir(parents=True, exist_ok=True)
        device = scratch.stat().st_dev
        if device not in _known:
            _known[device] = _probed(scratch.resolve())
        return _known[device]


_one_at_a_time: Final = threading.Lock()
_known: Final[dict[int, tuple[str, str]]] = {}


def _probed(scratch: Path) -> tuple[str, str]:
    if not sys.platform.startswith("linux"):
        return "images of processes need Linux", "run perdure on Linux"
    # A thread of its own, since whoever asks may be in an event loop.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, _tried(scratch / "probe-images")).result()


async def _tried(place: Path) -> tuple[str, str]:
    criu = await asyncio.to_thread(find_criu)
    if isinstance(criu, NoCriu):
        return criu.why, criu.cure
    root = place / "workspace"
    await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
    await asyncio.to_thread(root.mkdir, parents=True)
    launcher = ImageLauncher(View(root, place / "view"), place / "services", place / "images", criu)
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            return await _frozen_and_thawed(launcher, root, place)
    except (OSError, TimeoutError) as failed:
        return str(failed) or f"it took longer than {_SECONDS_MAX} s", _ROOT_CURE
    except ImageFailed as failed:
        return f"CRIU {criu.version} is here, and it failed: {failed}", _ROOT_CURE
    finally:
        await launcher.close()
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


async def _frozen_and_thawed(launcher: ImageLauncher, root: Path, place: Path) -> tuple[str, str]:
    order = ServiceOrder("probe", _SERVICE, _ENVIRONMENT, place / "services" / "probe")
    await asyncio.to_thread((root / "given").write_text, "remembered\n", encoding="ascii")
    await launcher.launch(order)
    while not await asyncio.to_thread(_has_heard, root):  # noqa: ASYNC110 - another program writes it
        await asyncio.sleep(0.005)
    image, _ = await launcher.freeze(place / "image", _nothing)
    await launcher.close()
    await asyncio.to_thread(_forgotten, root)
    thawed = await launcher.thaw(image.folder, _ENVIRONMENT)
    if thawed.notes:
        return thawed.notes[0], _ROOT_CURE
    await asyncio.to_thread((root / "go").touch)
    await thawed.services[order.name].ended()
    told = await asyncio.to_thread((root / "told").read_text, encoding="ascii")
    return ("", "") if told == "remembered\n" else ("a thawed service had lost its memory", _ROOT_CURE)


def _has_heard(root: Path) -> bool:
    heard = root / "heard"
    return heard.exists() and heard.read_text(encoding="ascii").endswith("\n")


def _forgotten(root: Path) -> None:
    """Nothing but the image knows the word."""
    (root / "given").unlink()
    (root / "heard").unlink()


async def _nothing() -> None:
    return
