"""Floor 9: the command line. Asking for help loads click and a table; a command loads itself."""

from perdure import __version__
from perdure.cli.group import Commands
from perdure.cli.verbs import EPILOG, HELP, VERBS

main = Commands("perdure", HELP, EPILOG, VERBS, version=__version__)
