"""Print the digest of every event of some histories, killed here and there: run as a program."""

import hashlib
import sys

from perdure.testing.lives import History, run_until_rest
from tests.crash.cases import CASES

KILLS = ((), (15,), (18, 34), (21,))


def digest_of(name: str, kills: tuple[int, ...]) -> str:
    """Return a digest over the bytes of all runs."""
    case = CASES[name]
    world = case.world()
    history = History(lambda: case.agent(world), world, kills=kills)
    try:
        ending = run_until_rest(history, "Go.", then=case.then)
        hasher = hashlib.sha256()
        for row in ending.store.rows():
            for stored in ending.store.read(row.run, 0, 2**31):
                hasher.update(stored.frame + stored.digest)
        return f"{name} {kills} {hasher.hexdigest()}"
    finally:
        history.discard()


if __name__ == "__main__":
    # What a workspace's tree is named by hangs on its directory and on the times of its files, which are new
    # in each process.
    names = [name for name, case in CASES.items() if not case.workspace]
    lines = [digest_of(name, kills) for name in names for kills in KILLS]
    sys.stdout.write("\n".join(lines))
