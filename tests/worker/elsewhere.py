"""A worker of another host: nobody here can prove what becomes of its processes."""

from perdure.adapters import holders
from tests.worker import agents

holders._host.cache_clear()
holders._host = lambda: "far-machine/its-boot/its-namespace"
boss, doer, scribe = agents.boss, agents.doer, agents.scribe
