"""Everything that one run's sandboxes have in common: the program, what they show, what they refuse."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from perdure.adapters.sandboxes.cage import Cage, begun
from perdure.adapters.sandboxes.confinement import Fds, Loopback, Overlay, confined, in_place, over
from perdure.adapters.sandboxes.seccomp import filter_program
from perdure.adapters.sandboxes.view import View, before_workspace, furnished


class Jail:
    """Starts sandboxes of one run."""

    def __init__(self, program: Path, view: View, writable: Sequence[Path] | None) -> None:
        """Show what ``view`` says, by the bubblewrap ``program``.

        Where changes are made in place, only ``writable`` may be changed if it is given.
        """
        furnished(view)
        self.program: Path = program
        self.view: View = view
        self.seccomp: Path = view.folder / "seccomp"
        self.seccomp.write_bytes(filter_program())
        self._writable: Sequence[Path] | None = writable
        self._around: tuple[str, ...] = tuple(before_workspace(view))

    async def begin(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int,
        output: int,
        overlay: Overlay | None = None,
        entrance: Sequence[str] = (),
    ) -> Cage | None:
        """Start ``command`` in a sandbox of its own; None if there can't be one, which ``output`` then says.

        With ``overlay`` its changes stay there; without, they are made in place. Behind an ``entrance`` it
        shares the network that the entrance leads to.
        """
        root = self.view.root
        workspace = over(root, overlay) if overlay else in_place(root, self._writable)
        whose: Loopback = "machine" if self.view.network else "shared" if entrance else "own"

        def words(fds: Fds) -> list[str]:
            return confined(
                self.program,
                self.view,
                workspace,
                around=self._around,
                fds=fds,
                loopback=whose,
                command=command,
            )

        return await begun(
            words, env=env, stdin=stdin, output=output, seccomp=self.seccomp, entrance=entrance
        )
