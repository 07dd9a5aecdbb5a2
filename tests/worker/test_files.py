"""A run that comes to another host finds its files as they were recorded last, in a directory of its own."""

import signal
from pathlib import Path

from perdure.assembly.store import Store
from tests.worker.kit import Deeds, Living, kinds, rested, told, until

QUICK = ("--takeover-seconds", "2")


def host(tmp_path: Path, name: str) -> dict[str, str]:
    """Return what makes a process believe that it is on a host with a disk of its own."""
    desk = tmp_path / name / "desk"
    desk.mkdir(parents=True)
    return {
        "PERDURE_TEST_DESK": str(desk),
        "XDG_STATE_HOME": str(tmp_path / name),
        "TMPDIR": str(tmp_path / name),
    }


def test_files_that_were_recorded_go_along_to_another_host(
    dsn: str, store: Store, deeds: Deeds, tmp_path: Path
):
    steps = (
        ("note", {"path": "plan", "text": "dig"}),
        ("note", {"path": "map", "text": "here", "gate": "shovel"}),
        ("read", {"path": "plan"}),
        ("read", {"path": "map"}),
    )
    there, here = host(tmp_path, "there"), host(tmp_path, "here")
    with Living(dsn, deeds.path, *QUICK, agents="tests.worker.elsewhere", env=there) as far:
        far.serving()
        store.submit("scribe", told(*steps), run="r")
        deeds.begun("map")
        far.signal(signal.SIGKILL)
        far.ended()
    deeds.open("shovel")
    with Living(dsn, deeds.path, *QUICK, env=here) as near:
        near.serving().heard("run.taken", run="r")
        rested(store, "r")
        root = Path(store.state("r").root)
        assert root.is_relative_to(tmp_path / "here")
        assert root != Path(here["PERDURE_TEST_DESK"])
        assert (root / "plan").read_text(encoding="utf-8") == "dig"
        assert (root / "map").read_text(encoding="utf-8") == "here"
        assert deeds.lines("read", "plan") == [f"read plan {root} dig"]
        assert deeds.lines("read", "map") == [f"read map {root} here"]
        assert not list(Path(here["PERDURE_TEST_DESK"]).iterdir())
        assert "checkpoint.restored" in kinds(store, "r")
        until(lambda: store.books.rows("r")[0].holder is None, "it is given back")
