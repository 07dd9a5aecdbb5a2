"""The few lines of shell around a command: that it began, how it ended, and what it left running.

They run inside of the sandbox, so what they say is told to people and decides nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure.adapters.sandboxes.view import shell

_BEGUN: Final = "begun"

# The report goes out where standard input comes in: the one descriptor that needs no number.
_SCRIPT: Final = """\
exec 3>&0 </dev/null
echo begun >&3
"$1" -c "$2" 3>&-
code=$?
for place in /proc/[0-9]*; do
  number=${place#/proc/}
  [ "$number" = $$ ] && continue
  { read -r line <"$place/stat"; } 2>/dev/null || continue
  case ${line##*) } in [ZX]*) continue ;; esac
  line=${line#*\\(}
  echo "left ${line%)*}" >&3
done
exit $code
"""


class ShellReport(NamedTuple):
    """What the lines around a command said."""

    begun: bool
    left: tuple[str, ...]
    """names of programs that were still running"""


def wrapped(command: str) -> Sequence[str]:
    """Return the words that run ``command`` by the shell, reporting to their standard input."""
    return ("/bin/sh", "-c", _SCRIPT, "sh", shell(), command)


def reaping(command: str) -> Sequence[str]:
    """Return the words that run ``command`` by the shell below one that outlives and reaps its children."""
    return ("/bin/sh", "-c", '"$1" -c "$2"; exit $?', "sh", shell(), command)


def reported(said: bytes) -> ShellReport:
    """Read a report; a command that tampers with it is believed, and gains nothing."""
    lines = said.decode("utf-8", "replace").splitlines()
    left = [line.removeprefix("left ") for line in lines if line.startswith("left ")]
    return ShellReport(_BEGUN in lines, tuple(dict.fromkeys(left)))
