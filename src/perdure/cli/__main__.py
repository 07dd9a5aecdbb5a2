"""``python -m perdure.cli`` is ``perdure``."""

import sys

from perdure.cli import main

sys.exit(main())
